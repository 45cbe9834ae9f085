"""A folder of images, read, augmented and batched: a data set against other loaders."""

import concurrent.futures
import tempfile
from pathlib import Path

import numpy as np

import jkeras
from jkeras.utils import image
from tests.benchmarks import programs, tables

SIZE, BATCH, THREADS = (96, 96), 32, 2


def write_images(folder, count):
    """Writes images of many sizes in two classes; returns their paths and labels."""
    from PIL import Image

    rng = np.random.default_rng(0)
    paths = []
    for i in range(count):
        path = Path(folder) / "ab"[i % 2] / f"{i:04}.jpg"
        path.parent.mkdir(exist_ok=True)
        small = rng.integers(0, 256, (12, 12, 3), "uint8")
        height, width = rng.integers(150, 250, 2)
        Image.fromarray(small).resize((int(width), int(height))).save(path)
        paths.append((str(path), i % 2))
    return paths


def load(path):
    """What the reader of folders does, by hand."""
    pixels = image.img_to_array(image.load_img(path), "channels_last", "float32")
    return image.resize(pixels, SIZE)


def augment(x, rng):
    """Flips half of the images of a batch, and scales."""
    flipped = rng.random(len(x)) < 0.5
    x = np.where(flipped[:, None, None, None], x[:, :, ::-1], x)
    return x * np.float32(1 / 255)


def data_set(folder):
    """The data set under test."""
    layers = jkeras.Sequential(
        [jkeras.layers.RandomFlip("horizontal"), jkeras.layers.Rescaling(1 / 255)]
    )
    images = jkeras.utils.image_dataset_from_directory(
        folder, image_size=SIZE, batch_size=BATCH, verbose=False
    )
    return images.map(lambda x, y: (layers(x, training=True), y), THREADS).prefetch(2)


def make_batch(samples, rng):
    """Reads, stacks and augments."""
    return augment(np.stack([load(path) for path, _ in samples]), rng), np.array(
        [label for _, label in samples], "int32"
    )


def by_hand(paths):
    """A loader as written by hand: threads that make whole batches, a few ahead."""
    rng = np.random.default_rng(1)
    order = rng.permutation(len(paths))
    groups = [[paths[i] for i in order[at : at + BATCH]] for at in range(0, len(paths), BATCH)]
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        waiting = [
            pool.submit(make_batch, g, np.random.default_rng(i)) for i, g in enumerate(groups)
        ]
        for future in waiting:
            yield future.result()


def py_dataset(base, paths):
    """The same as a PyDataset, of this library's or of Keras's."""

    class Images(base):
        def __init__(self):
            super().__init__(workers=THREADS, max_queue_size=4)

        def __len__(self):
            return -(-len(paths) // BATCH)

        def __getitem__(self, index):
            return make_batch(
                paths[index * BATCH : (index + 1) * BATCH], np.random.default_rng(index)
            )

    return Images()


def with_grain(paths):
    """The same by Grain, in threads."""
    import grain

    def read(sample):
        return load(sample[0]), np.int32(sample[1])

    def change(batch):
        return augment(batch[0], np.random.default_rng(0)), batch[1]

    data = grain.MapDataset.source(paths).shuffle(seed=1).map(read).batch(BATCH).map(change)
    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=4)
    return data.to_iter_dataset(options)


def consume(batches):
    """Goes through one pass."""
    return sum(len(batch[0]) for batch in batches)


def net(keras):
    """A small net, so that reading is most of the work."""
    model = keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            keras.layers.Conv2D(8, 3, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model


def pipelines(rounds, quick):
    """Reading a folder: by itself, and as what `fit` is fed with."""
    count = 128 if quick else 512
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(folder, count)
        ours, own = data_set(folder), py_dataset(jkeras.utils.PyDataset, paths)
        reading = {
            "jkeras": lambda: consume(ours),
            "threads by hand": lambda: consume(by_hand(paths)),
        }
        model = net(jkeras)
        fitting = {
            "jkeras": lambda: model.fit(ours, verbose=0),
            "threads by hand": lambda: model.fit(by_hand(paths), verbose=0),
            "jkeras, PyDataset": lambda: model.fit(own, verbose=0),
        }
        if programs.has("grain"):
            grains = with_grain(paths)
            reading["Grain"] = lambda: consume(grains)
            fitting["Grain"] = lambda: model.fit(grains, verbose=0)
        if programs.has("keras"):
            import keras

            theirs, other = net(keras), py_dataset(keras.utils.PyDataset, paths)
            fitting["Keras, PyDataset"] = lambda: theirs.fit(other, verbose=0)
        for title, calls in (("batches of a folder", reading), ("fit on a folder", fitting)):
            tables.race(calls, 1)
            tables.show(f"{title}, {count} images", tables.race(calls, max(3, rounds // 3)))
        rows = {"jkeras": array_rows(jkeras), "rows by hand": array_batches}
        tables.race(rows, 1)
        tables.show("batches of arrays in random order", tables.race(rows, rounds))


def array_rows(keras):
    """Returns a pass over arrays through a data set."""
    x, y = np.zeros((20_000, 784), "float32"), np.zeros(20_000, "int32")
    data = keras.utils.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(128)
    return lambda: consume(data)


def array_batches():
    """The same with NumPy."""
    x, y = np.zeros((20_000, 784), "float32"), np.zeros(20_000, "int32")
    order = np.random.default_rng(0).permutation(len(x))
    return consume((x[order[i : i + 128]], y[order[i : i + 128]]) for i in range(0, len(x), 128))

"""ImageDataGenerator, Tokenizer, TimeseriesGenerator: Keras 2's tools, each with one warning."""

import json

import numpy as np
import pytest

import jkeras as keras

image, text = keras.preprocessing.image, keras.preprocessing.text
sequence = keras.preprocessing.sequence


def tokenizer(**arguments):
    with pytest.warns(DeprecationWarning, match="TextVectorization") as caught:
        made = text.Tokenizer(**arguments)
    assert len(caught) == 1
    made.fit_on_texts(["The cat sat on the mat.", "A dog; the cat!", "zebra zebra on"])
    return made


def test_tokenizer():
    made = tokenizer(num_words=4, oov_token="?")
    assert made.word_index["the"] == 2 and made.index_word[1] == "?"
    numbers = made.texts_to_sequences(["the unknown cat", "mat mat"])
    assert numbers == [[2, 1, 3], [1, 1]]
    assert made.sequences_to_texts(numbers) == ["the ? cat", "? ?"]
    assert made.texts_to_matrix(["the the cat"], "count").tolist() == [[0, 0, 2, 1]]
    np.testing.assert_allclose(
        made.texts_to_matrix(["the the cat"], "freq"), [[0, 0, 2 / 3, 1 / 3]]
    )
    tfidf = made.texts_to_matrix(["the the cat"], "tfidf")[0]
    np.testing.assert_allclose(tfidf[2], (1 + np.log(2)) * np.log(1 + 3 / 3))
    with pytest.warns(DeprecationWarning):
        again = text.tokenizer_from_json(made.to_json())
    assert again.get_config() == made.get_config()
    assert json.loads(made.to_json())["class_name"] == "Tokenizer"
    with pytest.raises(ValueError, match="Unknown vectorization mode: foo"):
        made.texts_to_matrix(["a"], "foo")


def test_tokenizer_of_characters_and_lists():
    characters = tokenizer(char_level=True)
    numbers = [characters.word_index[c] for c in "at"]
    assert characters.texts_to_sequences(["At"]) == [numbers]
    words = tokenizer()
    assert words.texts_to_sequences([["The", "cat"]]) == words.texts_to_sequences(["the cat"])


def generator(**arguments):
    with pytest.warns(DeprecationWarning, match="preprocessing layers"):
        return image.ImageDataGenerator(**arguments)


IMAGES = np.random.default_rng(0).uniform(0, 255, size=(6, 5, 5, 3)).astype("float32")


def test_affine_transforms():
    x = np.arange(16.0).reshape(4, 4, 1)
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
    right = image.apply_affine_transform(x, tx=1, **axes)
    assert right[0, :, 0].tolist() == [1, 2, 3, 3]
    turned = image.apply_affine_transform(x, theta=90, **axes)
    np.testing.assert_allclose(turned[..., 0], np.rot90(x[..., 0]), atol=1e-5)


def test_flow():
    made = generator(rescale=1 / 255, horizontal_flip=True, rotation_range=20)
    batches = made.flow(IMAGES, np.arange(6), batch_size=4, seed=1)
    assert len(batches) == 2
    first = [next(batches) for _ in range(3)]  # it goes on with the next epoch
    again = made.flow(IMAGES, np.arange(6), batch_size=4, seed=1)
    for (x, y), (x2, y2) in zip(first, [next(again) for _ in range(3)], strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
    assert [len(x) for x, _ in first] == [4, 2, 4]
    assert sorted([*first[0][1], *first[1][1]]) == list(range(6))
    model = keras.Sequential(
        [keras.Input((5, 5, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    assert len(model.fit(batches, epochs=2, verbose=0).history["loss"]) == 2


def test_width_shifts_go_sideways():
    x = np.zeros((9, 9, 1), "float32")
    x[4, 4] = 1
    made = generator(width_shift_range=[3], fill_mode="constant")
    rows, columns = np.nonzero(made.random_transform(x, seed=0)[..., 0] > 0.5)
    assert rows.tolist() == [4] and columns.tolist() in ([1], [7])


def test_standardizing():
    made = generator(featurewise_center=True, featurewise_std_normalization=True)
    made.fit(IMAGES)
    x = np.stack([made.standardize(i) for i in IMAGES])
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 1, 2)), 1, rtol=1e-4)
    with pytest.warns(UserWarning, match="hasn't been fit"):
        generator(zca_whitening=True).standardize(IMAGES[0])


def test_folders_and_tables(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(4):
            image.save_img(tmp_path / name / f"{i}.png", IMAGES[i])
    made = generator(validation_split=0.25)
    train = made.flow_from_directory(tmp_path, (6, 7), batch_size=3, subset="training", seed=0)
    valid = made.flow_from_directory(tmp_path, (6, 7), class_mode="binary", subset="validation")
    assert train.class_indices == {"a": 0, "b": 1} and (train.samples, valid.samples) == (6, 2)
    x, y = next(train)
    assert x.shape == (3, 6, 7, 3) and y.shape == (3, 2) and y.sum() == 3
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"filename": ["a/0.png", "b/1.png"], "class": ["x", "y"]})
    x, y = next(generator().flow_from_dataframe(table, str(tmp_path), shuffle=False))
    assert x.shape == (2, 256, 256, 3) and y.tolist() == [[1, 0], [0, 1]]


def test_sequences():
    data = np.arange(30).reshape(15, 2)
    with pytest.warns(DeprecationWarning, match="timeseries_dataset_from_array"):
        windows = sequence.TimeseriesGenerator(data, data, length=4, sampling_rate=2, batch_size=8)
    x, y = windows[0]
    assert len(windows) == 2 and x.shape == (8, 2, 2) and y[0].tolist() == [8, 9]
    couples, labels = sequence.skipgrams([1, 2, 3], 10, window_size=1, seed=0)
    assert len(couples) == len(labels) == 8 and sum(labels) == 4
    assert np.all(np.diff(sequence.make_sampling_table(10)[1:]) > 0)

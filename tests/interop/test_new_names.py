"""What is not in the catalog against Keras's: boxes, quantizers, distillation, adapted layers."""

import keras
import numpy as np
import pytest

import jkeras

RANDOM = np.random.default_rng(0)
BOXES = np.sort(RANDOM.uniform(0, 50, (2, 3, 2, 2)), axis=2).reshape(2, 3, 4).astype("float32")
FORMATS = jkeras.utils.bounding_boxes.FORMATS
BOTH = (jkeras, keras)


def each(function):
    """Returns what a function of the library gives for both."""
    return [function(library) for library in BOTH]


@pytest.mark.parametrize("source", FORMATS)
def test_formats_of_boxes(source, compare):
    for target in FORMATS:
        found = each(
            lambda library, target=target: library.utils.bounding_boxes.convert_format(
                BOXES, source, target, 40, 80
            )
        )
        compare("utils.bounding_boxes.convert_format", *found)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("clip_to_image_size", ({"boxes": BOXES, "labels": np.ones((2, 3))}, 20, 30)),
        ("crop", (BOXES, 2, 3, 20, 30)),
        ("pad", (BOXES, 2, 3)),
        ("compute_iou", (BOXES[0], BOXES, "xyxy")),
        ("compute_iou", (BOXES, BOXES[:, ::-1], "xywh")),
        ("compute_ciou", (BOXES[0], BOXES[1] + 1, "xywh")),
        ("encode_box_to_deltas", (BOXES[0], BOXES, "xyxy", "xyxy", "center_xywh", [0.1] * 4)),
        ("decode_deltas_to_boxes", (BOXES[0], BOXES / 50, "xyxy", "xywh")),
    ],
)
def test_boxes(name, args, compare):
    found = each(lambda library: getattr(library.utils.bounding_boxes, name)(*args))
    compare(f"utils.bounding_boxes.{name}", *found)


@pytest.mark.parametrize(
    "numbers", [(30, 0.1, 0.2, 2, 0, 0), (0, 0, 0, 1, 10, 0), (0, 0, 0, 1.5, 0, 10)]
)
def test_affine_maps_of_boxes(numbers, compare):
    given = [np.full(2, n, "float32") for n in numbers]
    found = each(
        lambda library: library.utils.bounding_boxes.affine_transform(BOXES, *given, 60, 80)
    )
    compare("utils.bounding_boxes.affine_transform", *found)


def test_decibels(compare):
    sounds = RANDOM.normal(size=(2, 60)).astype("float32") * [[1.0], [0.01]]
    found = each(
        lambda library: library.layers.MelSpectrogram(16, 8, num_mel_bins=4, top_db=10.0)(sounds)
    )
    compare("layers.MelSpectrogram", *found)


NUMBERS = RANDOM.normal(size=(4, 6)).astype("float32")
NIBBLES = RANDOM.integers(-8, 8, (5, 3)).astype("int8")


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("abs_max_quantize", (NUMBERS, 0)),
        ("abs_max_quantize", (NUMBERS, (0, 1), (-8, 7))),
        ("pack_int4", (NIBBLES,)),
        ("unpack_int4", (NIBBLES, 9)),
        ("unpack_int4", (NIBBLES, 6, 1)),
        ("compute_float8_scale", (np.float32(3), np.float32(2), 448.0)),
        ("compute_float8_scale", (np.float32(0), np.float32(2), 448.0)),
        ("compute_float8_amax_history", (NUMBERS, np.float32([1, 2, 3]))),
        ("quantize_and_dequantize", (NUMBERS, np.float32(0.01), "float8_e4m3fn", "float32")),
        ("fake_quant_with_min_max_vars", (NUMBERS, -1.0, 1.5)),
        ("fake_quant_with_min_max_vars", (NUMBERS, 0.2, 1.0, 3, True)),
    ],
)
def test_quantizers(name, args, compare):
    compare(f"quantizers.{name}", *each(lambda library: getattr(library.quantizers, name)(*args)))


CASES = {
    "Dense": ((3,), (4,)),
    "EinsumDense": (("abc,cde->abde", (5, 2, 3), None, "de"), (5, 4)),
    "EinsumDense of any axes": (("...c,cd->...d", (3,), None, "d"), (5, 4)),
    "Embedding": ((7, 6), (5,)),
    "ReversibleEmbedding": ((7, 6), (5,)),
    "Conv2D": ((4, 3), (6, 6, 2)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("case", "mode"),
    [
        (case, mode)
        for case in CASES
        for mode in ("lora", "int8", "both")
        # Keras quantizes no convolutions, and no einsum of any axes.
        if mode == "lora" or case not in ("Conv2D", "EinsumDense of any axes")
    ],
)
def test_adapted_layers(case, mode, tmp_path, compare):
    """Same numbers, and each library's files in the other."""
    args, shape = CASES[case]
    name = case.split()[0]
    integers = "Embedding" in name
    x = RANDOM.integers(0, 7, (2, *shape)) if integers else RANDOM.normal(size=(2, *shape))
    x = x.astype("int32" if integers else "float32")
    models = []
    for library in BOTH:
        inputs = library.Input(shape, dtype=x.dtype.name)
        model = library.Sequential([inputs, getattr(library.layers, name)(*args, name="layer")])
        models.append(model)
    models[0].set_weights(models[1].get_weights())
    for model in models:
        if mode != "lora":
            model.quantize("int8")
        if mode != "int8":
            model.layers[0].enable_lora(2)
    values = [RANDOM.normal(size=w.shape) * 0.3 for w in models[1].weights if "lora" in w.path]
    for model in models:
        own = [w for w in model.weights if "lora" in w.path]
        for weight, value in zip(own, values, strict=True):
            weight.assign(value)
    ours, theirs = models
    assert [w.path.rpartition("/")[2] for w in ours.weights] == [
        w.path.rpartition("/")[2] for w in theirs.weights
    ]
    compare(f"layers.{name}: {mode}", ours(x), theirs(x))
    for model, library in ((ours, keras), (theirs, jkeras)):
        model.save(tmp_path / "m.keras")
        same = keras if library is jkeras else jkeras
        again = same.models.load_model(tmp_path / "m.keras")
        other = library.models.load_model(tmp_path / "m.keras")
        compare(f"layers.{name}: files", other(x), again(x))


def test_distillation(compare):
    x = RANDOM.normal(size=(8, 4)).astype("float32")
    y = RANDOM.integers(0, 3, 8)
    results, weights = [], None
    for library in reversed(BOTH):
        models = []
        for units in (5, 5):
            layers = [library.layers.Dense(units, "relu", name="hidden"), library.layers.Dense(3)]
            models.append(library.Sequential([library.Input((4,)), *layers]))
        weights = weights or [model.get_weights() for model in models]
        for model, values in zip(models, weights, strict=True):
            model.set_weights(values)
        module = library.distillation
        losses = [
            module.LogitsDistillation(2.0, "mse"),
            module.FeatureDistillation("mse", "hidden", "hidden"),
        ]
        distiller = module.Distiller(*models, losses, [0.7, 0.3], student_loss_weight=0.4)
        loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
        distiller.compile(library.optimizers.SGD(0.1), loss, metrics=["accuracy"])
        logs = distiller.evaluate(x, y, verbose=0, return_dict=True)
        distiller.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        results.append((dict(sorted(logs.items())), models[1].get_weights()))
    compare("distillation.Distiller", results[1], results[0])

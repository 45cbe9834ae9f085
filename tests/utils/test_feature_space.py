"""FeatureSpace, KerasFileEditor and bounding boxes."""

import numpy as np
import pytest

import jkeras as keras

FeatureSpace = keras.utils.FeatureSpace
DATA = {
    "size": [1.0, 2.0, 3.0, 4.0],
    "rooms": [1, 2, 2, 3],
    "city": ["Ulm", "Bonn", "Ulm", "Kiel"],
    "age": [10.0, 20.0, 30.0, 40.0],
}
KINDS = {
    "size": "float_normalized",
    "rooms": "integer_categorical",
    "city": "string_categorical",
    "age": FeatureSpace.float_discretized(num_bins=2),
}


def space(**kwargs):
    made = FeatureSpace(KINDS, crosses=[("city", "rooms")], crossing_dim=8, **kwargs)
    made.adapt(DATA)
    return made


def test_columns_are_joined():
    found = np.asarray(space()(DATA))
    assert found.shape == (4, 1 + 4 + 4 + 2 + 8)
    np.testing.assert_allclose(found[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(found[:, 1:].sum(1), 4)


def test_a_dict_and_a_single_row():
    found = space(output_mode="dict")(DATA)
    assert {k: v.shape for k, v in found.items()} == {
        "size": (4, 1),
        "rooms": (4, 4),
        "city": (4, 4),
        "age": (4, 2),
        "city_X_rooms": (4, 8),
    }
    made = space()
    row = made({k: v[2] for k, v in DATA.items()})
    np.testing.assert_allclose(row, made(DATA)[2])


def test_it_is_saved_and_loaded(tmp_path):
    made = space()
    made.save(tmp_path / "space.keras")
    loaded = keras.models.load_model(tmp_path / "space.keras")
    np.testing.assert_allclose(loaded(DATA), made(DATA), atol=1e-6)


def test_a_model_of_raw_columns():
    made = space()
    outputs = keras.layers.Dense(1)(made.get_encoded_features())
    model = keras.Model(made.get_inputs(), outputs)
    columns = {k: np.reshape(v, (-1, 1)) for k, v in DATA.items()}
    assert model.predict(columns, verbose=0).shape == (4, 1)


def test_batches_of_an_iterator_give_the_same():
    made = FeatureSpace({"size": "float_normalized", "city": "string_categorical"})
    made.adapt({k: DATA[k][i : i + 2] for k in ("size", "city")} for i in (0, 2))
    whole = FeatureSpace({"size": "float_normalized", "city": "string_categorical"})
    whole.adapt(DATA)
    np.testing.assert_allclose(made(DATA), whole(DATA))


def test_what_it_refuses():
    with pytest.raises(ValueError, match="did you mean 'float_normalized'"):
        FeatureSpace({"a": "float_normalised"})
    with pytest.raises(ValueError, match="cannot be None or empty"):
        FeatureSpace({})
    with pytest.raises(ValueError, match="unknown features: 'b'"):
        FeatureSpace({"a": "float"}, crosses=[("a", "b")])
    with pytest.raises(ValueError, match="Cannot concatenate"):
        FeatureSpace({"a": FeatureSpace.integer_categorical(output_mode="int")})
    made = FeatureSpace({"a": "string_categorical"})
    with pytest.raises(ValueError, match=r"call `.adapt\(dataset\)`"):
        made({"a": ["x"]})


# ------------------------------------------------------------------ files
@pytest.fixture
def saved(tmp_path):
    layers = [keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="second")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.save_weights(tmp_path / "m.weights.h5")
    model.save(tmp_path / "m.keras")
    return model


@pytest.mark.parametrize("name", ["m.weights.h5", "m.keras"])
def test_a_file_is_changed_and_fits_another_model(saved, tmp_path, name, capsys):
    editor = keras.saving.KerasFileEditor(tmp_path / name)
    editor.summary()
    assert "shape=(4, 3)" in capsys.readouterr().out
    assert editor.compare(saved)["status"] == "success"
    editor.delete_object("layers/dense_1")
    assert editor.compare(saved)["missing"] == ["layers/dense_1"]
    editor.add_object("layers/dense_1", {"0": np.ones((3, 2)), "1": np.zeros(2)})
    editor.save(tmp_path / "changed.weights.h5")
    saved.load_weights(tmp_path / "changed.weights.h5")
    np.testing.assert_array_equal(saved.layers[1].get_weights()[0], np.ones((3, 2)))


def test_what_the_editor_refuses(saved, tmp_path):
    editor = keras.saving.KerasFileEditor(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="not found in the file"):
        editor.delete_object("conv")
    with pytest.raises(ValueError, match="already"):
        editor.rename_object("dense", "dense_1")
    with pytest.raises(ValueError, match="Weight '7' not found"):
        editor.delete_weight("dense", "7")
    with pytest.raises(ValueError, match=r"`\.weights\.h5` extension"):
        editor.save(tmp_path / "x.txt")
    with pytest.raises(FileNotFoundError):
        keras.saving.KerasFileEditor(tmp_path / "nowhere.h5")


# ------------------------------------------------------------------ boxes
def test_a_number_of_boxes():
    boxes = {"boxes": np.arange(12.0).reshape(1, 3, 4), "labels": np.array([[1, 2, 3]])}
    data = {"images": np.ones((1, 4, 4, 3)), "bounding_boxes": boxes}
    found = keras.layers.MaxNumBoundingBoxes(5)(data)["bounding_boxes"]
    assert found["labels"].tolist() == [[1, 2, 3, -1, -1]]
    assert found["boxes"].shape == (1, 5, 4)


def test_what_boxes_refuse():
    boxes, utils = np.ones((2, 4)), keras.utils.bounding_boxes
    with pytest.raises(ValueError, match="Invalid source or target format"):
        utils.convert_format(boxes, "xyzw", "xyxy")
    with pytest.raises(ValueError, match="must receive `height` and `width`"):
        utils.convert_format(boxes, "xyxy", "rel_xyxy")
    with pytest.raises(ValueError, match="last dimension of 4"):
        utils.convert_format(boxes[:, :3], "xyxy", "xywh")
    with pytest.raises(ValueError, match="length 4"):
        utils.encode_box_to_deltas(boxes, boxes, "xyxy", "xyxy", variance=[1.0])

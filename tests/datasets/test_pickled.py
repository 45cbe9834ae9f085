import io
import os
import pickle

import numpy as np
import pytest

from jkeras.datasets import _pickled


def test_arrays_and_lists_of_this_python():
    for protocol in range(2, 5):
        for value in (
            {b"data": np.arange(6, dtype="uint8").reshape(2, 3), b"labels": [1, 2], b"n": "x"},
            np.array([1.5, -2.0], "<f8"),
            np.arange(6, dtype=">i4").reshape(2, 3, order="F"),
            np.array([True, False]),
        ):
            read = _pickled.load(io.BytesIO(pickle.dumps(value, protocol)))
            if isinstance(value, dict):
                assert read.keys() == value.keys()
                assert (read[b"data"] == value[b"data"]).all() and read[b"labels"] == [1, 2]
            else:
                assert (read == value).all()
                assert (read.dtype, read.shape) == (value.dtype, value.shape)


def test_arrays_of_lists():
    for lists in ([[1, 2], [3], []], [[1, 2]], [[1], [2]]):
        array = np.fromiter(lists, object)
        for protocol in range(2, 5):
            read = _pickled.load(io.BytesIO(pickle.dumps(array, protocol)))
            assert read.dtype == object and read.tolist() == lists


def test_a_pickle_of_python_2():
    # pickle.dumps({"data": np.array([97, 98, 99], "u1"), "labels": [5]}, 2) of Python 2, by hand.
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x03abctb"
    )
    read = _pickled.load(io.BytesIO(b"\x80\x02}(U\x04data" + array + b"U\x06labels]K\x05au."))
    assert read[b"data"].tolist() == [97, 98, 99]
    assert read[b"labels"] == [5]


def test_an_npz_file_of_lists_and_numbers():
    lists = np.fromiter([[1, 2], [3]], object)
    file = io.BytesIO()
    np.savez(file, x=lists, y=np.array([0, 1]))
    arrays = _pickled.load_npz(file)
    assert arrays["x"].tolist() == [[1, 2], [3]]
    assert arrays["y"].tolist() == [0, 1] and arrays["y"].dtype == "int64"


class Exploit:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "call",
    [
        (os.system, "touch /tmp/harm"),
        (eval, "1"),
        (getattr, [], "append"),
        (__import__, "os"),
        (np.load, "x"),
        (print, "x"),
    ],
)
def test_everything_else_is_refused(protocol, call, capsys):
    with pytest.raises(pickle.UnpicklingError, match="Refused to read a pickle that names"):
        _pickled.load(io.BytesIO(pickle.dumps([Exploit(*call)], protocol)))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "state",
    [
        b"(K\x01J\xff\xff\xff\x7f\x85%sK\x00U\x03abctb.",  # 2 billion bytes from three
        b"(K\x01K\x02\x85%sK\x00U\x03abctb.",
        b".",  # nothing of the array but its beginning
    ],
)
def test_an_array_that_lies_about_its_size(state):
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|tb"
    begin = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    with pytest.raises((ValueError, pickle.UnpicklingError)):
        _pickled.load(io.BytesIO(begin + state.replace(b"%s", dtype)))

"""Event files of TensorBoard, with the records that TensorFlow writes: no TensorFlow is needed."""

import os
import struct
import time
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jkeras.callbacks.model_graph import GraphNode
from jkeras.core import processes

_BUCKETS = 30
_FLUSH_SECONDS = 10.0


class EventFile:
    """Writes one run: a folder with an event file, which is made with the first record.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self._writer: Any = None
        self._flushed = 0.0  # when
        self._suffix = _new_suffix()
        self._used = False  # whether a file has the suffix

    def get_state(self) -> dict[str, Any]:
        """Returns how the file is called, at its end, and how long it is."""
        self.flush()
        return {"suffix": self._suffix, "size": sum(map(os.path.getsize, self._files()))}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Cuts off what a killed process has written after `get_state`; new records go elsewhere.

        What this training has written so far is taken back, as it is in that file already.
        """
        if self._writer is not None and self._suffix != state["suffix"]:
            own = self._files()
            self.close()
            for path in own:
                os.unlink(path)
        self.close()
        self._suffix, self._used = state["suffix"], True
        for path in self._files():
            if state["size"]:
                os.truncate(path, min(state["size"], os.path.getsize(path)))
            else:
                os.unlink(path)

    def _files(self) -> list[str]:
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        return [os.path.join(self.folder, n) for n in names if n.endswith(self._suffix)]

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Writes a number."""
        self._write(tag, step, "scalars", [], float_val=[float(value)])

    def histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """Writes the distribution of an array's finite values."""
        values = values.astype("float64").ravel()
        counts, edges = np.histogram(values[np.isfinite(values)], _BUCKETS)
        rows = np.stack([edges[:-1], edges[1:], counts], axis=1)
        self._write(tag, step, "histograms", rows.shape, double_val=rows.ravel().tolist())

    def images(self, tag: str, images: Iterable[np.ndarray], step: int) -> None:
        """Writes images of one size: uint8 arrays of shape (height, width, channels)."""
        images = list(images)
        height, width = images[0].shape[:2]
        strings = [str(width).encode(), str(height).encode(), *map(as_png, images)]
        self._write(tag, step, "images", [len(strings)], string_val=strings)

    def keras_graph(self, config: str) -> None:
        """Writes a model's config, which TensorBoard draws as its conceptual graph."""
        self._write("keras", 0, "graph_keras_model", [], b"1", string_val=[config.encode()])

    def graph(self, nodes: Iterable[GraphNode]) -> None:
        """Writes the graph of the run."""
        from tensorboardX.proto import attr_value_pb2, event_pb2, graph_pb2, node_def_pb2

        found = graph_pb2.GraphDef(
            node=[
                node_def_pb2.NodeDef(
                    name=node.name,
                    op=node.kind,
                    input=node.inputs,
                    attr={"shapes": attr_value_pb2.AttrValue(s=node.shapes.encode())},
                )
                for node in nodes
            ]
        )
        self._write_event(
            event_pb2.Event(wall_time=time.time(), graph_def=found.SerializeToString())
        )

    def session_start(self, hparams: Mapping[str, bool | float | str], group: str) -> None:
        """Writes the hyperparameters of the training that this file is about.

        Args:
            hparams: The hyperparameters by name.
            group: The name of the trainings of which TensorBoard shows the mean.
        """
        from google.protobuf.struct_pb2 import Value
        from tensorboardX.proto import plugin_hparams_pb2

        kinds = {bool: "bool_value", float: "number_value", str: "string_value"}
        values = {name: Value(**{kinds[type(v)]: v}) for name, v in hparams.items()}
        self._hparams(
            session_start_info=plugin_hparams_pb2.SessionStartInfo(
                hparams=values, group_name=group, start_time_secs=time.time()
            )
        )

    def session_end(self, failed: bool) -> None:
        """Writes that the training has ended."""
        from tensorboardX.proto import api_pb2, plugin_hparams_pb2

        status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
        self._hparams(
            session_end_info=plugin_hparams_pb2.SessionEndInfo(
                status=status, end_time_secs=time.time()
            )
        )

    def _hparams(self, **information: Any) -> None:
        """Writes a record of TensorBoard's plugin for hyperparameters."""
        from tensorboardX.proto import plugin_hparams_pb2

        content = plugin_hparams_pb2.HParamsPluginData(version=0, **information)
        tag = f"_hparams_/{next(iter(information))}"
        # The plugin reads the content; TensorFlow's writer gives the tensor as well, an empty one.
        self._write(tag, 0, "hparams", [0], content.SerializeToString(), float_val=[])

    def flush(self) -> None:
        """Makes sure that readers see what was written."""
        if self._writer is not None:
            self._writer.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Closes the file; the next record starts another one."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def __del__(self) -> None:
        self.close()  # a training that fails does not come to its end

    def _write(
        self,
        tag: str,
        step: int,
        plugin: str,
        shape: Iterable[int],
        content: bytes = b"",
        **values: Any,
    ) -> None:
        """Writes a tensor for one of TensorBoard's plugins."""
        from tensorboardX.proto import (
            event_pb2,
            summary_pb2,
            tensor_pb2,
            tensor_shape_pb2,
            types_pb2,
        )

        kinds = {
            "float_val": types_pb2.DT_FLOAT,
            "double_val": types_pb2.DT_DOUBLE,
            "string_val": types_pb2.DT_STRING,
        }
        size = tensor_shape_pb2.TensorShapeProto
        tensor = tensor_pb2.TensorProto(
            dtype=kinds[next(iter(values))],
            tensor_shape=size(dim=[size.Dim(size=n) for n in shape]),
            **values,
        )
        data = summary_pb2.SummaryMetadata.PluginData(plugin_name=plugin, content=content)
        value = summary_pb2.Summary.Value(
            tag=tag, metadata=summary_pb2.SummaryMetadata(plugin_data=data), tensor=tensor
        )
        event = event_pb2.Event(wall_time=time.time(), step=step)
        event.summary.value.append(value)
        self._write_event(event)

    def _write_event(self, event: Any) -> None:
        if not processes.writes_files():
            return
        self._open().write_event(event)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def _open(self) -> Any:
        # Not tensorboardX.SummaryWriter: its flush does not wait for the records in its queue.
        from tensorboardX.event_file_writer import EventsWriter

        if self._writer is None:
            os.makedirs(self.folder, exist_ok=True)
            if self._used:
                self._suffix = _new_suffix()
            self._used = True
            self._writer = EventsWriter(os.path.join(self.folder, "events"), self._suffix)
        return self._writer


def _new_suffix() -> str:
    # Unlike that of any other file, also of one made by another process in this second.
    return f".{os.getpid()}.{time.time_ns()}.v2"


def as_png(image: np.ndarray) -> bytes:
    """Encodes an image as a PNG file.

    Args:
        image: A uint8 array of shape (height, width, channels): gray, gray with alpha, RGB or RGBA.
    """
    height, width, channels = image.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    # Every row starts with the number of its filter; 0 stands for no filter.
    rows = np.insert(image.reshape(height, width * channels), 0, 0, axis=1)

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    body = zlib.compress(rows.tobytes())
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )

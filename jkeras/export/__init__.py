"""Models as programs in files: StableHLO, run by JAX and NumPy alone, and ONNX."""

from jkeras.export.archive import Artifact as Artifact
from jkeras.export.archive import ExportArchive as ExportArchive
from jkeras.export.archive import load as load
from jkeras.export.layer import TFSMLayer as TFSMLayer
from jkeras.export.model import export_model as export_model

"""What leaves the laboratory: exported files that are verified, and predictions of new images.

The names below are loaded when they are first used, so that an export runs in ONNX Runtime without torch.
"""

from typing import TYPE_CHECKING

from lesioncare.lazy import load_later

if TYPE_CHECKING:
    from lesioncare.deploy.export import Export, export_run, run_temperature
    from lesioncare.deploy.exported import ExportedModel
    from lesioncare.deploy.manifest import Manifest, Preprocessing
    from lesioncare.deploy.torch_model import predict_run

_HOME = {
    "Export": "export",
    "ExportedModel": "exported",
    "Manifest": "manifest",
    "Preprocessing": "manifest",
    "export_run": "export",
    "predict_run": "torch_model",
    "run_temperature": "export",
}

__all__ = [
    "Export",
    "ExportedModel",
    "Manifest",
    "Preprocessing",
    "export_run",
    "predict_run",
    "run_temperature",
]

__getattr__ = load_later(__name__, _HOME)

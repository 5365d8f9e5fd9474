"""tftransfer: fine-tune Hugging Face text checkpoints as Keras models, and serve them with TF Serving.

Importing the package loads no TensorFlow; each public name is loaded when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Backbone": "tftransfer.backbones.backbone",
    "Examples": "tftransfer.data.examples",
    "build": "tftransfer.model",
    "export": "tftransfer.export.savedmodel",
    "export_huggingface": "tftransfer.export.huggingface",
    "fine_tune": "tftransfer.training.fine_tune",
    "from_scratch": "tftransfer.scratch",
    "load": "tftransfer.experiment",
    "load_adapter": "tftransfer.export.peft",
    "load_pretrained": "tftransfer.pretrained_model",
    "merge": "tftransfer.merging",
    "read": "tftransfer.data.read",
    "save_adapter": "tftransfer.export.peft",
}
_MODULES = ("errors", "regularizers", "strategies", "tasks")

__all__ = [
    "Backbone",
    "Examples",
    "build",
    "errors",
    "export",
    "export_huggingface",
    "fine_tune",
    "from_scratch",
    "load",
    "load_adapter",
    "load_pretrained",
    "merge",
    "read",
    "regularizers",
    "save_adapter",
    "strategies",
    "tasks",
]

if TYPE_CHECKING:
    from tftransfer import errors, regularizers, strategies, tasks
    from tftransfer.backbones.backbone import Backbone
    from tftransfer.data.examples import Examples
    from tftransfer.data.read import read
    from tftransfer.experiment import load
    from tftransfer.export.huggingface import export_huggingface
    from tftransfer.export.peft import load_adapter, save_adapter
    from tftransfer.export.savedmodel import export
    from tftransfer.merging import merge
    from tftransfer.model import build
    from tftransfer.pretrained_model import load_pretrained
    from tftransfer.scratch import from_scratch
    from tftransfer.training.fine_tune import fine_tune


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

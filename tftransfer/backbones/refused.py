"""Weights of other kinds: which they are, why they are not read, and how to get safetensors from them."""

import fnmatch
from collections.abc import Iterable

__all__ = ["conversion", "refusal"]

_PICKLES = ("*.bin", "*.bin.index.json", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
_SAVE_AGAIN = "load it with the library that wrote it and save it with save_pretrained(..., safe_serialization=True)"
_OTHERS = {
    "*.h5": f"HDF5 weights of TensorFlow; {_SAVE_AGAIN}",
    "*.keras": f"a Keras archive; {_SAVE_AGAIN}",
    "*.msgpack": f"Flax weights; {_SAVE_AGAIN}",
    "*.gguf": "GGUF is quantised, its exact weights are gone; take the checkpoint it was made from",
    "*.onnx": "an ONNX graph, not a checkpoint; take the checkpoint it was exported from",
    "*.tflite": "a TFLite graph, not a checkpoint; take the checkpoint it was converted from",
    "saved_model.pb": "a SavedModel, not a checkpoint; take the checkpoint it was exported from",
    "*.ckpt.index": "a TensorFlow 1 checkpoint; convert it with the scripts of the library that wrote it",
    "*.npz": f"NumPy weights; {_SAVE_AGAIN}",
    "*.ot": f"weights of rust-bert; {_SAVE_AGAIN}",
    "adapter_model.safetensors": "an adapter without its model; merge_and_unload() of peft joins the two",
    "model-*-of-*.safetensors": "a shard; model.safetensors.index.json, which tells what is in which, is missing",
    "*.safetensors": "another name than model.safetensors; rename it if it holds the whole model",
}


def refusal(names: Iterable[str], source: str) -> str | None:
    """Says why these files are no weights for us; None if none of them is a kind of weights that we know.

    Args:
        names: iterable of str. Names of files.
        source: str. The directory or the name on the Hub, for the command that converts.
    """
    names = sorted(names)
    pickles = [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in _PICKLES)]
    if pickles:
        return (
            f"refused to read {', '.join(pickles)}: pickle files run code when they are opened. Convert the checkpoint "
            f"once, where PyTorch is installed and you trust its author:\n  {conversion(source)}"
        )
    hints = {}
    for name in names:
        hint = next((hint for pattern, hint in _OTHERS.items() if fnmatch.fnmatch(name, pattern)), None)
        if hint:
            hints[name] = f"{name}, which is not supported ({hint})"
    return f"expected model.safetensors; found {', '.join(hints.values())}." if hints else None


def conversion(source: str) -> str:
    """Returns the command that makes safetensors of a pickled checkpoint."""
    load = f"AutoModel.from_pretrained({source!r})"
    return f"python -c \"from transformers import AutoModel; {load}.save_pretrained('NEW_DIRECTORY')\""

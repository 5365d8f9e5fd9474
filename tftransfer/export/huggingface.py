"""A model in Hugging Face's format, so that nobody is locked in; it appears only once it is read back as it was."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from tftransfer import atomic
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.tensors import collect, read
from tftransfer.errors import ConfigError, ExportError
from tftransfer.export.hub_layout import Dense, Layout, Normalize, layout_of
from tftransfer.export.hub_tokenizer import check_tokenizer, write_tokenizer
from tftransfer.export.model_card import model_card
from tftransfer.export.version import write_version
from tftransfer.pretrained_head import labels_of

__all__ = ["export_huggingface"]


def export_huggingface(
    model: Any, directory: str | Path, *, texts: Sequence[str] = (), run: Mapping[str, Any] | None = None
) -> Path:
    """Writes a model as transformers reads it, as the next version in a directory.

    `config.json`, `model.safetensors` (float32), the tokenizer and a model card. Where the family's class for the task
    has a head that computes what the model's does, the class holds it all: `AutoModelForSequenceClassification` gives
    the same logits. Otherwise (pooling by the mean, such as on a sentence-transformers checkpoint) transformers' class
    holds the encoder, and the head is in modules of sentence-transformers: `SentenceTransformer(...).encode(texts)`
    gives the logits. Buffers of older files, such as `embeddings.position_ids`, are left out.

    The version appears under its name only after its tensors were read back and equal the model's variables byte for
    byte, and transformers' tokenizer has made the tokens that the model was trained with.

    Args:
        model: TransferModel.
        directory: str or Path. Gets the folder `<n>`, where n is one more than the highest number there, or 1. Not the
            directory of SavedModels, which a server watches.
        texts: sequence of str. Texts of yours to compare the tokenizers on. Defaults to (): those that come with this
            library, which are compared in any case.
        run: dict. For the model card: a run's `config`, `data` and `metrics`. Defaults to None.

    Returns:
        The new version's folder.

    Raises:
        ConfigError: if `texts` is a string.
        ExportError: if Hugging Face has no place for the model's head, the directory cannot be written or holds
            SavedModels, or a check failed; then nothing is left behind.

    Example:

        >>> tftransfer.export_huggingface(model, "saved_models/reviews-pytorch")
        PosixPath('saved_models/reviews-pytorch/1')
    """
    if isinstance(texts, str):
        raise ConfigError("texts: expected a list of strings; received one string. Put it into a list.")
    if any(Path(directory).glob("*/saved_model.pb")):
        raise ExportError(
            f"{directory}: expected a directory without SavedModels, since a server that watches it would take the new "
            "version for one. Choose another."
        )
    layout = layout_of(model)
    return write_version(directory, lambda partial: _build(model, layout, partial, texts, run))


def _build(model: Any, layout: Layout, directory: Path, texts: Sequence[str], run: Mapping[str, Any] | None) -> None:
    """Writes the version and checks it."""
    tensors = collect(layout.numbers, model.checkpoint.family, layout.kind)
    _write_json(directory / "config.json", _config(model, layout))
    _save(directory / "model.safetensors", tensors)
    write_tokenizer(model, directory)
    if layout.pooling:
        _write_modules(model, layout, directory)
    atomic.write(directory / "README.md", model_card(model, layout, run))
    _check(model, layout, directory)
    check_tokenizer(model, directory, texts)


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    atomic.write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _save(path: Path, tensors: dict[str, np.ndarray]) -> None:
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})
    shutil.copymode(path.with_name("config.json"), path)  # it would be for this user alone


def _config(model: Any, layout: Layout) -> dict[str, Any]:
    """Returns the checkpoint's `config.json` with what has changed."""
    labels, raw = model.task.head_labels, dict(model.checkpoint.raw_config)
    # The older name of dtype; what the number of names says; names of another head's labels.
    for key in ("torch_dtype", "num_labels", "id2label", "label2id"):
        raw.pop(key, None)
    config = {**raw, "architectures": [layout.architecture(model.checkpoint.family)], "dtype": "float32"}
    if labels:
        config["id2label"] = {str(n): label for n, label in enumerate(labels)}
        config["label2id"] = {label: n for n, label in enumerate(labels)}
    elif layout.kind == "sequence_classification":
        config["num_labels"] = model.output_shape[-1]
    if model.task.problem_type:
        config["problem_type"] = model.task.problem_type
    return config


def _folders(layout: Layout) -> dict[str, Dense | Normalize]:
    """Returns the modules behind the pooling by their folders."""
    return {f"{n}_{type(module).__name__}": module for n, module in enumerate(layout.modules, start=2)}


def _dense_files(layout: Layout, directory: Path) -> list[tuple[Path, Dense]]:
    """Returns the dense layers and where their weights are."""
    modules = _folders(layout).items()
    return [(directory / folder / "model.safetensors", dense) for folder, dense in modules if isinstance(dense, Dense)]


def _write_modules(model: Any, layout: Layout, directory: Path) -> None:
    """Writes the pooling and the modules behind it, as sentence-transformers lays them out."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling"} | {
        f: type(module).__name__ for f, module in _folders(layout).items()
    }
    modules = [
        {"idx": n, "name": str(n), "path": folder, "type": f"sentence_transformers.models.{kind}"}
        for n, (folder, kind) in enumerate(kinds.items())
    ]
    _write_json(directory / "modules.json", modules)
    _write_json(directory / "sentence_bert_config.json", {"max_seq_length": model.max_length, "do_lower_case": False})
    # The flags of all versions; 6 writes the mode's name, but reads these.
    flags = {
        f"pooling_mode_{mode}": mode.startswith(layout.pooling) for mode in ("cls_token", "mean_tokens", "max_tokens")
    }
    width = model.checkpoint.config.hidden_size
    _write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": width, **flags})
    for path, dense in _dense_files(layout, directory):
        size = dict(zip(("in_features", "out_features"), dense.kernel.shape, strict=True))
        options = {**size, "bias": dense.bias is not None, "activation_function": dense.activation}
        _write_json(path.parent / "config.json", options)
        _save(path, _tensors(dense))


def _tensors(dense: Dense) -> dict[str, np.ndarray]:
    tensors = {"linear.weight": np.ascontiguousarray(dense.kernel.T)}
    return tensors if dense.bias is None else {**tensors, "linear.bias": dense.bias}


def _holds(path: Path, dense: Dense) -> bool:
    found, expected = safetensors.numpy.load_file(path), _tensors(dense)
    return found.keys() == expected.keys() and all(found[key].tobytes() == expected[key].tobytes() for key in found)


def _check(model: Any, layout: Layout, directory: Path) -> None:
    """Reads the export back as a checkpoint, and compares it with the model.

    Raises:
        ExportError: if it would not be the same model again.
    """
    written = Checkpoint.find(str(directory.resolve()))
    found = read([part.path for part in layout.numbers], written.family, written.tensors, layout.kind)
    wrong = [
        part.path
        for part in layout.numbers
        if part.path not in found or found[part.path].tobytes() != np.ascontiguousarray(part.value).tobytes()
    ]
    wrong += [path.parent.name for path, dense in _dense_files(layout, directory) if not _holds(path, dense)]
    if written.config != model.checkpoint.config:
        wrong.append("config.json")
    if layout.kind and model.task.head_labels and labels_of(written, layout.kind) != tuple(model.task.head_labels):
        wrong.append("id2label")
    if wrong:
        raise ExportError(
            f"Expected the files to be read back as they were written; {len(wrong)} parts were not: "
            f"{', '.join(wrong[:5])}. Nothing was exported. Is the disk sound? Otherwise please report it."
        )

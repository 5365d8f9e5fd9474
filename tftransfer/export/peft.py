"""What LoRA has trained, alone, in the format of the PEFT library; to it and from it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from tftransfer import atomic
from tftransfer.backbones.safetensors_files import open_tensors
from tftransfer.backbones.tensors import LoadReport
from tftransfer.errors import CheckpointError, ExportError
from tftransfer.export.peft_names import PREFIX, Adapter, Entry, adapter_of
from tftransfer.export.version import write_version

__all__ = ["export_peft", "load_adapter", "save_adapter"]

CONFIG, WEIGHTS, HEAD = "adapter_config.json", "adapter_model.safetensors", "head.safetensors"
_TASKS = {
    "": "FEATURE_EXTRACTION",
    "question_answering": "QUESTION_ANS",
    "sequence_classification": "SEQ_CLS",
    "token_classification": "TOKEN_CLS",
}
# Options of ours by PEFT's keys, with PEFT's defaults.
_OPTIONS = {
    "r": ("rank", 8),
    "lora_alpha": ("alpha", 8),
    "use_dora": ("dora", False),
    "use_rslora": ("rslora", False),
    "bias": ("biases", "none"),
}
# Keys that change no number of an adapter whose tensors are there.
_IDLE = {
    *("auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying"),
    *("eva_config", "exclude_modules", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform"),
    *("loftq_config", "lora_dropout", "lora_ga_config", "megatron_config", "megatron_core", "modules_to_save"),
    *("peft_type", "peft_version", "qalora_group_size", "revision", "runtime_config", "target_modules", "task_type"),
}
# Other ways to begin change the pretrained matrices.
_BEGINNINGS = (True, False, None, "gaussian", "eva", "orthogonal")


def save_adapter(model: Any, directory: str | Path) -> Path:
    """Writes what `LoRA` has trained, a few megabytes, as the PEFT library does.

    `adapter_config.json` and `adapter_model.safetensors` (float32): the updates; the head, where transformers' class
    for the task has it; biases, if they are trained. `PeftModel.from_pretrained(base, directory)` reads it, where
    `base` is the checkpoint in that class, made with as many labels, in the task's order. A head that no class of
    transformers has, such as one on a mean, is in `head.safetensors` beside it, which `load_adapter` reads.

    Args:
        model: TransferModel. Built with `LoRA`.
        directory: str or Path. Made if it is missing.

    Returns:
        The directory.

    Raises:
        ExportError: if the model has no low-rank updates or PEFT no place for them, or the directory cannot be written
            or has an adapter already.

    Example:

        >>> tftransfer.save_adapter(model, "saved_models/reviews-adapter")
    """
    adapter, directory = adapter_of(model), Path(directory)
    if (directory / CONFIG).exists():
        raise ExportError(f"{directory}: expected a directory without an adapter, since none is overwritten.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, tensors in _files(adapter).items():
            atomic.write(directory / name, safetensors.numpy.save(tensors, metadata={"format": "pt"}))
        # The last: what has no config is no adapter.
        content = json.dumps(_config(model, adapter), indent=2, ensure_ascii=False) + "\n"
        atomic.write(directory / CONFIG, content)
    except OSError as error:
        raise ExportError(f"{directory}: cannot be written: {error.strerror}. Choose another place.") from None
    return directory


def export_peft(model: Any, directory: str | Path) -> Path:
    """Writes an adapter as `save_adapter` does, as the next version in a directory; returns the version's folder."""
    adapter_of(model)

    def write(partial: Path) -> None:
        save_adapter(model, partial)

    return write_version(directory, write)


def load_adapter(model: Any, directory: str | Path) -> LoadReport:
    """Reads an adapter that PEFT or `save_adapter` wrote into a model with the same `LoRA`.

    Args:
        model: TransferModel. Built with `LoRA`, on the checkpoint that the adapter was trained on.
        directory: str or Path.

    Returns:
        A `LoadReport`; its `fresh` are the variables of a head that the adapter does not hold.

    Raises:
        CheckpointError: if it is no adapter, or another one than the model's; nothing has been changed then.
        ExportError: if the model has nothing that PEFT knows.

    Example:

        >>> model = tftransfer.build(checkpoint, task, strategy=tftransfer.strategies.LoRA(rank=16, alpha=32))
        >>> tftransfer.load_adapter(model, "adapters/reviews")
    """
    adapter, directory = adapter_of(model), Path(directory)
    _check_config(adapter, _read_config(directory), directory / CONFIG)
    found = _read_tensors(directory)
    names = {entry.name for entry in adapter.entries}
    heads = [entry for entry in adapter.entries if entry.kind == "head"]
    fresh = heads if not any(entry.name in found for entry in heads) else []
    wanted = [entry for entry in adapter.entries if entry not in fresh]
    problems = [problem for entry in wanted if (problem := _problem(entry, found.get(entry.name)))]
    problems += [
        f"+ {name}: no variable takes this tensor"
        for name in found
        if name not in names and not _is_excused(model, name)
    ]
    if problems:
        raise CheckpointError("\n".join([f"{directory}: the adapter does not fit the model:", *problems]))
    for entry in wanted:
        array = np.asarray(found[entry.name], "float32")
        entry.variable.assign(array.T if entry.transposed else array)
    return LoadReport(_paths(wanted), (), _paths(fresh), "the adapter has no head" if fresh else "")


def _paths(entries: list[Entry]) -> tuple[str, ...]:
    return tuple(entry.variable.path for entry in entries)


def _files(adapter: Adapter) -> dict[str, dict[str, np.ndarray]]:
    """Returns file -> tensors by name."""
    files: dict[str, dict[str, np.ndarray]] = {WEIGHTS: {}}
    for entry in adapter.entries:
        file = WEIGHTS if entry.name.startswith(PREFIX) else HEAD
        files.setdefault(file, {})[entry.name] = entry.tensor
    return files


def _config(model: Any, adapter: Adapter) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": _TASKS.get(adapter.layout.kind),
        "base_model_name_or_path": model.checkpoint.name,
        "revision": model.checkpoint.revision or None,
        "inference_mode": True,
        **{key: getattr(adapter.strategy, option) for key, (option, _) in _OPTIONS.items()},
        "lora_dropout": adapter.strategy.dropout,
        "target_modules": adapter.modules("lora"),
        "modules_to_save": adapter.modules("head") or None,
    }


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: expected the config of an adapter of PEFT; {error}.") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else type(config).__name__
        raise CheckpointError(f"{path}: expected the peft_type 'LORA'; received {kind!r}.")
    return config


def _check_config(adapter: Adapter, config: Mapping[str, Any], path: Path) -> None:
    """Raises CheckpointError unless the config is of the model's `LoRA`."""
    theirs = {option: config.get(key, default) for key, (option, default) in _OPTIONS.items()}
    ours = {option: getattr(adapter.strategy, option) for option in theirs}
    if ours != theirs:
        options = ", ".join(f"{option}={value!r}" for option, value in theirs.items())
        raise CheckpointError(
            f"{path}: expected an adapter of {adapter.strategy!r}, as the model was built with; received one of "
            f"LoRA({options}). Build the model with that, and the same targets."
        )
    other = [key for key, value in config.items() if value and key not in {*_OPTIONS, *_IDLE}]
    other += ["init_lora_weights"] if config.get("init_lora_weights", True) not in _BEGINNINGS else []
    if other:
        values = ", ".join(f"{key}: {config[key]!r}" for key in other)
        raise CheckpointError(
            f"{path}: expected an adapter of plain LoRA; received {values}, which is not implemented."
        )


def _read_tensors(directory: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of an adapter by their names, in today's spelling."""
    if not (directory / WEIGHTS).is_file():
        raise CheckpointError(f"{directory}: expected {WEIGHTS}; there is none. Pickle files (.bin) are not opened.")
    paths = [directory / name for name in (WEIGHTS, HEAD) if (directory / name).is_file()]
    files = [open_tensors(path) for path in paths]
    tensors = {name: file.get_tensor(name) for file in files for name in file.keys()}  # noqa: SIM118 - no dict
    return {re.sub(r"\.modules_to_save(\.default)?\.", ".", name): array for name, array in tensors.items()}


def _problem(entry: Entry, array: np.ndarray | None) -> str:
    """Returns why a tensor is not that of an entry; "" if it is."""
    if array is None:
        return f"- {entry.variable.path}: no tensor '{entry.name}' in the file"
    shape = array.shape[::-1] if entry.transposed else array.shape
    expected = tuple(entry.variable.shape)
    return "" if shape == expected else f"- {entry.variable.path}: expected {expected}, '{entry.name}' is {shape}"


def _is_excused(model: Any, name: str) -> bool:
    """Returns whether a tensor says nothing new: of a head as it was, or of a part that the model does without."""
    family = model.checkpoint.family
    short = name.removeprefix(PREFIX).removeprefix(family.prefix)
    return ".original_module." in name or any(re.match(pattern, short) for pattern in family.unused)

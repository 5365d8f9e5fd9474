"""The config of an experiment: YAML and overrides to a validated, frozen object.

Blocks with a `name` (`task`, `strategy`) and data files are open: the registered class of that name declares the
options. All problems of a config are reported at once, each with file, line and column.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from tftransfer import registry, yaml_file
from tftransfer.errors import ConfigError
from tftransfer.registry import describe, suggest

__all__ = [
    "SPLITS",
    "Data",
    "Distribution",
    "Experiment",
    "Export",
    "Model",
    "Split",
    "Training",
    "is_share",
    "load",
    "source_options",
    "to_dict",
    "training_options",
    "validate",
]

_Path = tuple[str | int, ...]
# A block whose "name" is looked up in a registry and whose other keys are the options of the class found there.
Block = dict[str, Any]


SPLITS = ("train", "validation", "test")


class Section(pydantic.BaseModel):
    """A block of fixed keys; unknown ones are errors."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Model(Section):
    """Which pretrained model, or of one that is trained from scratch (`backbone`) how long its rows are.

    Args:
        checkpoint: str. A directory, or a name on the Hugging Face Hub. Defaults to None: there is a `backbone`.
        revision: str. Commit, tag or branch on the Hub. Defaults to None: the pinned or newest commit.
        max_length: int. Longest text in tokens; longer ones are cut. Defaults to None: 128, or the checkpoint's own
            limit if that is less.
        keep_layers: int or list of int. So many of the checkpoint's lowest layers, or the numbers, from 0, of those to
            keep, such as [0, 2, 4] for every second one of six. Defaults to None: all.
    """

    checkpoint: str | None = None
    revision: str | None = None
    max_length: int | None = pydantic.Field(None, ge=3)
    keep_layers: int | list[int] | None = None


class Split(Section):
    """A validation set cut from the training file.

    Args:
        split: float in (0, 1). Share of the training examples.
        seed: int. Of the choice. Defaults to 0.
    """

    split: float = pydantic.Field(gt=0, lt=1)
    seed: int = pydantic.Field(0, ge=0)


class Data(Section):
    """Which files, and which of their columns.

    Args:
        train: dict. `path` (of a file, a pattern such as "train-*.jsonl", or a list of these), `format` (default: by
            the file's name), `sample` for so many rows, drawn at random and the same in every run (default: all), and
            the options of that format, such as the column names `text`, `text_pair` and `label`; see `docs/data.md`.
            None, the default, is for tasks that learn nothing.
        validation: dict. The same, or `{split: 0.1}` for a share of the training file. Defaults to None.
        test: dict. The same. Defaults to None.
        folder: str. Where relative paths start. Defaults to None: the current directory.
        on_bad_rows: "error" or "skip". Skipped rows go to a quarantine file in the run directory. Defaults to "error".
        cache: str or False. The folder where rows and tokens are kept for the next run; False for none. Defaults to
            None: `$TFTRANSFER_CACHE`, or `tftransfer` in `$XDG_CACHE_HOME` or else in `~/.cache`.
    """

    train: Block | None = None
    validation: Block | None = None
    test: Block | None = None
    folder: str | None = None
    on_bad_rows: Literal["error", "skip"] = "error"
    cache: str | Literal[False] | None = None

    @pydantic.model_validator(mode="after")
    def _join_paths(self) -> "Data":
        """Puts the folder before the paths, so that what is kept of a run holds them whole."""
        if self.folder is None:
            return self
        from tftransfer.data.block import joined

        blocks = {name: getattr(self, name) for name in SPLITS}
        whole = {name: joined(self.folder, block) for name, block in blocks.items() if block}
        return self.model_copy(update={**whole, "folder": None})


class Training(Section):
    """How to train.

    Args:
        epochs: int. Passes over the training data; 0 judges and exports the model as it is. Defaults to 3.
        batch_size: int. Examples a step, over all devices. Defaults to 32.
        batch_tokens: int. The most tokens a step, in place of `batch_size`; steps then have about equally many.
            Defaults to None: steps have equally many examples.
        batching: str. "packed": the encoder sees several sequences in a row, kept apart by the attention mask, instead
            of padding; "padded": a row holds one sequence, and padding up to the longest one's end; "length_grouped":
            padded, with examples of about the same length in a batch. "packed" and "padded" have the same batches and
            differ by rounding. Defaults to "auto": packed where the model and the strategy can, else padded.
        learning_rate: float. The peak. Defaults to 5e-5.
        warmup: "10%" of all steps, or a number of steps. Defaults to "10%".
        weight_decay: float. Defaults to 0.01.
        clip_norm: float. Greatest global norm of the gradient; None for no clipping. Defaults to 1.0.
        seed: int. Of fresh weights, dropout and the order of examples. Defaults to 0.
        precision: "float32" or "mixed_bfloat16". Defaults to "float32".
        monitor: str. The validation metric that decides which epoch is kept; "loss" or a metric of the task. Without
            validation data the last epoch is kept. Defaults to None: the task's usual one.
        patience: int. Stop after so many epochs without a better one; None trains to the end. Defaults to None.
        jit_compile: bool. Compile the step with XLA. Defaults to False.
        gradient_accumulation_steps: int. Parts of a batch of which one is in memory at a time; the step is the same, a
            batch of `batch_size` examples, up to rounding and dropout's draws. Defaults to 1.
        gradient_checkpointing: bool. Compute each layer of a Transformer once more for its gradients instead of keeping
            what is in it: the same numbers in less memory and more time. Defaults to False.
        cache_features: bool. Compute what the frozen lower layers make of the texts once, and keep it in a temporary
            file for all epochs. Defaults to None: if the whole backbone is frozen, and there is more than one epoch.
    """

    epochs: int = pydantic.Field(3, ge=0)
    batch_size: int = pydantic.Field(32, ge=1)
    batch_tokens: int | None = pydantic.Field(None, ge=1)
    batching: Literal["auto", "packed", "padded", "length_grouped"] = "auto"
    learning_rate: float = pydantic.Field(5e-5, gt=0)
    warmup: Annotated[str, pydantic.Field(pattern=r"^\d{1,2}(\.\d+)?%$")] | Annotated[int, pydantic.Field(ge=0)] = "10%"
    weight_decay: float = pydantic.Field(0.01, ge=0)
    clip_norm: float | None = pydantic.Field(1.0, gt=0)
    seed: int = pydantic.Field(0, ge=0, lt=2**32)
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    monitor: str | None = None
    patience: int | None = pydantic.Field(None, ge=1)
    jit_compile: bool = False
    gradient_accumulation_steps: int = pydantic.Field(1, ge=1)
    gradient_checkpointing: bool = False
    cache_features: bool | None = None


class Distribution(Section):
    """Over which devices.

    Args:
        name: "auto" (all GPUs if there are several), "single" or "mirrored". Defaults to "auto".
        devices: list of str. Such as ["GPU:0", "GPU:1"]. Defaults to None: all GPUs, or all logical CPUs.
    """

    name: Literal["auto", "single", "mirrored"] = "auto"
    devices: list[str] | None = None


class Export(Section):
    """What `fit` leaves besides the run.

    Args:
        enabled: bool. Whether `fit` ends with an export. Defaults to True.
        formats: list of "savedmodel" (for TF Serving), "huggingface" (for PyTorch) and "peft" (what LoRA trained,
            alone). Defaults to ["savedmodel"].
    """

    enabled: bool = True
    formats: list[Literal["savedmodel", "huggingface", "peft"]] = pydantic.Field(["savedmodel"], min_length=1)


class Experiment(Section):
    """Everything that a run is made from; see `configs/quickstart.yaml`.

    Args:
        model: Model. Which checkpoint, and how long its rows are.
        backbone: dict. `name` and options of a network that is trained from scratch, in place of `model.checkpoint`,
            as in `configs/kim_cnn_mr.yaml`. Defaults to None.
        task, strategy: dict. `name` and options.
        data: Data.
        training: Training.
        distribution: Distribution.
        export: Export.
    """

    model: Model = Model()
    backbone: Block | None = None
    task: Block
    data: Data
    strategy: Block = {"name": "full"}
    regularizers: list[Block] = []
    training: Training = Training()
    distribution: Distribution = Distribution()
    export: Export = Export()


def is_share(block: Mapping[str, Any]) -> bool:
    """Returns whether a data block is a share of the training data, not data of its own, which may have splits too."""
    return "split" in block and not {"path", "format", "name"} & set(block)


def source_options(block: Mapping[str, Any]) -> Block:
    """Returns what a data block says to its format; the rest is which format, and how many rows."""
    return {key: value for key, value in block.items() if key not in ("format", "sample")}


def load(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Returns the experiment of a YAML file.

    Args:
        path: str or Path. The file.
        overrides: list of str. "key.path=value", values in YAML.

    Raises:
        ConfigError: listing every problem with its place.
    """
    raw, places = yaml_file.read(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys such as model, task and data; received {type(raw).__name__}.")
    origins = {keys: f"{path}:{line}:{column}" for keys, (line, column) in places.items()}
    for override in overrides:
        _apply(raw, override, origins)
    return validate(raw, origins, str(path))


def validate(raw: Mapping[str, Any], origins: Mapping[_Path, str] | None = None, source: str = "config") -> Experiment:
    """Returns the experiment of plain data.

    Args:
        raw: dict. As read from YAML.
        origins: dict. Key path -> where it stands, for messages. Defaults to None.
        source: str. What messages name when a key has no place of its own.

    Raises:
        ConfigError: listing every problem.
    """
    problems: list[tuple[_Path, str]] = []
    try:
        experiment = Experiment.model_validate(raw)
    except pydantic.ValidationError as error:
        problems = [_explain(e) for e in error.errors()]
    problems += _block_problems(raw)
    if problems:
        raise ConfigError("\n".join(_place(path, origins or {}, source) + text for path, text in problems))
    return experiment


def to_dict(experiment: Experiment) -> dict[str, Any]:
    """Returns plain data that `validate` turns into an equal experiment."""
    return experiment.model_dump(mode="json")


def training_options(options: Mapping[str, Any]) -> Training:
    """Returns the training section of keyword arguments.

    Raises:
        ConfigError: listing every problem.
    """
    try:
        return Training.model_validate(dict(options))
    except pydantic.ValidationError as error:
        problems = [_explain({**e, "loc": ("training", *e["loc"])}) for e in error.errors()]
        raise ConfigError("\n".join(f"{'.'.join(map(str, path[1:]))}: {text}" for path, text in problems)) from None


def _apply(raw: dict[str, Any], override: str, origins: dict[_Path, str]) -> None:
    keys, equals, text = override.partition("=")
    if not equals or not keys:
        raise ConfigError(f"Override '{override}': expected key.path=value, such as training.seed=1.")
    value, _ = yaml_file.parse(text, f"override '{override}'")
    *parents, last = keys.split(".")
    node: Any = raw
    for key in parents:
        if node.get(key) is None:
            node[key] = {}
        node = node[key]
        if not isinstance(node, dict):
            raise ConfigError(f"Override '{override}': '{key}' is a value, not a block of keys.")
    node[last] = value
    origins[tuple(keys.split("."))] = f"override '{override}'"


def _block_problems(raw: Mapping[str, Any]) -> list[tuple[_Path, str]]:
    problems = _named_problems(("task",), raw.get("task"), registry.tasks)
    problems += _named_problems(("strategy",), raw.get("strategy"), registry.strategies)
    problems += _named_problems(("backbone",), raw.get("backbone"), registry.networks)
    regularizers = raw.get("regularizers")
    for n, block in enumerate(regularizers if isinstance(regularizers, list) else []):
        problems += _named_problems(("regularizers", n), block, registry.regularizers)
    data = raw.get("data")
    for split in SPLITS:
        block = data.get(split) if isinstance(data, dict) else None
        if isinstance(block, dict):
            problems += [(("data", split, *path), text) for path, text in _file_problems(split, block)]
    return problems + _backbone_problems(raw) + _train_problems(raw) + _monitor_problems(raw)


def _named_problems(path: _Path, block: Any, entries: registry.Registry) -> list[tuple[_Path, str]]:
    """Returns what is wrong with a block whose name is looked up."""
    if not isinstance(block, dict):
        return []
    name, options = block.get("name"), {k: v for k, v in block.items() if k != "name"}
    if not isinstance(name, str):
        return [(path, f"required, but missing: name. Known: {', '.join(entries.names())}.")]
    return [((*path, *inner), text) for inner, text in entries.problems(name, options)]


def _task_class(raw: Mapping[str, Any]) -> Any:
    """Returns the class of the task that a config names; None if there is none."""
    task = raw.get("task")
    name = task.get("name") if isinstance(task, dict) else None
    return registry.tasks.get(name) if name in registry.tasks.names() else None


def _backbone_problems(raw: Mapping[str, Any]) -> list[tuple[_Path, str]]:
    """Returns what is wrong with where the model comes from: a checkpoint, or nothing at all."""
    model, task = raw.get("model"), _task_class(raw)
    checkpoint = model.get("checkpoint") if isinstance(model, dict) else None
    if raw.get("backbone") is None:
        hint = "Or train a network from scratch, with a block backbone: {name: text_cnn}."
        return [] if checkpoint is not None else [(("model", "checkpoint"), f"required, but missing. {hint}")]
    if checkpoint is not None:
        return [
            (("backbone",), f"expected no model.checkpoint beside it; received '{checkpoint}'. Take one of both out.")
        ]
    if task is not None and task.wants_pretrained:
        return [
            (("task", "name"), f"expected a model.checkpoint: {task.name} makes no sense on a backbone from scratch.")
        ]
    return []


def _train_problems(raw: Mapping[str, Any]) -> list[tuple[_Path, str]]:
    data, task = raw.get("data"), _task_class(raw)
    if not isinstance(data, dict) or data.get("train") is not None:
        return []
    if task is not None and not task.trains and data.get("test") is not None:
        return []
    return [(("data", "train"), "required, but missing.")]


def _file_problems(split: str, block: Block) -> list[tuple[_Path, str]]:
    if split == "validation" and is_share(block):
        try:
            Split.model_validate(block)
        except pydantic.ValidationError as error:
            return [describe(e) for e in error.errors()]
        return []
    from tftransfer.data.block import block_problems

    return block_problems(block)


def _monitor_problems(raw: Mapping[str, Any]) -> list[tuple[_Path, str]]:
    training, task = raw.get("training"), _task_class(raw)
    monitor = training.get("monitor") if isinstance(training, dict) else None
    if task is None or not isinstance(monitor, str) or monitor in task.monitors:
        return []
    known = task.monitors
    return [(("training", "monitor"), f"unknown metric.{suggest(monitor, known)} Known: {', '.join(known)}.")]


def _explain(error: Mapping[str, Any]) -> tuple[_Path, str]:
    path, text = describe(error)
    if error["type"] != "extra_forbidden":
        return path, text
    section: Any = Experiment
    for key in path[:-1]:
        section = section.model_fields[key].annotation
    known = list(section.model_fields)
    return path, f"unknown key.{suggest(str(path[-1]), known)} Known: {', '.join(known)}."


def _place(path: _Path, origins: Mapping[_Path, str], source: str) -> str:
    """Returns "file:line:column: key.path: ", with the place of the nearest key that is written down."""
    nearest = next((origins[path[:n]] for n in range(len(path), -1, -1) if path[:n] in origins), source)
    return f"{nearest}: {'.'.join(map(str, path))}: " if path else f"{nearest}: "

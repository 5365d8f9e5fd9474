"""How Hugging Face holds a model: as one of its classes, or as an encoder and the modules of sentence-transformers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tftransfer.backbones.family import ARCHITECTURES, Family
from tftransfer.errors import ConfigError, ExportError
from tftransfer.merging import merged_values
from tftransfer.pretrained_head import family_head
from tftransfer.tasks.components.heads import ClassificationHead, SentenceVector
from tftransfer.tasks.task import HeadHints, Hidden

__all__ = ["Dense", "Layout", "Normalize", "Numbers", "layout_of"]

_INSTEAD = (
    "What can be exported is the task's own head (build the model without head=), or the whole model as a SavedModel: "
    "tftransfer.export(model, directory)."
)
_ACTIVATIONS = {
    None: "torch.nn.modules.linear.Identity",
    "gelu": "torch.nn.modules.activation.GELU",
    "relu": "torch.nn.modules.activation.ReLU",
    "sigmoid": "torch.nn.modules.activation.Sigmoid",
    "silu": "torch.nn.modules.activation.SiLU",
    "swish": "torch.nn.modules.activation.SiLU",
    "tanh": "torch.nn.modules.activation.Tanh",
}


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A variable's numbers under a path: its own, or the one by which another model knows them.

    Args:
        path: str. Such as "pooler/dense/kernel".
        value: array. As the variable has them.
    """

    path: str
    value: np.ndarray

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.value, dtype)


@dataclasses.dataclass(frozen=True)
class Dense:
    """A `Dense` module of sentence-transformers.

    Args:
        kernel: array `(in, out)`.
        bias: array `(out,)`, or None.
        activation: str. Class of PyTorch.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    activation: str


@dataclasses.dataclass(frozen=True)
class Normalize:
    """A `Normalize` module of sentence-transformers, which gives vectors the length 1."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How Hugging Face holds a model.

    Args:
        kind: str. Kind of head of the class (see `ARCHITECTURES`); "" is the encoder alone.
        numbers: sequence of Numbers. What the class's tensors hold.
        pooling: str. "mean", "max" or "cls" where modules of sentence-transformers follow, or did so on the encoder
            that was trained on, else "". Defaults to "".
        modules: sequence of Dense and Normalize. Those behind the pooling, in their order. Defaults to ().
        fresh_pooler: bool. Whether the class's pooler holds the hidden layer of the head. Defaults to False.
    """

    kind: str
    numbers: Sequence[Numbers]
    pooling: str = ""
    modules: Sequence[Dense | Normalize] = ()
    fresh_pooler: bool = False

    def path(self, path: str) -> str:
        """Returns the path by which the class knows a variable of the model."""
        return path.replace("head/hidden/", "pooler/dense/") if self.fresh_pooler else path

    @property
    def gives_vectors(self) -> bool:
        """Whether it ends with vectors of length 1."""
        return Normalize() in self.modules[-1:]

    def architecture(self, family: Family) -> str:
        """Returns the name of transformers' class."""
        return family.architecture + ARCHITECTURES[self.kind]


def layout_of(model: Any) -> Layout:
    """Returns how Hugging Face holds a model.

    The family's class of the task's kind is taken where its head computes what ours does. Otherwise a head that pools
    by the mean or the first token becomes modules of sentence-transformers behind the family's encoder.

    Args:
        model: TransferModel.

    Raises:
        ExportError: if neither can hold it; the message says what can be exported.
    """
    if model.custom_head:
        raise ExportError(f"Expected the task's head; this model has a head of your own Keras layers. {_INSTEAD}")
    if not model.checkpoint.is_pretrained:
        raise ExportError(
            f"Expected a model of Hugging Face's transformers; '{model.checkpoint.name}' is trained from scratch and "
            "has no class there. Export it as a SavedModel, with tftransfer.export(model, directory) or the format "
            "savedmodel."
        )
    layout = _of_class(model) or _of_modules(model)
    unknown = [numbers.path for numbers in layout.numbers if not _has_place(model, numbers.path, layout.kind)]
    if unknown:
        raise ExportError(
            f"Expected only variables that {layout.architecture(model.checkpoint.family)} has; found "
            f"{', '.join(unknown[:5])} too. {_INSTEAD}"
        )
    return layout


def _numbers(model: Any) -> list[Numbers]:
    """Returns what the model's variables hold, without what a strategy has added and they can take in."""
    try:
        return [Numbers(path, value) for path, value in merged_values(model).items()]
    except ConfigError as error:
        raise ExportError(
            f"{error} No class of transformers has a place for them. What can be exported is the whole model as a "
            "SavedModel: tftransfer.export(model, directory)."
        ) from None


def _has_place(model: Any, path: str, kind: str) -> bool:
    try:
        model.checkpoint.family.place(path, kind)
    except KeyError:
        return False
    return True


def _head(model: Any) -> Any:
    return next((layer for layer in model.layers if layer.name == "head"), None)


def _of_class(model: Any) -> Layout | None:
    """Returns the layout of the family's class of the task's kind; None if its head is another one than ours."""
    kind, head = model.task.head_kind, _head(model)
    theirs = family_head(model.checkpoint, kind)
    if head is None or theirs is None:
        return None
    numbers = _numbers(model)
    if _shape(head, theirs) == (theirs.pooling, theirs.hidden, theirs.tied):
        # Whoever goes on from an encoder that was trained on masked words wants all that it came with.
        going_on = kind == "masked_lm"
        if going_on or kind in model.checkpoint.family.idle_poolers:
            numbers += _idle_pooler(model, numbers)
        return Layout(kind, numbers, (model.checkpoint.pooling or "") if going_on else "")
    fresh_pooler = ("cls", Hidden("tanh"), theirs.tied)
    if (theirs.pooling, theirs.hidden) == ("pooler", None) and _shape(head, theirs) == fresh_pooler:
        layout = Layout(kind, numbers, fresh_pooler=True)
        return dataclasses.replace(layout, numbers=[Numbers(layout.path(part.path), part.value) for part in numbers])
    return None


def _idle_pooler(model: Any, numbers: Sequence[Numbers]) -> list[Numbers]:
    """Returns the checkpoint's pooler if the model has no use for it: the class of transformers has it all the same."""
    used = {part.path for part in numbers}
    return [Numbers(path, array) for path, array in model.checkpoint.pooler.items() if path not in used]


def _shape(head: Any, theirs: HeadHints) -> tuple[str, Hidden | None, bool]:
    """Returns pooling, hidden layer and tying of our head; what it has no choice in is as in theirs."""
    pooling = getattr(head, "pooling", theirs.pooling)
    return ("pooler" if pooling == "none" else pooling, head.hidden_options, getattr(head, "tied", theirs.tied))


def _of_modules(model: Any) -> Layout:
    """Returns the encoder, with what is behind it as modules, and a pooler that it has no use for."""
    head, numbers = _head(model), _numbers(model)
    encoder = [part for part in numbers if not part.path.startswith("head/")]
    encoder += _idle_pooler(model, encoder)
    vector = next((layer for layer in model.layers if isinstance(layer, SentenceVector)), None)
    if head is None and vector is None and not model.task.head_kind:
        return Layout("", encoder)
    values = {part.path: part.value for part in numbers}
    if vector is not None:
        cosines = [_dense(values, "head", None)] if head is not None else []
        return Layout("", encoder, *_pooling(values, vector.pooling, Normalize(), *cosines))
    if not isinstance(head, ClassificationHead) or (head.hidden_options and head.hidden_options.norm):
        raise ExportError(
            f"{model.checkpoint.family.architecture}: neither a class of transformers nor modules of "
            f"sentence-transformers hold the head of this {type(model.task).__name__}. {_INSTEAD}"
        )
    hidden = [_dense(values, "head/hidden", head.hidden_options.activation)] if head.hidden_options else []
    return Layout("", encoder, *_pooling(values, head.pooling, *hidden, _dense(values, "head/logits", None)))


def _pooling(
    values: Mapping[str, np.ndarray], pooling: str, *modules: Dense | Normalize
) -> tuple[str, list[Dense | Normalize]]:
    """Returns a pooling and the modules behind it; a pooler is a dense layer over the first token."""
    return ("cls", [_dense(values, "pooler/dense", "tanh"), *modules]) if pooling == "none" else (pooling, [*modules])


def _dense(values: Mapping[str, np.ndarray], module: str, activation: str | None) -> Dense:
    if activation not in _ACTIVATIONS:
        raise ExportError(
            f"Expected a head whose activation is {', '.join(filter(None, _ACTIVATIONS))}, which PyTorch has as a "
            f"class of its own; found '{activation}'. {_INSTEAD}"
        )
    return Dense(values[f"{module}/kernel"], values.get(f"{module}/bias"), _ACTIVATIONS[activation])

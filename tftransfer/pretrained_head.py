"""A checkpoint's own head: what it suggests to ours, and its weights where it fits the task."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.backbones.family import ARCHITECTURES
from tftransfer.backbones.network import Network
from tftransfer.backbones.tensors import LoadReport, fill
from tftransfer.tasks.task import HeadHints, Hidden, Task

__all__ = ["family_head", "head_hints", "is_for", "labels_of", "load_head"]


def head_hints(checkpoint: Checkpoint, kind: str) -> HeadHints:
    """Returns what a checkpoint suggests to a head of that kind.

    It is the shape of the family's own head; but for a head over texts sentence-transformers' pooling comes first, for
    such a checkpoint was trained with it. A network that is trained from scratch has hints of its own.
    """
    if isinstance(checkpoint.config, Network):
        network = checkpoint.config
        return HeadHints(network.pooling, network.dropout, network.initializer_range, max_norm=network.max_norm)
    own = family_head(checkpoint, kind)
    if own is not None and (kind != "sequence_classification" or checkpoint.has_head(kind) or not checkpoint.pooling):
        return own
    config = checkpoint.config
    # No pooler was trained for vectors that are compared with each other, which is what is made without a head.
    pooled = "mean" if not kind else "pooler" if checkpoint.has_pooler else "cls"
    dropout = config.classifier_dropout if own is None else own.dropout
    return HeadHints(checkpoint.pooling or pooled, dropout, config.initializer_range)


def family_head(checkpoint: Checkpoint, kind: str) -> HeadHints | None:
    """Returns the shape of the head that Hugging Face's class of that kind has; None if there is no such class."""
    config, head = checkpoint.config, checkpoint.family.head(kind, checkpoint.raw_config)
    if head is None or isinstance(config, Network):
        return None
    hidden = head.activation and Hidden(
        config.activation if head.activation == "encoder" else head.activation,
        head.hidden_bias,
        head.norm,
        config.norm_bias,
        config.layer_norm_epsilon,
    )
    tied = bool(checkpoint.raw_config.get("tie_word_embeddings", True))
    dropout = getattr(config, head.dropout) if head.dropout else 0.0
    return HeadHints(head.pooling, dropout, config.initializer_range, hidden or None, tied)


def labels_of(checkpoint: Checkpoint, kind: str) -> tuple[str, ...]:
    """Returns the labels of a checkpoint's head in their order; none if it has no such head, or one without labels.

    As transformers has it, labels without a name are LABEL_0, LABEL_1 ...
    """
    rows = checkpoint.head_size(kind)
    named = checkpoint.raw_config.get("id2label") or {}
    return tuple(str(named.get(str(n), f"LABEL_{n}")) for n in range(rows))


def load_head(variables: Sequence[Any], checkpoint: Checkpoint, task: Task) -> LoadReport:
    """Fills the variables of a task's head from a checkpoint whose own head is one for the task.

    Args:
        variables: Keras variables, with paths that begin with "head/".
        checkpoint: Checkpoint.
        task: Task. With its labels known.

    Returns:
        A `LoadReport`; its `head` says what was done, and why. An empty one for a head without variables.
    """
    if not variables:
        return LoadReport((), ())
    paths = tuple(variable.path for variable in variables)
    reason = _misfit(checkpoint, task)
    if reason:
        return LoadReport((), (), paths, f"the head is newly initialised: {reason}")
    report = fill(variables, checkpoint.family, checkpoint.tensors, task.head_kind, partial=True)
    labels = labels_of(checkpoint, task.head_kind)
    wanted = task.head_labels
    if wanted and tuple(wanted) != labels:
        _reorder(variables, [labels.index(label) for label in wanted])
    return dataclasses.replace(report, head=f"the checkpoint's {_words(task.head_kind)} head was loaded")


def _misfit(checkpoint: Checkpoint, task: Task) -> str:
    """Returns why a checkpoint's head is not the task's; "" if it is."""
    kind = task.head_kind
    if not checkpoint.is_pretrained:
        return "so is all of the network"
    if not kind or not is_for(checkpoint, kind):
        others = [other for other in checkpoint.family.heads if is_for(checkpoint, other)]
        return f"the checkpoint's is for {_words(others[0])}" if others else "the checkpoint has none for this task"
    if not task.takes_head(head_hints(checkpoint, kind)):
        return "the task asks for another pooling than the checkpoint's head was trained with"
    labels, wanted = labels_of(checkpoint, kind), task.head_labels
    if wanted is not None and sorted(wanted) != sorted(labels):
        return f"the checkpoint's has the labels {_short(labels)}, the task {_short(wanted)}"
    return ""


def is_for(checkpoint: Checkpoint, kind: str) -> bool:
    """Returns whether the checkpoint holds a head of that kind, by its tensors, and by its class where it names one."""
    ends = tuple(ending for other, ending in ARCHITECTURES.items() if other and other != kind)
    named = [str(name) for name in checkpoint.raw_config.get("architectures") or []]
    return checkpoint.has_head(kind) and not any(name.endswith(ends) for name in named)


def _reorder(variables: Sequence[Any], order: list[int]) -> None:
    """Puts the rows of a last layer into the order of the task's labels."""
    for variable in variables:
        if variable.path.startswith("head/logits/"):
            variable.assign(variable.numpy()[..., order])


def _words(kind: str) -> str:
    return kind.replace("_lm", " words").replace("_", " ")


def _short(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f" ... ({len(labels)})" if len(labels) > 5 else "")

"""Labels whose descriptions follow from the text."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.tasks.task import Columns, HeadHints, Label, Texts
from tftransfer.tasks.zero_shot import ZeroShotTask
from tftransfer.token_rows import IGNORED, TokenRows

__all__ = ["ZeroShotByEntailment"]


@registry.tasks.register("zero_shot_by_entailment")
@dataclasses.dataclass(frozen=True)
class ZeroShotByEntailment(ZeroShotTask):
    """The label whose description follows most from the text, without training.

    It wants a checkpoint with a head for natural language inference (trained on MNLI, XNLI ...), which is asked for
    each text and each description whether the one entails the other. Scores are a softmax over labels of the logits of
    entailment: a network is run for each label.

    Args:
        head_labels: sequence of str. The labels of the checkpoint's head. Defaults to None: read from the checkpoint.
        **options: `labels`, `descriptions` and `template`; see `ZeroShotTask`. `temperature`; see `SingleLabelTask`.
            `truncate` and `stride`; see `TextLevelTask`.

    Example:

        >>> task = tftransfer.tasks.ZeroShotByEntailment(["sport", "trade"])
    """

    name: ClassVar[str] = "zero_shot_by_entailment"
    monitors: ClassVar[Sequence[str]] = ("loss",)

    head_labels: Sequence[Label] | None = None

    @property
    def is_resolved(self) -> bool:
        return self.head_labels is not None

    def adopt(self, labels: Sequence[str]) -> Self:
        task = dataclasses.replace(self, head_labels=tuple(labels))
        task._entailment  # noqa: B018 - says what is wrong with them
        return task

    @property
    def _entailment(self) -> int:
        """The number of the head's label that says that the one text follows from the other."""
        labels = self.head_labels or ()
        found = [number for number, label in enumerate(labels) if label.lower().startswith("entail")]
        if len(found) == 1:
            return found[0]
        has = f"the labels {', '.join(labels[:5])}" if labels else "no head for texts"
        raise ConfigError(
            f"Expected a checkpoint with a head that tells entailment; this one has {has}. Take one that was trained "
            "on natural language inference, or the task zero_shot_by_embedding."
        )

    def texts(self, columns: Columns) -> Texts:
        texts, statements = columns["text"], self.statements
        return Texts([text for text in texts for _ in statements], statements * len(texts), len(statements))

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        """Returns that the statements on an example's label follow from its text; of others nothing is known."""
        right = np.asarray(self.statement_labels) == self.label_ids(columns)[:, None]  # (examples, statements)
        return np.where(right, self._entailment, IGNORED).astype("int32").ravel()[rows.examples]

    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        from tftransfer.tasks.components.heads import head_logits

        return head_logits(self.head_kind, features, hints, len(self.head_labels or ()))

    def initialize(self, model: Any) -> None:
        if model.load_report.fresh:
            raise ConfigError(f"Expected a checkpoint with a head that tells entailment; {model.load_report.head}.")

    def metrics(self) -> list[Any]:
        return []

    def gather(self, logits: Sequence[np.ndarray], rows: TokenRows) -> np.ndarray:
        entailment = super().gather(logits, rows)[:, self._entailment]
        return entailment.reshape(-1, len(self.statements)) @ self._shares

    def gather_in_graph(self, logits: Any, tokens: Mapping[str, Any]) -> Any:
        import tensorflow as tf

        entailment = super().gather_in_graph(logits, tokens)[:, self._entailment]
        return tf.matmul(tf.reshape(entailment, [-1, len(self.statements)]), self._shares)

    @property
    def _shares(self) -> np.ndarray:
        """The share that each statement has in the logit of each label, float32 `(statements, labels)`."""
        own = np.eye(self.outputs, dtype="float32")[self.statement_labels]
        return own / own.sum(axis=0)

    def texts_in_graph(self, texts: Sequence[Any]) -> Sequence[Any]:
        import tensorflow as tf

        (text,) = texts
        statements = tf.constant(self.statements)
        return [tf.repeat(text, len(self.statements)), tf.tile(statements, tf.shape(text))]

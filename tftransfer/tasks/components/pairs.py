"""Losses and metrics of vectors of texts that belong together, found by their targets wherever in a batch they are.

Targets are float32 `(rows, 4)`: the number of the example that a row's text is of, the text's role in it, the number of
the text (equal texts have equal numbers), and the example's score. An example of which the rows of a batch do not hold
both the anchor and the positive, as where a batch is cut over replicas, counts for nothing.
"""

from typing import Any

import keras
from keras import ops

from tftransfer.tasks.components.metrics import Pearson

__all__ = ["ANCHOR", "NEGATIVE", "POSITIVE", "CosineError", "InBatchAccuracy", "InBatchContrast", "PairPearson"]

ANCHOR, POSITIVE, NEGATIVE = 0, 1, 2

_OUT = -1e9
"""The logit of what is no candidate; infinity would make NaN of rows that have none."""


class _Pairs:
    """How the rows of a batch belong together.

    Args:
        y_true: float tensor `(rows, 4)`. The targets.

    Attributes:
        same: bool tensor `(rows, rows)`. Whether two rows are of one example.
        partner: bool tensor `(rows, rows)`. Whether the first row is an anchor and the second one its positive.
        complete: bool tensor `(rows,)`. Whether a row is an anchor whose positive is there.
        scores: float tensor `(rows,)`.
    """

    def __init__(self, y_true: Any) -> None:
        example, self.role, self.text, self.scores = ops.unstack(ops.cast(y_true, "float32"), 4, axis=-1)
        self.same = ops.equal(example[:, None], example)
        anchors, positives = ops.equal(self.role, ANCHOR), ops.equal(self.role, POSITIVE)
        self.partner = self.same & anchors[:, None] & positives
        self.complete = ops.any(self.partner, axis=1)

    def cosines(self, vectors: Any) -> Any:
        """Returns the cosine of each complete anchor and its positive, `(rows,)`; elsewhere it says nothing."""
        return ops.sum(vectors * ops.take(vectors, ops.argmax(self.partner, axis=1), axis=0), axis=-1)

    def candidates(self) -> Any:
        """Returns whether the second row is one that the first one's positive is told from, bool `(rows, rows)`.

        That is every positive and negative of the batch, but for those that are as right: texts equal to the anchor or
        to its positive, and what belongs to an equal anchor in another example.
        """
        anchor, positive = self._text_of(ANCHOR), self._text_of(POSITIVE)
        as_right = ops.equal(positive[:, None], self.text) | ops.equal(anchor[:, None], self.text)
        as_right |= ops.equal(anchor[:, None], anchor) & ~self.same
        return (self.role > ANCHOR) & ~as_right | self.partner

    def _text_of(self, role: int) -> Any:
        """Returns the number of the text that has the role in each row's example, -1 if it is not there; `(rows,)`."""
        return ops.max(ops.where(self.same & ops.equal(self.role, role), self.text, -1.0), axis=1)

    def of_examples(self, losses: Any) -> Any:
        """Returns for each row the loss of its example, `(rows,)`: the mean over rows is then that over examples."""
        kept = ops.where(self.complete, losses, 0.0)
        return ops.sum(ops.where(self.same, kept, 0.0), axis=1)


def _logits(pairs: _Pairs, vectors: Any) -> Any:
    """Returns the cosine of each row with its candidates, `(rows, rows)`."""
    return ops.where(pairs.candidates(), ops.matmul(vectors, ops.transpose(vectors)), _OUT)


@keras.saving.register_keras_serializable("tftransfer")
class InBatchContrast(keras.losses.Loss):
    """Cross-entropy of finding an anchor's positive among those of the whole batch, and its hard negatives.

    Called InfoNCE, or the multiple negatives ranking loss. Texts that would be as right are no candidates. With several
    replicas the candidates are those of one replica.

    Reference: Henderson et al., "Efficient natural language response suggestion for Smart Reply", 2017.

    Args:
        temperature: float > 0. Cosines are divided by it. Defaults to 0.05.

    Call arguments:
        y_true: float tensor `(rows, 4)`; see the module.
        y_pred: float tensor `(rows, hidden)`, vectors of length 1.
    """

    def __init__(self, temperature: float = 0.05, name: str = "in_batch_contrast", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        pairs, vectors = _Pairs(y_true), ops.cast(y_pred, "float32")
        logits = _logits(pairs, vectors) / self.temperature
        right = ops.sum(ops.where(pairs.partner, logits, 0.0), axis=1)
        return pairs.of_examples(ops.logsumexp(logits, axis=1) - right)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable("tftransfer")
class CosineError(keras.losses.Loss):
    """Squared difference between the cosine of a pair and its score (Reimers and Gurevych, 2019).

    Call arguments:
        y_true: float tensor `(rows, 4)`; see the module.
        y_pred: float tensor `(rows, hidden)`, vectors of length 1.
    """

    def __init__(self, name: str = "cosine_error", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        pairs = _Pairs(y_true)
        return pairs.of_examples((pairs.cosines(ops.cast(y_pred, "float32")) - pairs.scores) ** 2)


@keras.saving.register_keras_serializable("tftransfer")
class InBatchAccuracy(keras.metrics.Mean):
    """Share of anchors whose positive is the nearest of the candidates in its batch; larger batches are harder."""

    def __init__(self, name: str = "accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        pairs = _Pairs(y_true)
        nearest = ops.argmax(_logits(pairs, ops.cast(y_pred, "float32")), axis=1)
        hits = ops.equal(nearest, ops.argmax(pairs.partner, axis=1))
        super().update_state(ops.cast(hits, "float32"), sample_weight=ops.cast(pairs.complete, "float32"))


@keras.saving.register_keras_serializable("tftransfer")
class PairPearson(Pearson):
    """Pearson's correlation of the cosines of pairs with their scores, over all examples."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        pairs = _Pairs(y_true)
        super().update_state(pairs.scores, pairs.cosines(ops.cast(y_pred, "float32")), pairs.complete)

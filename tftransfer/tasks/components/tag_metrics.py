"""Metrics of tags: how many spans are found."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tftransfer.tasks.tag_set import TagSet

__all__ = ["SpanF1"]


@keras.saving.register_keras_serializable("tftransfer")
class SpanF1(keras.metrics.Metric):
    """F1 score of spans over all types together, from labels of tokens and logits.

    A span is found if its first token, its last one and its type are right. Tokens without a label are passed over.
    Its state are sums, so that the result is that of all batches and replicas together.

    Args:
        labels: sequence of str. Tags such as "O", "B-PER", "I-PER".
        scheme: str. Theirs; see `TagSet`.
    """

    def __init__(self, labels: Sequence[str], scheme: str = "BIO", name: str = "f1", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.labels, self.scheme = list(labels), scheme
        self._tags = TagSet(labels, scheme)
        # Spans that are right, that were predicted, and that there are.
        self.counts = self.add_variable((3,), initializer="zeros", name="counts")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts the spans of a batch: labels `(batch, length)`, negative where there is none, and logits."""
        true, length = ops.cast(y_true, "int32"), ops.shape(y_true)[1]
        # Those with a label first: spans are of their neighbours.
        order = ops.argsort(ops.where(true < 0, length, 0) + ops.arange(length), axis=-1)
        true, predicted = (
            ops.take_along_axis(values, order, axis=-1)
            for values in (true, ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
        )
        there = true >= 0
        wanted, found = (self._spans(ops.where(there, values, self._tags.outside)) for values in (true, predicted))
        right = wanted[0] & found[0] & (wanted[1] == found[1]) & (wanted[2] == found[2])
        sums = [ops.sum(ops.cast(x, "float32")) for x in (right, found[0], wanted[0])]
        self.counts.assign_add(ops.stack(sums))

    def _spans(self, labels: Any) -> tuple[Any, Any, Any]:
        """Returns of each place, end to end, whether a span begins there, and the type and the length of its span."""
        outside = ops.zeros_like(labels[:, :1]) + self._tags.outside
        pairs = ops.concatenate([outside, labels[:, :-1]], axis=1) * len(self._tags.type_ids) + labels
        begins = ops.reshape(ops.take(ops.convert_to_tensor(self._tags.begins.ravel()), pairs), (-1,))
        types = ops.reshape(ops.take(ops.convert_to_tensor(self._tags.type_ids), labels), (-1,))
        numbers = ops.cumsum(ops.cast(begins, "int32"))  # of the span; a row has its first one begin
        lengths = ops.segment_sum(ops.cast(types >= 0, "int32"), numbers, num_segments=ops.size(numbers) + 1)
        return begins, types, ops.take(lengths, numbers)

    def result(self) -> Any:
        right, found, wanted = ops.unstack(self.counts)
        return ops.divide_no_nan(2 * right, found + wanted)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "labels": self.labels, "scheme": self.scheme}

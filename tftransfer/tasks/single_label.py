"""What tasks with one label a text have in common: how they judge and answer."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from tftransfer.calibration import best_temperature
from tftransfer.column import codes
from tftransfer.tasks.labels import check_labels, known, unknown
from tftransfer.tasks.numbers import Tuned, check_temperature, chosen, softmax
from tftransfer.tasks.task import Columns, shown_texts
from tftransfer.tasks.text_level import TextLevelTask
from tftransfer.token_rows import TokenRows

__all__ = ["SingleLabelTask"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SingleLabelTask(TextLevelTask):
    """A task with a logit for each of its labels, of which a text has one. Subclasses declare the `labels`.

    Args:
        temperature: float > 0, or "tuned" to choose it on the validation data, so that scores are the shares of right
            answers (Guo et al., 2017). Logits are divided by it; labels stay what they are. Defaults to 1.0.
        **options: `truncate` and `stride`; see `TextLevelTask`.
    """

    report: ClassVar[str] = "classification"
    monitors: ClassVar[Sequence[str]] = ("accuracy", "macro_f1", "loss")

    temperature: Tuned = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels is not None:
            check_labels(self.labels)
        check_temperature(self.temperature)

    def problems(self, columns: Columns) -> dict[int, str]:
        distinct, numbers = codes(columns["label"])
        reasons = unknown(distinct, self._labels)
        is_unknown = np.array([label in reasons for label in distinct], bool)
        rows = np.flatnonzero(is_unknown[numbers]).tolist()
        return {row: reasons[distinct[numbers[row]]] for row in rows}

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        return self.label_ids(columns)[rows.examples]

    def label_ids(self, columns: Columns) -> np.ndarray:
        """Returns the number of each example's label, int32 `(examples,)`."""
        ids = {label: index for index, label in enumerate(self._labels)}
        distinct, numbers = codes(columns["label"])
        return np.asarray([ids[label] for label in distinct], "int32")[numbers]

    def loss(self) -> Any:
        from tftransfer.tasks.components.losses import SmoothedCrossentropy

        return SmoothedCrossentropy()

    def metrics(self) -> list[Any]:
        import keras

        from tftransfer.tasks.components.metrics import MacroF1

        return [keras.metrics.SparseCategoricalAccuracy("accuracy"), MacroF1(len(self._labels), name="macro_f1")]

    @property
    def tunes(self) -> bool:
        return self.temperature == "tuned"

    def tuned(self, logits: np.ndarray, columns: Columns) -> Self:
        if self.temperature != "tuned":
            return self
        return dataclasses.replace(self, temperature=best_temperature(logits, self.label_ids(columns)))

    def scores(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits / chosen(self.temperature, 1.0))

    def decode(self, scores: np.ndarray, columns: Columns) -> list[dict[str, Any]]:
        return [
            {
                "label": self._labels[int(row.argmax())],
                "score": float(row.max()),
                "scores": {label: float(score) for label, score in zip(self._labels, row, strict=True)},
            }
            for row in scores
        ]

    def evidence(self, scores: np.ndarray, columns: Columns) -> dict[str, Any]:
        return {
            "labels": list(self._labels),
            "targets": self.label_ids(columns),
            "scores": scores,
            "texts": shown_texts(columns),
        }

    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        scores = tf.nn.softmax(self.gather_in_graph(logits, tokens) / chosen(self.temperature, 1.0))
        best = tf.argmax(scores, axis=-1)
        names = tf.constant(list(self._labels))
        return {"label": tf.gather(names, best), "score": tf.reduce_max(scores, axis=-1), "scores": scores}

    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        return [
            {"label": label, "score": score, "scores": dict(zip(self._labels, scores, strict=True))}
            for label, score, scores in zip(outputs["label"], outputs["score"], outputs["scores"], strict=True)
        ]

    def margins(self, scores: np.ndarray) -> np.ndarray:
        best = np.sort(scores, axis=-1)
        return best[:, -1] - best[:, -2]

    @property
    def outputs(self) -> int:
        """How many logits a text has."""
        return len(self._labels)

    @property
    def _labels(self) -> Sequence[str]:
        return known(self.labels)

"""One vector a text, such that texts that belong together lie close to one another."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer import registry
from tftransfer.errors import ConfigError, DataError
from tftransfer.row_options import RowOptions
from tftransfer.tasks.numbers import finite
from tftransfer.tasks.task import Columns, HeadHints, Task, Texts
from tftransfer.token_rows import TokenRows

__all__ = ["SentenceEmbeddings"]

_ROLES = ("text", "text_pair", "text_negative")
_EXACT = 2**24
"""Whole numbers below it are exact in float32; a batch never holds rows that are so far apart."""


@registry.tasks.register("sentence_embeddings")
@dataclasses.dataclass(frozen=True)
class SentenceEmbeddings(Task):
    """One vector of length 1 a text; the cosine of two of them says how much their texts are alike.

    Examples are pairs of "text" and "text_pair", which belong together or have a score in "label", or triplets with a
    "text_negative" beside them. Whoever asks the model gives single texts.

    References: Reimers and Gurevych, "Sentence-BERT", 2019; Henderson et al., "Efficient natural language response
    suggestion for Smart Reply", 2017.

    Args:
        objective: "contrastive" (each text has to find its partner among those of the whole batch, and the negatives
            of triplets), "cosine" (the squared difference between the cosine of a pair and its score), or "auto": the
            latter if the training data have scores. Defaults to "auto".
        temperature: float > 0. What "contrastive" divides cosines by. Defaults to 0.05.
        low: float. The score that stands for a cosine of 0. Defaults to None: the lowest one of the training data.
        high: float > low. The score that stands for a cosine of 1. Defaults to None: the highest one.
        pooling: "mean", "max", "cls" (first token), "pooler" (the checkpoint's own), or "auto": what the checkpoint was
            trained with, else the mean. Defaults to "auto".
        truncate: str. What is left of a text longer than the model's `max_length`: "head" keeps its beginning, "tail"
            its end, "head_tail" a quarter of the row from its beginning and the rest from its end. Defaults to "head".

    Example:

        >>> task = tftransfer.tasks.SentenceEmbeddings()
    """

    name: ClassVar[str] = "sentence_embeddings"
    answer: ClassVar[str | None] = "text_pair"
    input_keys: ClassVar[Sequence[str]] = ("text",)
    global_tokens: ClassVar[Literal["none", "first", "question"]] = "first"
    report: ClassVar[str] = "sentence_embeddings"
    needs_whole_batch: ClassVar[bool] = True
    monitors: ClassVar[Sequence[str]] = ("accuracy", "pearson", "loss")

    labels = None
    objective: Literal["auto", "contrastive", "cosine"] = "auto"
    temperature: float = 0.05
    low: float | None = None
    high: float | None = None
    pooling: Literal["auto", "mean", "max", "cls", "pooler"] = "auto"
    truncate: Literal["head", "tail", "head_tail"] = "head"

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature: expected a number > 0; received {self.temperature}.")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ConfigError(f"high: expected a score greater than low, {self.low}; received {self.high}.")

    @property
    def is_resolved(self) -> bool:
        scaled = self.low is not None and self.high is not None
        return self.objective == "contrastive" or (self.objective == "cosine" and scaled)

    def resolve(self, columns: Columns) -> "SentenceEmbeddings":
        if "text_pair" not in columns:
            raise DataError(
                f"Expected pairs of texts in the training data; found the columns {', '.join(columns)}. Name the "
                "column of the second texts with text_pair."
            )
        scored = self.objective == "cosine" or (self.objective == "auto" and "label" in columns)
        if not scored:
            return dataclasses.replace(self, objective="contrastive")
        if "text_negative" in columns:
            raise DataError(
                "Expected pairs with scores, or triplets without; found both label and text_negative in the training "
                "data. Leave one of them out: label: null, or text_negative: null."
            )
        scores = [score for score in map(finite, columns.get("label", ())) if score is not None]
        if len(set(scores)) < 2:
            found = f"every pair has {scores[0]:g}" if scores else "found no number"
            raise DataError(
                f"Expected different scores in the label column of the training data; {found}. For pairs that all "
                "belong together leave the label out: label: null."
            )
        low, high = min(scores) if self.low is None else self.low, max(scores) if self.high is None else self.high
        return dataclasses.replace(self, objective="cosine", low=low, high=high)

    def adopt(self, labels: Sequence[str]) -> "SentenceEmbeddings":
        return self  # vectors need no training data

    def problems(self, columns: Columns) -> dict[int, str]:
        found = {
            row: f"empty {role}"
            for role in self._roles(columns)
            for row, text in enumerate(columns[role])
            if not text or text.isspace()
        }
        if "label" in columns:
            unscored = {row: value for row, value in enumerate(columns["label"]) if finite(value) is None}
            return found | {row: f"expected a finite number as score, found {v!r}" for row, v in unscored.items()}
        if self.objective == "cosine":
            return dict.fromkeys(range(len(columns["text"])), "expected a score in a label column, found no column")
        return found

    def _roles(self, columns: Columns) -> list[str]:
        return [role for role in _ROLES if role in columns]

    @property
    def row_options(self) -> RowOptions:
        return RowOptions(self.truncate)

    def texts(self, columns: Columns) -> Texts:
        parts = [columns[role] for role in self._roles(columns)]
        return Texts([text for example in zip(*parts, strict=True) for text in example], None, len(parts))

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        """Returns for each row, as `components.pairs` wants it: example, role, number of the text, score."""
        texts, _, parts = self.texts(columns)
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        places = np.arange(len(texts))
        scores = np.repeat(self._shares(columns), parts)
        ids = np.asarray([numbers[text] for text in texts], "int64")
        table = np.stack([places // parts % _EXACT, places % parts, ids % _EXACT, scores], axis=-1)
        return table.astype("float32")[rows.examples]

    def _shares(self, columns: Columns) -> np.ndarray:
        """Returns the cosine that each example's score stands for, `(examples,)`; zeros without scores."""
        scores = self._scores(columns)
        if scores is None or self.low is None or self.high is None:
            return np.zeros(len(columns["text"]))
        return (scores - self.low) / (self.high - self.low)

    def _scores(self, columns: Columns) -> np.ndarray | None:
        return np.asarray([float(value) for value in columns["label"]]) if "label" in columns else None

    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        from tftransfer.tasks.components.heads import sentence_vector

        return sentence_vector(features, hints.pooling if self.pooling == "auto" else self.pooling)

    def loss(self) -> Any:
        from tftransfer.tasks.components.pairs import CosineError, InBatchContrast

        return CosineError() if self._objective == "cosine" else InBatchContrast(self.temperature)

    def divergence(self, logits: Any, reference: Any, temperature: float = 1.0) -> Any:
        from tftransfer.tasks.components.divergences import squared_distance

        return squared_distance(logits, reference)

    def metrics(self) -> list[Any]:
        from tftransfer.tasks.components.pairs import InBatchAccuracy, PairPearson

        return [PairPearson("pearson") if self._objective == "cosine" else InBatchAccuracy("accuracy")]

    def scores(self, logits: np.ndarray) -> np.ndarray:
        return logits

    def decode(self, scores: np.ndarray, columns: Columns) -> list[dict[str, Any]]:
        return [{"embedding": vector.tolist()} for vector in scores[:: len(self._roles(columns))]]

    def evidence(self, scores: np.ndarray, columns: Columns) -> dict[str, Any]:
        parts = len(self._roles(columns))
        return {
            "anchors": scores[::parts],
            "positives": scores[1::parts],
            "targets": self._scores(columns),
            "texts": columns["text"],
            "pairs": columns["text_pair"],
        }

    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        return {"embedding": logits}

    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        return [{"embedding": vector} for vector in outputs["embedding"]]

    @property
    def _objective(self) -> str:
        if not self.is_resolved:
            raise ConfigError("Whether pairs have scores is not known yet: use task.resolve(train.columns).")
        return self.objective

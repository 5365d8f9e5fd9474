"""Answers to questions, as spans of the texts that the questions are on."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from tftransfer import registry
from tftransfer.answers import exact_and_f1
from tftransfer.errors import ConfigError, DataError
from tftransfer.row_options import RowOptions
from tftransfer.tasks.answer_spans import IMPOSSIBLE, BestSpans, best_spans, best_threshold, positions
from tftransfer.tasks.numbers import Tuned, check_not_negative, check_shares, chosen
from tftransfer.tasks.task import Columns, HeadHints, Task, Texts
from tftransfer.token_rows import TokenRows

__all__ = ["QuestionAnswering"]

_SCORES = [("start", "i4"), ("end", "i4"), ("score", "f8"), ("no_answer_score", "f8"), ("margin", "f8")]
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


@registry.tasks.register("question_answering")
@dataclasses.dataclass(frozen=True)
class QuestionAnswering(Task):
    """The span of a text, the context, that answers a question; there may be none (Rajpurkar et al., 2016 and 2018).

    A context longer than the model's `max_length` is read window by window, each beside the question. The network says
    for every token how likely the answer begins and ends with it; in a window without the answer, and for a question
    without one, both are the first token, as in Devlin et al. (2019). The answer is the possible span with the highest
    sum of both logits over all windows. Its score is the probability of its start times that of its end, each among all
    tokens of its window.

    Args:
        stride: int. Tokens that neighbouring windows share, at most half of a window. Defaults to 128.
        max_answer_length: int. How many tokens an answer may have; does not limit what is learned. Defaults to 30.
        no_answer: bool. Whether a question may have no answer. Defaults to None: whether one of the training data has
            none.
        null_threshold: float. A question has no answer if the logits of having none (of the first token, the least of
            all windows) are that far above those of the best span; "tuned" chooses it on the validation data, for the
            best F1. Defaults to 0.0.
        characters: bool. Whether F1 compares characters, as for Chinese, not words. Defaults to None: whether the
            answers of the training data are mostly Chinese or Japanese.
        space_cjk: bool. Whether ideographs are set apart before texts are tokenized, so that an answer may begin with
            any of them, whatever the tokenizer: with XLM-R's, 99.8 % of CMRC 2018's answers are exactly spans
            of tokens, not 96.8 %, for 2.8 times as many windows, and answers of twice as many tokens. Chinese BERTs
            set them apart themselves. Defaults to False.
        dropout: float. Dropout rate before the last layer. Defaults to None: what the checkpoint suggests.

    Example:

        >>> task = tftransfer.tasks.QuestionAnswering(no_answer=False)
    """

    name: ClassVar[str] = "question_answering"
    answer: ClassVar[str | None] = "answers"
    input_keys: ClassVar[Sequence[str]] = ("question", "context")
    head_kind: ClassVar[str] = "question_answering"
    global_tokens: ClassVar[Literal["none", "first", "question"]] = "question"
    report: ClassVar[str] = "question_answering"
    monitors: ClassVar[Sequence[str]] = ("span_accuracy", "loss")

    labels = None
    stride: int = 128
    max_answer_length: int = 30
    no_answer: bool | None = None
    null_threshold: Tuned = 0.0
    characters: bool | None = None
    space_cjk: bool = False
    dropout: float | None = None

    def __post_init__(self) -> None:
        check_not_negative("a number of tokens", stride=self.stride)
        if self.max_answer_length < 1:
            raise ConfigError(f"max_answer_length: expected a number of tokens > 0; received {self.max_answer_length}.")
        check_shares(dropout=self.dropout)
        if self.no_answer is False and self.null_threshold != 0:
            raise ConfigError(
                "null_threshold: expected none where every question has an answer; received "
                f"{self.null_threshold}. Take it out, or set no_answer to true."
            )

    # --- what the data is ---

    @property
    def is_resolved(self) -> bool:
        return self.no_answer is not None

    def resolve(self, columns: Columns) -> "QuestionAnswering":
        texts = [text for answers in columns["answers"] for text, _ in answers]
        if not texts:
            raise DataError(
                "Expected questions with answers in the training data; none of them has one. There is nothing to learn "
                "from it: check the file."
            )
        task = self
        if task.characters is None:
            task = dataclasses.replace(task, characters=2 * len(_CJK.findall("".join(texts))) > sum(map(len, texts)))
        if task.no_answer is None:
            no_answer = not all(columns["answers"])
            # Without such questions there is nothing to choose a threshold by.
            threshold = self.null_threshold if no_answer else 0.0
            task = dataclasses.replace(task, no_answer=no_answer, null_threshold=threshold)
        return task

    def adopt(self, labels: Sequence[str]) -> "QuestionAnswering":
        raise ConfigError(
            "Whether a question may have no answer is not known: give no_answer=True or no_answer=False, or use "
            "task.resolve(train.columns)."
        )

    def problems(self, columns: Columns) -> dict[int, str]:
        found = {}
        for row, (context, answers) in enumerate(zip(columns["text_pair"], columns["answers"], strict=True)):
            for text, start in answers:
                if not text or start < 0 or not context.startswith(text, start):
                    there = context[max(start, 0) :][: len(text)]
                    found[row] = f"expected the answer {text!r} at character {start} of the context; found {there!r}"
        return found

    # --- from examples to the network ---

    @property
    def row_options(self) -> RowOptions:
        return RowOptions("windows", self.stride, offsets=True, space_cjk=self.space_cjk)

    @property
    def logits_per_token(self) -> bool:
        return True

    def texts(self, columns: Columns) -> Texts:
        if "text_pair" not in columns:
            raise DataError("Expected a context beside each question, as text_pair; received questions alone.")
        return Texts(columns["text"], columns["text_pair"])

    def is_pair(self, columns: Columns) -> bool:
        return True

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        # A network learns one answer; the others are other people's, for evaluation.
        first = [answers[0] if answers else ("", -1) for answers in columns["answers"]]
        starts = np.asarray([start for _, start in first])
        return positions(rows, starts, starts + [len(text) for text, _ in first])

    # --- the network ---

    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        from keras import ops

        from tftransfer.tasks.components.heads import head_logits

        if self.dropout is not None:
            hints = dataclasses.replace(hints, dropout=self.dropout)
        logits = head_logits(self.head_kind, features, hints, 2)
        # Tokens of a row compete: without this, its probabilities would depend on its padding.
        return ops.where(features["attention_mask"][..., None] > 0, logits, IMPOSSIBLE)

    def loss(self) -> Any:
        from tftransfer.tasks.components.losses import SpanCrossentropy

        return SpanCrossentropy()

    def divergence(self, logits: Any, reference: Any, temperature: float = 1.0) -> Any:
        from keras import ops

        from tftransfer.tasks.components.divergences import categorical_divergence

        # Tokens of a row are the alternatives, once for starts and once for ends.
        return ops.mean(categorical_divergence(logits, reference, temperature, axis=1), axis=-1)

    def metrics(self) -> list[Any]:
        from tftransfer.tasks.components.metrics import SpanAccuracy

        return [SpanAccuracy()]

    # --- from the network to answers ---

    def gather(self, logits: Sequence[np.ndarray], rows: TokenRows) -> BestSpans:
        return best_spans(logits, rows, self.max_answer_length)

    @property
    def tunes(self) -> bool:
        return self.null_threshold == "tuned"

    def tuned(self, logits: BestSpans, columns: Columns) -> "QuestionAnswering":
        withheld = np.asarray([not answers for answers in columns["answers"]], "float64")
        if self.null_threshold != "tuned" or not withheld.any():
            return self
        pairs = zip(_texts(logits.starts, logits.ends, columns), _references(columns), strict=True)
        worth = [exact_and_f1(*pair, bool(self.characters))[1] for pair in pairs]
        threshold = best_threshold(logits.nulls - logits.logits, np.asarray(worth), withheld)
        return dataclasses.replace(self, null_threshold=threshold)

    def scores(self, logits: BestSpans) -> np.ndarray:
        """Returns a record an example: `start`, `end`, `score`, `no_answer_score` and `margin`; see `decode`."""
        above = logits.nulls - logits.logits - self._threshold
        # As the probability that one logit has beside the other.
        nulls = 0.5 * (1 + np.tanh(0.5 * (logits.nulls - logits.logits)))
        none = logits.starts < 0
        if self.no_answer:
            none |= above > 0
        starts, ends = (np.where(none, -1, places) for places in (logits.starts, logits.ends))
        scores = np.where(none, nulls if self.no_answer else 0.0, logits.probabilities)
        margins = np.where(none, np.inf, logits.leads)
        if self.no_answer:
            margins = np.minimum(margins, np.abs(above))
        found = np.empty(len(logits), _SCORES)
        for name, values in zip(found.dtype.names or (), (starts, ends, scores, nulls, margins), strict=True):
            found[name] = values
        return found

    def decode(self, scores: np.ndarray, columns: Columns) -> list[dict[str, Any]]:
        """Returns one answer a question.

        Each has `answer`, a part of the context, its characters `start` and `end` (behind the last) in the context, and
        its `score`. Where there may be no answer there is `no_answer_score` too, from 0 to 1: how likely that is beside
        the best span; of a question without an answer `answer` is "", `start` and `end` are -1, and it is the score.
        """
        answers = []
        for found, text in zip(scores, _texts(scores["start"], scores["end"], columns), strict=True):
            answer = {"answer": text, "start": int(found["start"]), "end": int(found["end"])}
            answers.append({**answer, **{name: float(found[name]) for name in self._scored}})
        return answers

    def evidence(self, scores: np.ndarray, columns: Columns) -> dict[str, Any]:
        return {
            "predictions": _texts(scores["start"], scores["end"], columns),
            "references": _references(columns),
            "texts": list(columns["text"]),
            "contexts": list(columns["text_pair"]),
            "scores": scores["score"],
            "characters": bool(self.characters),
        }

    def margins(self, scores: np.ndarray) -> np.ndarray:
        return scores["margin"] / 2  # between sums of two logits

    # --- the same in a SavedModel ---

    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        from tftransfer.tasks.components.answer_spans import answers_in_graph

        threshold = self._threshold if self.no_answer else None
        return answers_in_graph(logits, tokens, tokens[self.input_keys[1]], self.max_answer_length, threshold)

    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        names = ["answer", "start", "end", *self._scored]
        return [dict(zip(names, values, strict=True)) for values in zip(*(outputs[n] for n in names), strict=True)]

    @property
    def _scored(self) -> Sequence[str]:
        return ["score", "no_answer_score"] if self.no_answer else ["score"]

    @property
    def _threshold(self) -> float:
        return chosen(self.null_threshold, 0.0)


def _texts(starts: np.ndarray, ends: np.ndarray, columns: Columns) -> list[str]:
    """Returns the text of each span, "" for none."""
    spans = zip(columns["text_pair"], starts, ends, strict=True)
    return [context[start:end] if start >= 0 else "" for context, start, end in spans]


def _references(columns: Columns) -> list[list[str]]:
    return [[text for text, _ in answers] for answers in columns["answers"]]

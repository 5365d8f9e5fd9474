"""Spans of a text: named entities, parts of speech, and the like."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from tftransfer import registry
from tftransfer.errors import DataError
from tftransfer.row_options import RowOptions
from tftransfer.tags import Span
from tftransfer.tasks.labels import check_labels, known, unknown
from tftransfer.tasks.numbers import check_not_negative, check_shares, softmax
from tftransfer.tasks.tag_set import TagSet, guess_scheme, labels_for
from tftransfer.tasks.task import Columns, HeadHints, Label, Task, shown_texts
from tftransfer.tasks.words import Words
from tftransfer.token_rows import IGNORED, TokenRows

__all__ = ["TaggedWords", "TokenClassification"]


class TaggedWords(NamedTuple):
    """What a network says of the words of a text.

    Args:
        starts: int array `(words,)`. Where each begins, in characters.
        ends: int array `(words,)`. Where it ends.
        scores: float32 array `(words, labels)`. The probability of each label; logits before `scores`.
        goes_on: bool array `(words,)`. Which are parts of the one before, so that no span begins there. Defaults to
            None: none.
    """

    starts: np.ndarray
    ends: np.ndarray
    scores: np.ndarray
    goes_on: np.ndarray | None = None


@registry.tasks.register("token_classification")
@dataclasses.dataclass(frozen=True)
class TokenClassification(Task):
    """Spans of a text with a type each, by a tag for every word.

    A word is a run of letters and digits, or one punctuation mark, symbol or ideograph, and its first token has its
    tag: the same in training, evaluation and the SavedModel. Of a token of a CoNLL file, such as a URL, which may be
    many words, the first one is learned, as usual. Texts longer than the model's `max_length` are read in
    overlapping windows; a word's tag comes from the window in which it is furthest from both ends. Tags that do not
    follow the scheme are read as conlleval reads them: "I-PER" behind "O" begins a span.

    Args:
        labels: sequence of str. The tags, in the order of the network's logits. Defaults to None: those of the scheme
            for the types of the training data's spans, sorted.
        scheme: "BIO", "IOBES", "BMES", "IO" (which cannot tell touching spans of one type apart), or "POS": every word
            is a span of its own, as parts of speech are, and its tag is the type. Defaults to "BIO".
        stride: int. Tokens that neighbouring windows share. Defaults to 32.
        label_smoothing: float in [0, 1). Share of the target probability spread over all labels (Szegedy et al., 2016).
            Defaults to 0.0.
        focal_gamma: float >= 0. Strength of the focal loss, which has easy words count less (Lin et al., 2017); 0 for
            none. Defaults to 0.0.
        dropout: float. Dropout rate before the last layer. Defaults to None: what the checkpoint suggests.

    Example:

        >>> task = tftransfer.tasks.TokenClassification().resolve({"text": ["Ann"], "spans": [[(0, 3, "PER")]]})
        >>> task.labels
        ('O', 'B-PER', 'I-PER')
    """

    name: ClassVar[str] = "token_classification"
    answer: ClassVar[str | None] = "spans"
    input_keys: ClassVar[Sequence[str]] = ("text",)
    per_token: ClassVar[bool] = True
    head_kind: ClassVar[str] = "token_classification"
    report: ClassVar[str] = "token_classification"
    monitors: ClassVar[Sequence[str]] = ("f1", "accuracy", "loss")

    labels: Sequence[Label] | None = None
    scheme: Literal["BIO", "IOBES", "BMES", "IO", "POS"] = "BIO"
    stride: int = 32
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    dropout: float | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            check_labels(self.labels)
            self._tags  # noqa: B018 - raises if they are none
        check_shares(label_smoothing=self.label_smoothing, dropout=self.dropout)
        check_not_negative(stride=self.stride, focal_gamma=self.focal_gamma)

    @property
    def is_resolved(self) -> bool:
        return self.labels is not None

    def resolve(self, columns: Columns) -> "TokenClassification":
        types = sorted({kind for spans in columns["spans"] for *_, kind in spans})
        if not types:
            raise DataError(
                f"Expected spans in the training data; none of its {len(columns['spans'])} texts has one. There is "
                "nothing to learn from it: check the file, its format and the column of the tags."
            )
        return self if self.labels is not None else dataclasses.replace(self, labels=labels_for(types, self.scheme))

    def adopt(self, labels: Sequence[str]) -> Task:
        if not labels:
            return super().adopt(labels)
        return dataclasses.replace(self, labels=tuple(labels), scheme=guess_scheme(labels))  # type: ignore[arg-type]

    def problems(self, columns: Columns) -> dict[int, str]:
        reasons = unknown({kind for spans in columns["spans"] for *_, kind in spans}, self._tags.types)
        wrong = ((n, next((kind for *_, kind in s if kind in reasons), None)) for n, s in enumerate(columns["spans"]))
        return {row: reasons[kind] for row, kind in wrong if kind is not None}

    @property
    def row_options(self) -> RowOptions:
        # Tokenizers that do not set ideographs apart would put several into one token, which has one tag.
        return RowOptions("windows", self.stride, offsets=True, space_cjk=True)

    def targets(self, columns: Columns, rows: TokenRows) -> np.ndarray:
        words, tags, targets = Words.of(rows), self._tags, np.full(len(rows.input_ids), IGNORED, "int32")
        labels = [
            tags.encode(_in_words(spans, words.starts[first:last], words.ends[first:last]), last - first)
            for spans, first, last in zip(columns["spans"], words.offsets[:-1], words.offsets[1:], strict=True)
        ]
        by_word = np.concatenate([*labels, np.zeros(0, "int32")])
        if "words" in columns:  # further words within a token of the file would count URLs and the like many times over
            by_word[~_leading(columns["words"], words)] = IGNORED
        begins = words.of_tokens >= 0
        targets[begins] = by_word[words.of_tokens[begins]]
        return targets

    def head(self, features: Mapping[str, Any], hints: HeadHints) -> Any:
        from tftransfer.tasks.components.heads import head_logits

        hints = hints if self.dropout is None else dataclasses.replace(hints, dropout=self.dropout)
        return head_logits(self.head_kind, features, hints, len(self._labels))

    def loss(self) -> Any:
        from tftransfer.tasks.components.losses import SmoothedCrossentropy

        return SmoothedCrossentropy(self.label_smoothing, self.focal_gamma)

    def metrics(self) -> list[Any]:
        from tftransfer.tasks.components.tag_metrics import SpanF1
        from tftransfer.tasks.components.token_metrics import TokenAccuracy

        return [SpanF1(self._labels, self.scheme, name="f1"), TokenAccuracy()]

    def gather(self, logits: Sequence[np.ndarray], rows: TokenRows) -> list[TaggedWords]:
        words = Words.of(rows)
        if not len(words.tokens):
            return [TaggedWords(words.starts, words.ends, np.zeros((0, len(self._labels)), "float32"))] * (
                len(words.offsets) - 1
            )
        chosen = np.concatenate(list(logits))[words.tokens]
        parts = (np.split(values, words.offsets[1:-1]) for values in (words.starts, words.ends, chosen))
        return [TaggedWords(*part) for part in zip(*parts, strict=True)]

    def scores(self, logits: Sequence[TaggedWords]) -> list[TaggedWords]:
        return [words._replace(scores=softmax(words.scores)) for words in logits]

    def decode(self, scores: Sequence[TaggedWords], columns: Columns) -> list[dict[str, Any]]:
        tags, answers = self._tags, []
        for words, text in zip(scores, columns["text"], strict=True):
            spans = tags.decode(words.scores.argmax(-1), words.goes_on)
            answers.append({"entities": [_entity(span, words, text) for span in spans]})
        return answers

    def evidence(self, scores: Sequence[TaggedWords], columns: Columns) -> dict[str, Any]:
        if "words" in columns:
            scores = [self._in_tokens(*pair) for pair in zip(scores, columns["words"], strict=True)]
        answers = self.decode(scores, columns)
        return {
            "labels": list(self._tags.types),
            "targets": [[(start, end, kind) for start, end, kind in spans] for spans in columns["spans"]],
            "predictions": [[(e["start"], e["end"], e["type"]) for e in answer["entities"]] for answer in answers],
            "scores": [[e["score"] for e in answer["entities"]] for answer in answers],
            "texts": shown_texts(columns),
        }

    def _in_tokens(self, words: TaggedWords, tokens: Sequence[tuple[int, int]]) -> TaggedWords:
        """Returns the tokens of the user's file as words, each with the scores of its first word."""
        starts, ends = np.array(tokens, int).reshape(-1, 2).T
        some, word = _first_words(tokens, words.starts, words.ends)
        return TaggedWords(starts[some], ends[some], words.scores[word], np.diff(word, prepend=-1) == 0)

    def serve(self, logits: Any, tokens: Mapping[str, Any]) -> dict[str, Any]:
        from tftransfer.tasks.components.entities import entities_in_graph

        return entities_in_graph(logits, tokens, self._tags)

    def read_served(self, outputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        keys = {"type": "entities", "text": "texts", "start": "starts", "end": "ends", "score": "scores"}
        columns = (outputs[key] for key in keys.values())
        return [
            {"entities": [dict(zip(keys, e, strict=True)) for e in zip(*row, strict=True) if e[0]]}
            for row in zip(*columns, strict=True)
        ]

    def margins(self, scores: Sequence[TaggedWords]) -> np.ndarray:
        best = [np.sort(words.scores, axis=-1) for words in scores]
        return np.array([(row[:, -1] - row[:, -2]).min(initial=np.inf) for row in best])

    @property
    def _labels(self) -> Sequence[str]:
        return known(self.labels)

    @property
    def _tags(self) -> TagSet:
        return TagSet(self._labels, self.scheme)


def _entity(span: Span, words: TaggedWords, text: str) -> dict[str, Any]:
    """Returns a span of words as the user wrote it; its score is the mean of those of its words' tags."""
    first, last, kind = span
    start, end = int(words.starts[first]), int(words.ends[last - 1])
    score = float(words.scores[first:last].max(-1).mean())
    return {"type": kind, "text": text[start:end], "start": start, "end": end, "score": score}


def _first_words(
    tokens: Sequence[tuple[int, int]], starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which tokens of the user's file have a word, and the first word of each of them.

    That is the word that the token begins in, or else the next one, if the token reaches it.
    """
    token_starts, token_ends = np.array(tokens, int).reshape(-1, 2).T
    word = np.searchsorted(ends, token_starts, side="right")
    some = np.flatnonzero(np.append(starts, np.iinfo(np.int32).max)[word] < token_ends)
    return some, word[some]


def _leading(tokens: Sequence[Sequence[tuple[int, int]]], words: Words) -> np.ndarray:
    """Returns which of the words of all texts is the first one of a token of the user's file, bool `(words,)`."""
    leading = np.zeros(len(words.starts), bool)
    for listed, first, last in zip(tokens, words.offsets[:-1], words.offsets[1:], strict=True):
        leading[first + _first_words(listed, words.starts[first:last], words.ends[first:last])[1]] = True
    return leading


def _in_words(spans: Sequence[Span], starts: np.ndarray, ends: np.ndarray) -> list[Span]:
    """Returns spans of characters as spans of the words that they overlap with; a word is of the first such span."""
    found, free = [], 0
    for start, end, kind in spans:
        first = max(int(np.searchsorted(ends, start, side="right")), free)
        last = int(np.searchsorted(starts, end))
        if first < last:
            found.append((first, last, kind))
            free = last
    return found

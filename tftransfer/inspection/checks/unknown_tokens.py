"""What the tokenizer has no token for."""

import collections
import dataclasses
import json
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.inspection.check import Check, Finding, Record, Section, percent
from tftransfer.inspection.corpus import Corpus, Part
from tftransfer.tokenizers import FastTokenizer

__all__ = ["UnknownTokens"]


@registry.checks.register("unknown_tokens")
@dataclasses.dataclass(frozen=True)
class UnknownTokens(Check):
    """The share of tokens that stand for anything unknown, and what they stand for.

    Args:
        share: float. The share of unknown tokens from which on they are worth a warning. Defaults to 0.005.
        rows: int. The words are those of so many rows of each split at most. Defaults to 2000.
        listed: int. Words that are listed. Defaults to 20.
    """

    place: ClassVar[int] = 8
    ids: ClassVar[Sequence[str]] = ("unknown_tokens",)

    share: float = 0.005
    rows: int = 2000
    listed: int = 20

    def __call__(self, corpus: Corpus) -> Section:
        unknown = unknown_token_id(corpus.tokenizer)
        if unknown is None:
            return Section("Unknown tokens", {}, notes=["This tokenizer has a token for every byte: none is unknown."])
        records = [_counts(name, part, unknown) for name, part in corpus.parts.items()]
        words: collections.Counter[str] = collections.Counter()
        for part in corpus.parts.values():
            words.update(self._words(part, corpus, unknown))
        listed = [{"word": word, "times": count} for word, count in words.most_common(self.listed)]
        tables: dict[str, Sequence[Record]] = {"Unknown tokens": records, "Commonest unknown words": listed}
        return Section("Unknown tokens", tables, self._findings(records))

    def _words(self, part: Part, corpus: Corpus, unknown: int) -> list[str]:
        """Returns the characters that unknown tokens stand for."""
        rows = np.unique(_rows_of(part)[part.tokens.input_ids == unknown])[: self.rows]
        texts = corpus.task.texts(part.examples.columns)
        first = [texts.first[row] for row in rows.tolist()]
        second = None if texts.second is None else [texts.second[row] for row in rows.tolist()]
        options = dataclasses.replace(corpus.task.row_options, truncate="head", offsets=True)
        found = corpus.tokenizer.encode(first, second, max_length=2**30, options=options)
        assert found.starts is not None
        assert found.ends is not None
        assert found.texts is not None
        owners = np.repeat(found.examples, np.diff(found.offsets))
        return [
            (first if found.texts[i] == 0 else second or first)[owners[i]][found.starts[i] : found.ends[i]]
            for i in np.flatnonzero((found.input_ids == unknown) & (found.texts >= 0)).tolist()
        ]

    def _findings(self, records: Sequence[Record]) -> list[Finding]:
        worst = max(records, key=lambda record: record["unknown_share"])
        if not worst["unknown"]:
            return []
        severity = "warning" if worst["unknown_share"] >= self.share else "note"
        text = f"{percent(worst['unknown_share'])} of the tokens of {worst['split']} are unknown."
        advice = "The model cannot tell these words apart: take a checkpoint of this language, or clean the texts."
        return [Finding(severity, self.ids, text, advice)]  # type: ignore[arg-type]


def unknown_token_id(tokenizer: FastTokenizer) -> int | None:
    """Returns the id of the token for what is in no vocabulary; None if every text has tokens of its own."""
    model = json.loads(tokenizer.to_json())["model"]
    if model.get("byte_fallback"):
        return None
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    token = model.get("unk_token")
    return None if token is None else tokenizer.rust.token_to_id(token)


def _rows_of(part: Part) -> np.ndarray:
    """Returns which text each token is of."""
    return np.repeat(np.arange(len(part.lengths)), part.lengths)


def _counts(name: str, part: Part, unknown: int) -> Record:
    found = part.tokens.input_ids == unknown
    texts = len(np.unique(_rows_of(part)[found]))
    return {
        "split": name,
        "tokens": len(found),
        "unknown": int(found.sum()),
        "unknown_share": float(found.mean()),
        "texts_with_any": texts,
        "share_of_texts": texts / len(part.lengths),
    }

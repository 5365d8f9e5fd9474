"""How long the texts are, and what a row holds of them."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.inspection import pictures
from tftransfer.inspection.check import Check, Finding, Record, Section, percent
from tftransfer.inspection.corpus import Corpus, Part

__all__ = ["Truncation"]

_PERCENTILES = (0, 5, 25, 50, 75, 95, 99, 100)
_SHARES = (0.05, 0.01, 0.0)


@registry.checks.register("truncation")
@dataclasses.dataclass(frozen=True)
class Truncation(Check):
    """Lengths in tokens, special tokens included, and what `model.max_length` cuts off or divides into windows.

    Args:
        share: float. The share of longer texts from which on they are worth a warning. Defaults to 0.05.
    """

    place: ClassVar[int] = 2
    ids: ClassVar[Sequence[str]] = ("truncation",)

    share: float = 0.05

    def __call__(self, corpus: Corpus) -> Section:
        windows = corpus.task.row_options.truncate == "windows"
        kept = _windows if windows else _cut
        tables = {
            "Tokens of a text (percentiles)": [_percentiles(name, part) for name, part in corpus.parts.items()],
            f"At max_length {corpus.max_length}": [kept(name, part, corpus) for name, part in corpus.parts.items()],
            "Other values of max_length": _others(corpus),
        }
        lengths = {name: part.lengths for name, part in corpus.parts.items()}
        picture = functools.partial(
            pictures.histogram, lengths, "tokens", line=(corpus.max_length, f"max_length {corpus.max_length}")
        )
        findings = [] if windows else self._findings(corpus)
        return Section("Lengths", tables, findings, pictures={"Tokens of a text": picture})

    def _findings(self, corpus: Corpus) -> list[Finding]:
        part = next(iter(corpus.parts.values()))
        share = float(np.mean(part.lengths > corpus.max_length))
        if not share:
            return []
        text = f"{percent(share)} of the texts of {next(iter(corpus.parts))} are longer than {corpus.max_length} tokens"
        severity, lost = ("warning" if share >= self.share else "note"), _lost(part, corpus.max_length)
        advice = _advice(part, corpus)
        return [Finding(severity, self.ids, f"{text}; {percent(lost)} of all tokens are cut off.", advice)]  # type: ignore[arg-type]


def _advice(part: Part, corpus: Corpus) -> str:
    lengths = {"99 %": _covering(part.lengths, 0.01), "all": _covering(part.lengths, 0.0)}
    for share, length in lengths.items():
        if corpus.max_length < length <= corpus.limit:
            return f"model.max_length={length} holds {share} of them whole."
    longest = f"This checkpoint takes no more than {corpus.limit} tokens"
    return f"{longest}: choose what is kept (task.truncate), or read all of it with task.truncate=windows."


def _percentiles(name: str, part: Part) -> Record:
    found = np.percentile(part.lengths, _PERCENTILES, method="inverted_cdf").tolist()
    columns = {f"{percent} %": int(value) for percent, value in zip(_PERCENTILES, found, strict=True)}
    return {"split": name, "texts": len(part.lengths), **columns, "mean": float(part.lengths.mean())}


def _cut(name: str, part: Part, corpus: Corpus) -> Record:
    longer = part.lengths > corpus.max_length
    return {
        "split": name,
        "truncated": int(longer.sum()),
        "truncated_share": float(longer.mean()),
        "share_of_tokens_lost": _lost(part, corpus.max_length),
    }


def _windows(name: str, part: Part, corpus: Corpus) -> Record:
    longer = part.lengths > corpus.max_length
    rows = len(part.row_lengths)
    return {
        "split": name,
        "in_windows": int(longer.sum()),
        "share_in_windows": float(longer.mean()),
        "rows": rows,
        "rows_a_text": rows / len(longer),
    }


def _lost(part: Part, max_length: int) -> float:
    return float(1 - np.minimum(part.lengths, max_length).sum() / part.lengths.sum())


def _covering(lengths: np.ndarray, share: float) -> int:
    """Returns the least multiple of 8 that at most that share of the texts is longer than."""
    value = np.quantile(lengths, 1 - share, method="inverted_cdf")
    return math.ceil(int(value) / 8) * 8


def _others(corpus: Corpus) -> list[Record]:
    """Returns what the lengths that would hold nearly all texts of the first split are worth."""
    part = next(iter(corpus.parts.values()))
    wanted = [min(_covering(part.lengths, share), corpus.limit) for share in _SHARES]
    return [
        {
            "max_length": length,
            "longer_share": float(np.mean(part.lengths > length)),
            "share_of_tokens_beyond": _lost(part, length),
        }
        for length in sorted({*wanted, corpus.max_length})
    ]

"""Texts that are nearly the same as others."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tftransfer import registry
from tftransfer.errors import ConfigError
from tftransfer.inspection import minhash
from tftransfer.inspection.check import Check, Finding, Record, Section, counted, percent
from tftransfer.inspection.corpus import Corpus

__all__ = ["NearDuplicates"]

Pair = tuple[int, int, float]


@registry.checks.register("near_duplicates")
@dataclasses.dataclass(frozen=True)
class NearDuplicates(Check):
    """Pairs of different texts that share most runs of a few characters, found by MinHash.

    How alike two texts are is the Jaccard similarity of the sets of their runs; where a row has several texts, that of
    the least alike ones. Texts are compared normalized, and each text once, however often it comes.

    Args:
        threshold: float in (0, 1]. From which similarity on texts are nearly the same. Defaults to 0.8.
        characters: int. Of a run. Defaults to 5.
        rows: int. Of more different texts than so many, those drawn at random. Defaults to 200000.
        pairs: int. Of more candidates than so many, the likeliest are compared. Defaults to 200000.
        listed: int. Examples that are listed. Defaults to 10.
    """

    place: ClassVar[int] = 5
    ids: ClassVar[Sequence[str]] = ("near_duplicates", "duplicates")

    threshold: float = 0.8
    characters: int = 5
    rows: int = 200_000
    pairs: int = 200_000
    listed: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold: expected a number in (0, 1]; received {self.threshold}.")
        for name in ("characters", "rows", "pairs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected a number > 0; received {getattr(self, name)}.")

    def __call__(self, corpus: Corpus) -> Section:
        chosen, notes = self._chosen(corpus)
        alike, more = self._alike(corpus, chosen)
        findings: list[Finding] = []
        tables = {
            "Rows with a near duplicate": self._counts(corpus, alike, findings),
            "Nearly the same": self._examples(corpus, alike),
        }
        return Section("Near duplicates", tables, findings, notes + more)

    def _chosen(self, corpus: Corpus) -> tuple[np.ndarray, list[str]]:
        """Returns the first row of each different text, or a sample of them, in their order."""
        _, first = np.unique(corpus.keys, return_index=True)
        if len(first) <= self.rows:
            return np.sort(first), []
        note = f"Of {len(first):,} different texts {self.rows:,} were drawn at random (near_duplicates.rows)."
        return np.sort(np.random.default_rng(0).choice(first, self.rows, replace=False)), [note]

    def _alike(self, corpus: Corpus, chosen: np.ndarray) -> tuple[list[Pair], list[str]]:
        """Returns the pairs that are as alike as wanted, and what is to be said of how they were found."""
        wanted = set(chosen.tolist())
        texts = [row for number, row in enumerate(corpus.texts()) if number in wanted]
        signatures = minhash.signatures(("\0".join(row) for row in texts), self.characters)
        candidates, estimates = minhash.candidates(signatures, self.threshold)
        notes = []
        if len(candidates) > self.pairs:
            notes = [f"Of {len(candidates):,} likely pairs the {self.pairs:,} likeliest were compared."]
            candidates = candidates[np.argsort(-estimates, kind="stable")[: self.pairs]]
        found = []
        for one, other in candidates.tolist():
            score = self._similarity(texts[one], texts[other])
            if score >= self.threshold:
                found.append((int(chosen[one]), int(chosen[other]), score))
        return found, notes

    def _similarity(self, texts: Sequence[str], others: Sequence[str]) -> float:
        """Returns how alike the least alike texts of two rows are, or less than the threshold where some pair is."""
        least = 1.0
        for first, second in zip(texts, others, strict=True):
            least = min(least, minhash.similarity(first, second, self.characters))
            if least < self.threshold:  # the contexts of questions are long, and shared by many
                break
        return least

    def _counts(self, corpus: Corpus, alike: Sequence[Pair], findings: list[Finding]) -> list[Record]:
        names = list(corpus.parts)
        rows: dict[tuple[int, int], set[int]] = {pair: set() for pair in _pairs_of(len(names))}
        for one, other, _ in alike:
            a, b = int(corpus.splits[one]), int(corpus.splits[other])  # a <= b: the rows are in their order
            rows[b, a] |= {one, other} if a == b else {other}
        records: list[Record] = []
        for (b, a), found in rows.items():
            first, second = names[a], names[b]
            share = len(found) / len(corpus.parts[second])
            records.append({"rows_of": second, "nearly_in": first, "rows": len(found), "share": share})
            if found:
                rows_of = f"{counted(len(found), 'row')} of {second} ({percent(share)})"
                text = f"{rows_of} nearly the same as another one of {first}."
                advice = "Look at the examples: templates and corrected copies make scores too good."
                severity = "warning" if a != b else "note"
                findings.append(Finding(severity, self.ids, text, advice))  # type: ignore[arg-type]
        return records

    def _examples(self, corpus: Corpus, alike: Sequence[Pair]) -> list[Record]:
        """Returns pairs across splits first, the most alike first."""
        ranked = sorted(alike, key=lambda pair: (corpus.splits[pair[0]] == corpus.splits[pair[1]], -pair[2]))
        return [
            {
                "similarity": round(score, 3),
                "text": corpus.shown(one),
                "other_text": corpus.shown(other),
                "where": f"{corpus.where(one)}, {corpus.where(other)}",
            }
            for one, other, score in ranked[: self.listed]
        ]


def _pairs_of(splits: int) -> list[tuple[int, int]]:
    return [(n, n) for n in range(splits)] + [(b, a) for a, b in itertools.combinations(range(splits), 2)]

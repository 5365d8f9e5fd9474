"""How much of the computation padding will be."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import ClassVar

from tftransfer import registry
from tftransfer.config import Training
from tftransfer.inspection import pictures
from tftransfer.inspection.check import Check, Finding, Section
from tftransfer.inspection.corpus import Corpus
from tftransfer.inspection.expected_padding import expected_padding

__all__ = ["Padding"]


@registry.checks.register("padding")
@dataclasses.dataclass(frozen=True)
class Padding(Check):
    """The expected share of computed positions that are padding, with three ways to form batches.

    Args:
        share: float. The share from which on it is worth a note. Defaults to 0.25.
    """

    place: ClassVar[int] = 3
    ids: ClassVar[Sequence[str]] = ("padding",)

    share: float = 0.25

    def __call__(self, corpus: Corpus) -> Section:
        name, part = next(iter(corpus.parts.items()))
        training = corpus.experiment.training
        size = training.batch_size
        shares = expected_padding(
            part.row_lengths.reshape(-1, part.per_example),
            size,
            max_length=corpus.max_length,
            seed=training.seed,
            tokens=training.batch_tokens,
        )
        tokens = int(part.row_lengths.sum())
        records = [
            {"batching": way, "padding_share": share, "positions_an_epoch": round(tokens / (1 - share))}
            for way, share in shares.items()
        ]
        picture = functools.partial(pictures.bars, list(shares), {"padding": list(shares.values())}, "share")
        return Section(
            "Padding",
            {f"Batches of {_size(training)} of {name}": records},
            self._findings(shares, training.batching),
            ["Simulated with the first epoch of the seed; a padded row is as long as the longest of its batch."],
            {"Share of computed positions that are padding": picture},
        )

    def _findings(self, shares: dict[str, float], batching: str) -> list[Finding]:
        own = "packed" if batching == "auto" else batching
        if shares[own] < self.share:
            return []
        text = f"{shares[own]:.0%} of what a step computes is padding."
        ways = ", ".join(f"{way} {share:.0%}" for way, share in shares.items() if way != own)
        return [Finding("note", self.ids, text, f"Other ways of training.batching have: {ways}.")]


def _size(training: Training) -> str:
    return f"{training.batch_tokens:,} tokens" if training.batch_tokens else f"{training.batch_size}"

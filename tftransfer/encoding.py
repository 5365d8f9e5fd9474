"""The splits of an experiment as tokens: made once, kept for the next run, and described to a person."""

from collections.abc import Mapping

import numpy as np

from tftransfer.arrow_store import ArrowStore
from tftransfer.data.examples import Examples
from tftransfer.data.pipeline import EncodedExamples
from tftransfer.evaluation.tables import table
from tftransfer.model import TransferModel
from tftransfer.splits import Splits
from tftransfer.training.progress import counting, note

__all__ = ["describe", "encode"]


def encode(
    model: TransferModel, examples: Examples, store: ArrowStore, name: str, *, training: bool = False
) -> EncodedExamples:
    """Returns examples as numbers, and shows how far that is if it takes long.

    Args:
        model: TransferModel.
        examples: Examples.
        store: ArrowStore. Where the tokens are kept.
        name: str. What a person calls the examples.
        training: bool. See `TransferModel.encode`. Defaults to False.
    """
    with counting(f"tokenizing {name}") as count:
        return model.encode(examples, training=training, cache=store, progress=count)


def describe(splits: Splits, encoded: Mapping[str, EncodedExamples]) -> None:
    """Tells a person how many examples and rows of tokens there are, how long they are, and what is left out."""
    rows = []
    for name, part in splits.examples.items():
        found = encoded[name].tokens
        tokens, cut = np.diff(found.offsets), float(np.mean(found.truncated))
        rows.append(
            [name, f"{len(part):,}", f"{len(tokens):,}", f"{tokens.mean():.0f}", f"{tokens.max()}", f"{cut:.1%}"]
        )
    note(table(["data", "examples", "rows", "mean tokens", "longest", "truncated"], rows))
    if splits.bad_rows:
        note(f"{len(splits.bad_rows)} bad rows were skipped")

"""Toy data, and a checkpoint without dropout, so that two runs can be compared number by number."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tftransfer import Examples

STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture(scope="session")
def still_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    """The tiny checkpoint without dropout."""
    return make_checkpoint(STILL)


@pytest.fixture(scope="session")
def shallow_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    """One layer without dropout: half the time goes into tracing layers."""
    return make_checkpoint(STILL | {"num_hidden_layers": 1})


@pytest.fixture(scope="session")
def dropping_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    """One layer, with dropout."""
    return make_checkpoint({"num_hidden_layers": 1})


@pytest.fixture(scope="session")
def toy() -> Callable[..., Examples]:
    """Makes labelled texts: most words of a text tell its label, some are in all of them; a third is negative."""

    def make(rows: int, seed: int = 0) -> Examples:
        rng = np.random.default_rng(seed)
        own = {"negative": ["bad", "broken", "damaged", "lost", "wrong"], "positive": ["good", "great", "love", "new"]}
        labels = rng.permutation(["negative"] * (rows // 3) + ["positive"] * (rows - rows // 3)).tolist()
        texts = []
        for label in labels:
            words = [
                *rng.choice(own[label], rng.integers(2, 6)),
                *rng.choice(["the", "lamp", "is"], rng.integers(0, 6)),
            ]
            texts.append(" ".join(words))
        return Examples({"text": texts, "label": labels}, "toy.tsv", np.arange(rows) + 2)

    return make

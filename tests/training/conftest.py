"""Toy data, and a checkpoint without dropout, so that two runs can be compared number by number."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tftransfer import Examples


@pytest.fixture(scope="session")
def still_checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with every dropout rate 0."""
    directory = tmp_path_factory.mktemp("checkpoint") / "still"
    shutil.copytree(tiny_checkpoint, directory)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def toy(tiny_checkpoint: Path) -> Callable[..., Examples]:
    """Makes labelled texts: the words of a text tell its label, and some words are in all of them."""
    tokens = (tiny_checkpoint / "vocab.txt").read_text(encoding="utf-8").split("\n")
    words = np.array([token for token in tokens if token.isalpha() and token.isascii()])

    def make(rows: int, seed: int = 0) -> Examples:
        rng = np.random.default_rng(seed)
        own = {"negative": words[:5], "positive": words[5:10]}
        labels = [str(label) for label in rng.permutation(["negative"] * (rows // 3) + ["positive"] * (rows - rows // 3))]
        texts = [
            " ".join([*rng.choice(own[label], rng.integers(2, 6)), *rng.choice(words[10:14], rng.integers(0, 6))])
            for label in labels
        ]
        return Examples({"text": texts, "label": labels}, "toy.tsv", np.arange(rows) + 2)

    return make

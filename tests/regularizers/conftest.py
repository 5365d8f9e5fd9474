"""A toy task with and without dropout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tftransfer
from tftransfer import Examples
from tftransfer.model import TransferModel

ROWS = Examples(
    {"text": ["good lamp", "bad box", "great", "wrong and late"] * 2, "label": ["yes", "no"] * 4},
    "toy.tsv",
    np.arange(8),
)


@pytest.fixture(scope="session")
def rows() -> Examples:
    return ROWS


@pytest.fixture(scope="session")
def dropping(make_checkpoint: Callable[..., Path]) -> Path:
    """One layer, with dropout."""
    return make_checkpoint({"num_hidden_layers": 1})


@pytest.fixture(scope="session")
def still(make_checkpoint: Callable[..., Path]) -> Path:
    """One layer, without dropout."""
    config = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_hidden_layers": 1}
    return make_checkpoint(config)


@pytest.fixture(scope="session")
def build() -> Callable[..., TransferModel]:
    """Makes a model from a checkpoint; the same one each time."""

    def build(checkpoint: Path, **options: Any) -> TransferModel:
        keras.utils.set_random_seed(1)
        task = tftransfer.tasks.SequenceClassification(labels=["no", "yes"])
        return tftransfer.build(str(checkpoint), task, **options)

    return build

"""MiniLM, the real checkpoint that the quickstart extra installs."""

import pytest

from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def minilm_checkpoint() -> Checkpoint:
    return Checkpoint.find(MINILM)


@pytest.fixture(scope="session")
def minilm(minilm_checkpoint: Checkpoint) -> Backbone:
    return Backbone.from_checkpoint(minilm_checkpoint)

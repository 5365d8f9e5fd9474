"""MiniLM gives the numbers that PyTorch gave when make_goldens.py ran; needs no PyTorch."""

import json
from pathlib import Path

import numpy as np

from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint

GOLDEN = json.loads((Path(__file__).parent / "goldens" / "bert.json").read_text(encoding="utf-8"))


def test_five_numbers_of_minilm(minilm_checkpoint: Checkpoint, minilm: Backbone) -> None:
    assert (minilm_checkpoint.name, minilm_checkpoint.revision) == (GOLDEN["name"], GOLDEN["revision"])
    ids = np.array([GOLDEN["input_ids"] + [0, 0]], "int32")
    mask = np.array([[1] * (ids.shape[1] - 2) + [0, 0]], "int32")
    outputs = minilm({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})
    states = np.asarray(outputs["last_hidden_state"])[0]
    found = [states[token, unit] for token, unit in GOLDEN["places"]]
    assert np.abs(GOLDEN["last_hidden_state"]).max() > 0.1
    np.testing.assert_allclose(found, GOLDEN["last_hidden_state"], rtol=0, atol=1e-5)

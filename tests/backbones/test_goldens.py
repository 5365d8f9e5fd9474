"""The numbers that PyTorch gave when make_goldens.py ran; needs no PyTorch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity import batch, types_of
from tiny import write_checkpoint

from tftransfer import registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint


def golden(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "goldens" / f"{name}.json").read_text(encoding="utf-8"))


def check(states: np.ndarray, name: str) -> None:
    expected = golden(name)
    found = [states[token, unit] for token, unit in expected["places"]]
    assert np.abs(expected["last_hidden_state"]).max() > 0.1
    np.testing.assert_allclose(found, expected["last_hidden_state"], rtol=0, atol=1e-5)


def test_five_numbers_of_minilm(minilm_checkpoint: Checkpoint, minilm: Backbone) -> None:
    expected = golden("minilm")
    assert (minilm_checkpoint.name, minilm_checkpoint.revision) == (expected["name"], expected["revision"])
    ids = np.array([expected["input_ids"] + [0, 0]], "int32")
    mask = np.array([[1] * (ids.shape[1] - 2) + [0, 0]], "int32")
    outputs = minilm({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})
    check(np.asarray(outputs["last_hidden_state"])[0], "minilm")


@pytest.mark.parametrize("name", registry.backbones.names())
def test_five_numbers_of_every_family(name: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, name)
    states = Backbone.from_pretrained(str(tmp_path))(batch(name, types=types_of(name)))["last_hidden_state"]
    check(np.asarray(states)[0], name)

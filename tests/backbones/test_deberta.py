"""What only DeBERTa has: buckets of distances, rows longer than the greatest distance, and its config's traps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from parity import DEBERTA_V3, batch, run, save, torch
from safetensors.numpy import load_file, save_file

from tftransfer import registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.layers.disentangled import _buckets
from tftransfer.backbones.transformer import Disentangled
from tftransfer.errors import CheckpointError

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the reference")
FAMILY = registry.backbones.get("deberta-v2")()
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@needs_torch
@pytest.mark.parametrize("longest", [4, 5, 7, 8, 9, 12, 24, 40, 128, 512, 1024])
def test_buckets_are_pytorchs(longest: int) -> None:
    from transformers.models.deberta_v2 import modeling_deberta_v2 as reference

    for buckets in (n for n in (2, 4, 6, 10, 32, 256) if n < 2 * longest - 2):
        theirs = reference.make_log_bucket_position(torch.arange(4 * longest), buckets, longest).numpy()
        ours = _buckets(Disentangled(longest, buckets))
        np.testing.assert_array_equal(ours, theirs[: longest + 1])
        # What is further away has the same row, once it is cut at the ends of the table.
        np.testing.assert_array_equal(np.minimum(theirs[longest:], buckets), min(ours[longest], buckets))


def rows(length: int) -> dict[str, np.ndarray]:
    if length > 2:
        return batch("deberta-v2", types=1, length=length)
    ids = np.arange(10, 10 + 3 * length, dtype="int32").reshape(3, length)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


@needs_torch
@pytest.mark.parametrize(
    "keys", [{}, {"position_buckets": -1}, {"conv_kernel_size": 3}], ids=["buckets", "a row a distance", "convolution"]
)
def test_any_length_in_any_graph(keys: dict[str, Any], tmp_path: Path) -> None:
    reference = save(tmp_path, "deberta-v2", max_relative_positions=16, **keys)
    backbone = Backbone.from_pretrained(str(tmp_path))
    signature = [{name: tf.TensorSpec((None, None), tf.int32) for name in INPUTS}]
    ways = {
        "eager": backbone,
        "graph": tf.function(lambda inputs: backbone(inputs), input_signature=signature),
        "XLA": tf.function(lambda inputs: backbone(inputs), input_signature=signature, jit_compile=True),
    }
    for length in (1, 2, 16, 17, 40, 70):
        inputs = rows(length)
        real, expected = inputs["attention_mask"] > 0, run(reference, inputs).last_hidden_state.numpy()
        tolerance = 1e-5 * np.abs(expected[real]).max()
        for title, function in ways.items():
            if title == "XLA" and length not in (1, 40):  # compiled anew for each
                continue
            states = np.asarray(function({name: tf.constant(inputs[name]) for name in INPUTS})["last_hidden_state"])
            np.testing.assert_allclose(
                states[real], expected[real], rtol=0, atol=tolerance, err_msg=f"{title}, {length} tokens"
            )


@needs_torch
def test_what_no_task_uses_is_left_out(tmp_path: Path) -> None:
    save(tmp_path, "deberta-v2", "masked_lm")
    tensors = load_file(tmp_path / "model.safetensors")
    extra = ["deberta.embeddings.position_embeddings.weight", "mask_predictions.dense.weight"]
    extra += ["lm_predictions.lm_head.bias", "deberta.embeddings.position_ids"]
    save_file({**tensors, **{name: np.zeros(3, "float32") for name in extra}}, tmp_path / "model.safetensors")
    report = Backbone.from_pretrained(str(tmp_path)).load_report
    assert report is not None
    assert {name.removeprefix("deberta.") for name in extra} < set(report.left_out)
    save_file({**tensors, "deberta.encoder.layer.9.other": np.zeros(3, "float32")}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"encoder\.layer\.9\.other"):
        Backbone.from_pretrained(str(tmp_path))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"relative_attention": False}, "pos_att_type is .* but relative_attention is false"),
        ({"relative_attention": "yes"}, "relative_attention is 'yes'"),
        ({"pos_att_type": "p2p|c2p"}, "'c2p' and 'p2c'; received 'p2p|c2p'"),
        ({"position_buckets": 7}, "even number of position_buckets below 1022"),
        ({"position_buckets": 30, "max_relative_positions": 16}, "below 30 .* up to 16, .* received 30"),
        ({"position_buckets": "256"}, "position_buckets to be a whole number; received '256'"),
        ({"norm_rel_ebd": "batch_norm"}, "norm_rel_ebd is 'batch_norm'"),
        ({"share_att_key": "no"}, "share_att_key is 'no'"),
        ({"conv_kernel_size": 4}, "odd conv_kernel_size"),
        ({"conv_kernel_size": 3, "conv_groups": 2}, "conv_groups is 2"),
        ({"embedding_size": 128}, "embedding_size is 128, but only 1536"),
        ({"pooler_hidden_size": 128}, "pooler_hidden_size is 128, but only 1536"),
        ({"attention_head_size": 32}, "attention_head_size is 32, but only 64"),
        ({"legacy": "no"}, "legacy is 'no'"),
    ],
)
def test_what_would_give_other_numbers_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        FAMILY.config({**DEBERTA_V3, **keys})


def test_the_config_of_deberta_v3() -> None:
    raw = {"hidden_size": 768, "num_attention_heads": 12, "pooler_hidden_size": 768, "type_vocab_size": 0}
    raw |= {"max_relative_positions": -1, "max_position_embeddings": 512, "position_buckets": 256}
    config = FAMILY.config({**DEBERTA_V3, **raw, "pos_att_type": "p2c|c2p"})
    assert config.disentangled == Disentangled(512, 256, True, True, shared_projections=True, normalized=True)
    assert (config.convolution, config.learned_positions, config.classifier_dropout) == (None, False, 0.1)
    assert FAMILY.config({"cls_dropout": 0.25}).classifier_dropout == 0.25
    assert FAMILY.heads["token_classification"].dropout == "hidden_dropout"  # which does not read cls_dropout

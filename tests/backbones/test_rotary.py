"""Rotary positions: long rows, the table in RoFormer's files, and Nomic's own configs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity import batch, run, save, torch
from safetensors.numpy import load_file, save_file

from tftransfer import registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.errors import CheckpointError

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the reference")
TABLE = "encoder.embed_positions.weight"


def check(reference: Any, directory: Path, inputs: dict[str, np.ndarray]) -> None:
    states = np.asarray(Backbone.from_pretrained(str(directory))(inputs)["last_hidden_state"])
    expected, real = run(reference, inputs).last_hidden_state.numpy(), inputs["attention_mask"] > 0
    np.testing.assert_allclose(states[real], expected[real], rtol=0, atol=1e-5 * np.abs(expected[real]).max())


@needs_torch
@pytest.mark.parametrize("name", ["roformer", "nomic_bert"])
def test_long_rows(name: str, tmp_path: Path) -> None:
    reference = save(tmp_path, name, "", {"max_positions": 1024, "hidden_size": 64, "num_heads": 1})
    check(reference, tmp_path, batch(name, length=1024))


@needs_torch
@pytest.mark.parametrize("name", ["roformer", "nomic_bert", "deberta-v2"])
def test_bfloat16_is_near_float32(name: str, tmp_path: Path) -> None:
    save(tmp_path, name)
    inputs = batch(name, types=1)
    real = inputs["attention_mask"] > 0
    exact = np.asarray(Backbone.from_pretrained(str(tmp_path))(inputs)["last_hidden_state"])[real]
    rounded = Backbone.from_pretrained(str(tmp_path), dtype="mixed_bfloat16")(inputs)["last_hidden_state"]
    assert rounded.dtype == "bfloat16"
    np.testing.assert_allclose(np.asarray(rounded, "float32")[real], exact, rtol=1e-2, atol=5e-2)


@needs_torch
def test_roformers_table_may_be_absent_but_not_another(tmp_path: Path) -> None:
    reference, path = save(tmp_path, "roformer"), tmp_path / "model.safetensors"
    tensors = load_file(path)
    table = tensors.pop(TABLE)
    for same in ({}, {TABLE: table.astype("float16")}):
        save_file({**tensors, **same}, path)
        check(reference, tmp_path, batch("roformer"))
    for other in (table[:-1], table[:, ::-1].copy(), table + np.float32(0.1)):
        save_file({**tensors, TABLE: other}, path)
        with pytest.raises(CheckpointError, match=f"{TABLE}: expected float32 .* that follow from config.json"):
            Backbone.from_pretrained(str(tmp_path))


def nomics_own(raw: dict[str, Any]) -> dict[str, Any]:
    """Returns a config in the keys of the files of nomic-ai."""
    return {
        "model_type": "nomic_bert",
        "vocab_size": raw["vocab_size"],
        "type_vocab_size": raw["type_vocab_size"],
        "n_embd": raw["hidden_size"],
        "n_layer": raw["num_hidden_layers"],
        "n_head": raw["num_attention_heads"],
        "n_inner": raw["intermediate_size"],
        "n_positions": 8192,
        "max_trained_positions": raw["max_position_embeddings"],
        "activation_function": "swiglu",
        "layer_norm_epsilon": raw["layer_norm_eps"],
        "rotary_emb_base": int(raw["rope_parameters"]["rope_theta"]),
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": 2,
        **dict.fromkeys(("qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias", "prenorm", "use_rms_norm", "causal"), False),
        **dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0),
    }


@needs_torch
def test_nomics_own_config(tmp_path: Path) -> None:
    rope = {"rope_type": "default", "rope_theta": 500.0}
    reference, path = save(tmp_path, "nomic_bert", rope_parameters=rope, layer_norm_eps=1e-3), tmp_path / "config.json"
    expected = Backbone.from_pretrained(str(tmp_path)).config.to_dict()
    path.write_text(json.dumps(nomics_own(json.loads(path.read_text()))))
    config = Backbone.from_pretrained(str(tmp_path)).config.to_dict()
    assert config == {**expected, "pad_token_id": 0}
    check(reference, tmp_path, batch("nomic_bert"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, "rope_type 'default'; received 'linear'"),
        ({"rope_parameters": {"rope_theta": "1000"}}, "rotary"),
        ({"head_dim": 32}, "head_dim is 32, but only 64 .* head size"),
        ({"qkv_proj_bias": True}, "qkv_proj_bias is True"),
        ({"num_experts": 8}, "num_experts is 8"),
        ({"rotary_emb_scale_base": 512}, "rotary_emb_scale_base is 512, but only None"),
    ],
)
def test_nomic_configs_that_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        registry.backbones.get("nomic_bert")().config(keys)

"""ModernBERT (Warner et al., 2024, https://arxiv.org/abs/2412.13663)."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.family import Family, Head, Known
from tftransfer.errors import CheckpointError

_HIDDEN = {"hidden": "head.dense", "norm": "head.norm"}


@registry.backbones.register("modernbert")
class ModernBert(Family):
    """Pre-norm encoder with rotary positions, gated feed-forward blocks, and windows in most of its layers.

    It was pretrained without dropout. Where a config asks for it, `mlp_dropout` is the rate of embeddings and of both
    blocks' outputs, while transformers drops in the middle of the feed-forward block.
    """

    architecture = "ModernBert"
    prefix = "model."
    fields = {
        "vocab_size": ("vocab_size", 50368),
        "hidden_size": ("hidden_size", 768),
        "num_hidden_layers": ("num_layers", 22),
        "num_attention_heads": ("num_heads", 12),
        "intermediate_size": ("intermediate_size", 1152),
        "hidden_activation": ("activation", "gelu"),
        "norm_eps": ("layer_norm_epsilon", 1e-5),
        "norm_bias": ("norm_bias", False),
        "max_position_embeddings": ("max_positions", 8192),
        "mlp_dropout": ("hidden_dropout", 0.0),
        "attention_dropout": ("attention_dropout", 0.0),
        "classifier_dropout": ("classifier_dropout", 0.0),
        "initializer_range": ("initializer_range", 0.02),
        "pad_token_id": ("pad_token_id", 50283),
        "attention_bias": ("attention_bias", False),
        "mlp_bias": ("feed_forward_bias", False),
    }
    fixed = {"decoder_bias": (True,), "classifier_pooling": ("cls", "mean")}
    modules = (
        (r"embeddings/word_embeddings", r"embeddings.tok_embeddings"),
        (r"embeddings/layer_norm", r"embeddings.norm"),
        (r"encoder/layer_(\d+)/attention_norm", r"layers.\1.attn_norm"),
        (r"encoder/layer_(\d+)/attention/query", r"layers.\1.attn.Wqkv|0/3"),
        (r"encoder/layer_(\d+)/attention/key", r"layers.\1.attn.Wqkv|1/3"),
        (r"encoder/layer_(\d+)/attention/value", r"layers.\1.attn.Wqkv|2/3"),
        (r"encoder/layer_(\d+)/attention/output", r"layers.\1.attn.Wo"),
        (r"encoder/layer_(\d+)/output_norm", r"layers.\1.mlp_norm"),
        (r"encoder/layer_(\d+)/gate", r"layers.\1.mlp.Wi|0/2"),
        (r"encoder/layer_(\d+)/intermediate", r"layers.\1.mlp.Wi|1/2"),
        (r"encoder/layer_(\d+)/output", r"layers.\1.mlp.Wo"),
        (r"encoder/final_norm", r"final_norm"),
    )
    heads = {
        "sequence_classification": Head({**_HIDDEN, "logits": "classifier"}, norm=True),
        "token_classification": Head({**_HIDDEN, "logits": "classifier"}, norm=True),
        "question_answering": Head({**_HIDDEN, "logits": "classifier"}, norm=True),
        "masked_lm": Head({**_HIDDEN, "": "decoder", "decoder": "decoder"}, norm=True),
    }

    tokenizer = "byte-level BPE"
    checkpoints = (
        Known("answerdotai/ModernBERT-base", 149, "English", "Apache-2.0"),
        Known("answerdotai/ModernBERT-large", 395, "English", "Apache-2.0"),
    )

    def head(self, kind: str, raw: Mapping[str, Any]) -> Head | None:
        head, bias = super().head(kind, raw), raw.get("classifier_bias", False)
        pooling, activation = raw.get("classifier_pooling", "cls"), raw.get("classifier_activation", "gelu")
        return head and dataclasses.replace(head, pooling=pooling, activation=activation, hidden_bias=bias)

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type_vocab_size": 0,
            "learned_positions": False,
            "norm": "pre",
            "gated": True,
            "attention_output_bias": raw.get("attention_bias", False),
            "windows": _windows(raw),
            "rotary": _rotary(raw),
        }


def _windows(raw: Mapping[str, Any]) -> tuple[int, ...]:
    """Returns how far each layer looks to either side; 0 is everywhere."""
    width, every = raw.get("local_attention", 128), raw.get("global_attn_every_n_layers", 3)
    layers = range(raw.get("num_hidden_layers", 22))
    types = raw.get("layer_types") or ["sliding_attention" if n % every else "full_attention" for n in layers]
    windows = {"sliding_attention": width // 2, "full_attention": 0}
    if len(types) != len(layers) or not set(types) <= set(windows) or width < 2:
        raise CheckpointError(
            f"config.json: expected layer_types to be {' or '.join(windows)} for each of the {len(layers)} layers, and "
            f"local_attention to be at least 2; received {types!r} and {width!r}."
        )
    return tuple(windows[kind] for kind in types)


def _rotary(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the bases of the wavelengths, in the new spelling or in the old one."""
    if raw.get("rope_scaling"):
        raise CheckpointError(f"config.json: expected no rope_scaling; received {raw['rope_scaling']!r}.")
    given = raw.get("rope_parameters") or {}
    rope = {kind: given.get(kind) or {} for kind in ("full_attention", "sliding_attention")}
    for kind, parameters in rope.items():
        if parameters.get("rope_type", "default") != "default":
            found = parameters["rope_type"]
            raise CheckpointError(f"config.json: rope_type of {kind} is {found!r}, but only 'default' is implemented.")
    # In the old spelling, null is "as in the other layers".
    theta = rope["full_attention"].get("rope_theta", raw.get("global_rope_theta", 160_000.0))
    local_theta = rope["sliding_attention"].get("rope_theta", raw.get("local_rope_theta", 10_000.0))
    return {"theta": theta, "local_theta": local_theta}

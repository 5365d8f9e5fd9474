"""DeBERTa v2 (He et al., 2021, https://arxiv.org/abs/2006.03654) and v3 (https://arxiv.org/abs/2111.09543)."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.families.bert import Bert
from tftransfer.backbones.family import Family, Head, Known
from tftransfer.errors import CheckpointError

_LM_HEAD = "lm_predictions.lm_head"


@registry.backbones.register("deberta-v2")
class DebertaV2(Family):
    """Post-norm encoder with attention between contents and relative positions."""

    architecture = "DebertaV2"
    prefix = "deberta."
    fields = {
        **{key: value for key, value in Bert.fields.items() if key != "classifier_dropout"},
        "vocab_size": ("vocab_size", 128100),
        "hidden_size": ("hidden_size", 1536),
        "num_hidden_layers": ("num_layers", 24),
        "num_attention_heads": ("num_heads", 24),
        "intermediate_size": ("intermediate_size", 6144),
        "layer_norm_eps": ("layer_norm_epsilon", 1e-7),
        "type_vocab_size": ("type_vocab_size", 0),
        "position_biased_input": ("learned_positions", True),
    }
    fixed = {
        "relative_attention": (False, True),
        "share_att_key": (False, True),
        "legacy": (False, True),
        "norm_rel_ebd": ("none", "layer_norm"),
        "conv_groups": (1,),
    }
    implied = {"embedding_size": "hidden_size", "pooler_hidden_size": "hidden_size", "attention_head_size": "head_size"}
    modules = (
        (r"encoder/layer_(\d+)/attention/(query|key|value)", r"encoder.layer.\1.attention.self.\2_proj"),
        (r"encoder/layer_(\d+)/attention/position_(query|key)", r"encoder.layer.\1.attention.self.pos_\2_proj"),
        (r"encoder/relative_positions", r"encoder.rel_embeddings"),
        (r"encoder/relative_positions/layer_norm", r"encoder.LayerNorm"),
        (r"encoder/convolution", r"encoder.conv.conv"),
        (r"encoder/convolution/layer_norm", r"encoder.conv.LayerNorm"),
        *((ours, theirs) for ours, theirs in Bert.modules if not ours.startswith("pooler")),
    )
    heads = {
        **Bert.heads,
        # "pooler" is the hidden layer of the classifier; the encoder has none.
        "sequence_classification": Head({"hidden": "pooler.dense", "logits": "classifier"}, activation="gelu"),
        "token_classification": Head({"logits": "classifier"}, dropout="hidden_dropout"),
    }
    # The heads of pre-training; and v3's files hold a position table that the model does not use.
    unused = (r"(cls|lm_predictions|mask_predictions)\.", r"embeddings\.position_(ids|embeddings)")
    tokenizer = "Unigram"
    checkpoints = (
        Known("microsoft/deberta-v3-xsmall", 70.7, "English", "MIT"),
        Known("microsoft/deberta-v3-small", 141.3, "English", "MIT"),
        Known("microsoft/deberta-v3-base", 183.8, "English", "MIT"),
        Known("microsoft/mdeberta-v3-base", 278.2, "100 languages", "MIT"),
        Known("microsoft/deberta-v3-large", 434.0, "English", "MIT"),
        Known("microsoft/deberta-v2-xlarge", 884.6, "English", "MIT"),
    )

    def for_config(self, raw: Mapping[str, Any]) -> Family:
        if not raw.get("legacy", True):  # the head of the original code: the same numbers by other names
            names = {"hidden": f"{_LM_HEAD}.dense", "norm": f"{_LM_HEAD}.LayerNorm", "": _LM_HEAD}
            self.heads = {**self.heads, "masked_lm": dataclasses.replace(self.heads["masked_lm"], modules=names)}
        return self

    def head(self, kind: str, raw: Mapping[str, Any]) -> Head | None:
        head = super().head(kind, raw)
        if head and kind == "sequence_classification":
            return dataclasses.replace(head, activation=raw.get("pooler_hidden_act", "gelu"))
        return head

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        kernel = _whole(raw, "conv_kernel_size", 0)
        if kernel > 0 and kernel % 2 == 0:
            raise CheckpointError(f"config.json: expected an odd conv_kernel_size, or 0 for none; received {kernel}.")
        convolution = (kernel, raw.get("conv_act", "tanh")) if kernel > 0 else None
        dropout = {} if raw.get("cls_dropout") is None else {"classifier_dropout": raw["cls_dropout"]}
        return {"disentangled": _disentangled(raw), "convolution": convolution, **dropout}


def _disentangled(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the options of `Disentangled`, None for attention between contents alone."""
    named = raw.get("pos_att_type") or []
    kinds = {str(kind).strip() for kind in (named.lower().split("|") if isinstance(named, str) else named)} - {""}
    if not kinds <= {"c2p", "p2c"}:
        raise CheckpointError(f"config.json: expected a pos_att_type of 'c2p' and 'p2c'; received {named!r}.")
    if not raw.get("relative_attention", False):
        if kinds:
            why = "scores would be scaled for positions that are not there. Drop one of the two."
            raise CheckpointError(f"config.json: pos_att_type is {named!r}, but relative_attention is false: {why}")
        return None
    buckets, longest = max(_whole(raw, "position_buckets", 0), 0), _whole(raw, "max_relative_positions", -1)
    longest = longest if longest > 0 else _whole(raw, "max_position_embeddings", 512)
    if buckets % 2 or buckets >= max(2 * longest - 2, 1):
        raise CheckpointError(
            f"config.json: expected an even number of position_buckets below {2 * longest - 2} for distances up to "
            f"{longest}, or -1 for none; received {buckets}."
        )
    return {
        "max_distance": longest,
        "buckets": buckets,
        "content_to_position": "c2p" in kinds,
        "position_to_content": "p2c" in kinds,
        "shared_projections": raw.get("share_att_key", False),
        "normalized": raw.get("norm_rel_ebd", "none") == "layer_norm",
    }


def _whole(raw: Mapping[str, Any], key: str, default: int) -> int:
    value = raw.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise CheckpointError(f"config.json: expected {key} to be a whole number; received {value!r}.")
    return default if value is None else value

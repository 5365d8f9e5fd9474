"""Longformer (Beltagy et al., 2020, https://arxiv.org/abs/2004.05150)."""

from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.families.roberta import Roberta
from tftransfer.backbones.family import Known
from tftransfer.errors import CheckpointError


@registry.backbones.register("longformer")
class Longformer(Roberta):
    """RoBERTa for long texts: a token sees a window, and chosen ones see everything."""

    architecture = "Longformer"
    prefix = "longformer."
    fields = {
        **{key: field for key, field in Roberta.fields.items() if key != "classifier_dropout"},
        "vocab_size": ("vocab_size", 30522),
        "sep_token_id": ("separator_token_id", 2),
    }
    modules = (
        (r"encoder/layer_(\d+)/attention/(\w+_global)", r"encoder.layer.\1.attention.self.\2"),
        *Roberta.modules,
    )

    context = 4096
    checkpoints = (Known("allenai/longformer-base-4096", 148.7, "English", "Apache-2.0"),)

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        window, layers = raw.get("attention_window", 512), raw.get("num_hidden_layers", 12)
        windows = window if isinstance(window, list) else [window] * layers
        if len(windows) != layers or any(type(w) is not int or w < 2 or w % 2 for w in windows):
            raise CheckpointError(
                f"config.json: expected attention_window to be an even number from 2, or one for each of the {layers} "
                f"layers; received {window!r}."
            )
        return {**super().extras(raw), "windows": tuple(w // 2 for w in windows), "global_attention": True}

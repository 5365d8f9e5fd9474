"""RoFormer (Su et al., 2021, https://arxiv.org/abs/2104.09864)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tftransfer import registry
from tftransfer.backbones.families.bert import Bert
from tftransfer.backbones.family import Family, Head


@registry.backbones.register("roformer")
class RoFormer(Family):
    """BERT with rotated queries and keys instead of a position table."""

    architecture = "RoFormer"
    prefix = "roformer."
    fields = {
        **{key: field for key, field in Bert.fields.items() if key != "classifier_dropout"},
        "vocab_size": ("vocab_size", 50000),
        "max_position_embeddings": ("max_positions", 1536),
        "embedding_size": ("embedding_size", 768),
    }
    fixed = Bert.fixed
    modules = ((r"embeddings/projection", r"embeddings_project"), *Bert.modules[:-1])
    heads = {
        **Bert.heads,
        "sequence_classification": Head(
            {"hidden": "classifier.dense", "logits": "classifier.out_proj"}, activation="encoder"
        ),
    }
    unused = (r"cls\.seq_relationship\.", r"embeddings\.position_ids$")

    def for_config(self, raw: Mapping[str, Any]) -> Family:
        config = self.config(raw)
        self.constants = {"encoder.embed_positions.weight": _sinusoids(config.max_positions, config.head_size)}
        return self

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        rotary = {"interleaved": True, "values": raw.get("rotary_value", False)}
        width = raw.get("embedding_size")
        return {
            "learned_positions": False,
            "rotary": rotary,
            "embedding_size": None if width == raw.get("hidden_size", self.fields["hidden_size"][1]) else width,
        }


def _sinusoids(rows: int, width: int) -> np.ndarray:
    """Returns sines and then cosines of the angles of each position, float32 `(rows, width)`."""
    angles = np.arange(rows)[:, None] / np.power(10_000, 2 * np.arange(width // 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype("float32")

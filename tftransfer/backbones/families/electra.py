"""ELECTRA (Clark et al., 2020, https://arxiv.org/abs/2003.10555): discriminators and generators."""

from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.families.bert import Bert
from tftransfer.backbones.family import Head, Known


@registry.backbones.register("electra")
class Electra(Bert):
    """BERT without a pooler, with embeddings that may be narrower than its layers."""

    architecture = "Electra"
    prefix = "electra."
    fields = {
        **Bert.fields,
        "embedding_size": ("embedding_size", 128),
        "hidden_size": ("hidden_size", 256),
        "num_attention_heads": ("num_heads", 4),
        "intermediate_size": ("intermediate_size", 1024),
    }
    modules = ((r"embeddings/projection", r"embeddings_project"), *Bert.modules[:-1])
    heads = {
        **Bert.heads,
        "sequence_classification": Head(
            {"hidden": "classifier.dense", "logits": "classifier.out_proj"}, activation="gelu"
        ),
        "masked_lm": Head(
            {
                "hidden": "generator_predictions.dense",
                "norm": "generator_predictions.LayerNorm",
                "": "generator_lm_head",
                "decoder": "generator_lm_head",
            },
            activation="gelu",
            norm=True,
        ),
    }
    unused = (r"discriminator_predictions\.", r"embeddings\.position_ids$")
    checkpoints = (
        Known("hfl/chinese-electra-180g-small-discriminator", 12.3, "Chinese", "Apache-2.0"),
        Known("google/electra-small-discriminator", 13.5, "English", "Apache-2.0"),
        Known("google/electra-base-discriminator", 108.9, "English", "Apache-2.0"),
    )

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        widths = [raw.get(key, self.fields[key][1]) for key in ("embedding_size", "hidden_size")]
        return {"embedding_size": None} if widths[0] == widths[1] else {}

"""MPNet (Song et al., 2020, https://arxiv.org/abs/2004.09297)."""

from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.families.roberta import Roberta
from tftransfer.backbones.family import Known
from tftransfer.backbones.transformer import RelativeBias


@registry.backbones.register("mpnet")
class MPNet(Roberta):
    """RoBERTa without token types, with a bias for distances in every layer."""

    architecture = "MPNet"
    prefix = "mpnet."
    fields = {
        **{k: v for k, v in Roberta.fields.items() if k not in ("type_vocab_size", "classifier_dropout")},
        "vocab_size": ("vocab_size", 30527),
    }
    # The reference sizes the table by the config, and fills 32 buckets whatever its size.
    fixed = {"chunk_size_feed_forward": (0,), "relative_attention_num_buckets": (32,)}
    modules = (
        (r"embeddings/layer_norm", r"embeddings.LayerNorm"),
        (r"embeddings/(\w+)", r"embeddings.\1"),
        (r"encoder/relative_bias", r"encoder.relative_attention_bias"),
        (r"encoder/layer_(\d+)/attention/(q|k|v|o)\w+", r"encoder.layer.\1.attention.attn.\2"),
        (r"encoder/layer_(\d+)/attention_norm", r"encoder.layer.\1.attention.LayerNorm"),
        (r"encoder/layer_(\d+)/intermediate", r"encoder.layer.\1.intermediate.dense"),
        (r"encoder/layer_(\d+)/output", r"encoder.layer.\1.output.dense"),
        (r"encoder/layer_(\d+)/output_norm", r"encoder.layer.\1.output.LayerNorm"),
        (r"pooler/dense", r"pooler.dense"),
    )
    unused = (r"embeddings\.position_ids$", r"pooler\.")
    tokenizer = "WordPiece"
    checkpoints = (Known("sentence-transformers/all-mpnet-base-v2", 109.5, "English", "Apache-2.0"),)

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        # Positions begin behind row 1 whatever the padding token is: the reference has it in the code.
        return {"type_vocab_size": 0, "position_offset": 2, "relative_bias": RelativeBias(32, 128)}

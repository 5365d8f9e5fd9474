"""DistilBERT (Sanh et al., 2019, https://arxiv.org/abs/1910.01108)."""

from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.family import Family, Head, Known


@registry.backbones.register("distilbert")
class DistilBert(Family):
    """BERT without token types and pooler, under names of its own.

    `sinusoidal_pos_embds` says only how the position table began: it is in the file, and is read, either way.
    """

    architecture = "DistilBert"
    prefix = "distilbert."
    fields = {
        "vocab_size": ("vocab_size", 30522),
        "dim": ("hidden_size", 768),
        "n_layers": ("num_layers", 6),
        "n_heads": ("num_heads", 12),
        "hidden_dim": ("intermediate_size", 3072),
        "activation": ("activation", "gelu"),
        "max_position_embeddings": ("max_positions", 512),
        "dropout": ("hidden_dropout", 0.1),
        "attention_dropout": ("attention_dropout", 0.1),
        "seq_classif_dropout": ("classifier_dropout", 0.2),
        "initializer_range": ("initializer_range", 0.02),
        "pad_token_id": ("pad_token_id", 0),
    }
    aliases = {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads"}
    fixed = {"chunk_size_feed_forward": (0,)}
    modules = (
        (r"embeddings/layer_norm", r"embeddings.LayerNorm"),
        (r"embeddings/(\w+)", r"embeddings.\1"),
        (r"encoder/layer_(\d+)/attention/(q|k|v)(uery|ey|alue)", r"transformer.layer.\1.attention.\2_lin"),
        (r"encoder/layer_(\d+)/attention/output", r"transformer.layer.\1.attention.out_lin"),
        (r"encoder/layer_(\d+)/attention_norm", r"transformer.layer.\1.sa_layer_norm"),
        (r"encoder/layer_(\d+)/intermediate", r"transformer.layer.\1.ffn.lin1"),
        (r"encoder/layer_(\d+)/output", r"transformer.layer.\1.ffn.lin2"),
        (r"encoder/layer_(\d+)/output_norm", r"transformer.layer.\1.output_layer_norm"),
    )
    heads = {
        "sequence_classification": Head({"hidden": "pre_classifier", "logits": "classifier"}, activation="relu"),
        "token_classification": Head({"logits": "classifier"}, dropout="hidden_dropout"),
        # Its rate is qa_dropout, whose default is that of dropout.
        "question_answering": Head({"logits": "qa_outputs"}, dropout="hidden_dropout"),
        "masked_lm": Head(
            {
                "hidden": "vocab_transform",
                "norm": "vocab_layer_norm",
                "": "vocab_projector",
                "decoder": "vocab_projector",
            },
            activation="encoder",
            norm=True,
        ),
    }
    unused = (r"embeddings\.position_ids$",)
    tokenizer = "WordPiece"
    checkpoints = (
        Known("distilbert/distilbert-base-cased", 65.2, "English", "Apache-2.0"),
        Known("distilbert/distilbert-base-uncased", 66.4, "English", "Apache-2.0"),
        Known("distilbert/distilbert-base-multilingual-cased", 134.7, "104 languages", "Apache-2.0"),
    )

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        # The reference has its epsilon in the code: a config.json has no say.
        return {"type_vocab_size": 0, "layer_norm_epsilon": 1e-12}

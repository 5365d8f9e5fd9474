"""ALBERT (Lan et al., 2020, https://arxiv.org/abs/1909.11942)."""

from tftransfer import registry
from tftransfer.backbones.families.bert import Bert
from tftransfer.backbones.family import Family, Head, Known


@registry.backbones.register("albert")
class Albert(Family):
    """BERT with narrow embeddings and layers that share their weights."""

    architecture = "Albert"
    prefix = "albert."
    fields = {
        "vocab_size": ("vocab_size", 30000),
        "embedding_size": ("embedding_size", 128),
        "hidden_size": ("hidden_size", 4096),
        "num_hidden_layers": ("num_layers", 12),
        "num_hidden_groups": ("num_groups", 1),
        "num_attention_heads": ("num_heads", 64),
        "intermediate_size": ("intermediate_size", 16384),
        "hidden_act": ("activation", "gelu_new"),
        "layer_norm_eps": ("layer_norm_epsilon", 1e-12),
        "max_position_embeddings": ("max_positions", 512),
        "type_vocab_size": ("type_vocab_size", 2),
        "hidden_dropout_prob": ("hidden_dropout", 0.0),
        "attention_probs_dropout_prob": ("attention_dropout", 0.0),
        "classifier_dropout_prob": ("classifier_dropout", 0.1),
        "initializer_range": ("initializer_range", 0.02),
        "pad_token_id": ("pad_token_id", 0),
    }
    # No public checkpoint has several layers in a group.
    fixed = {"position_embedding_type": ("absolute",), "chunk_size_feed_forward": (0,), "inner_group_num": (1,)}
    modules = (
        (r"embeddings/projection", r"encoder.embedding_hidden_mapping_in"),
        (r"embeddings/layer_norm", r"embeddings.LayerNorm"),
        (r"embeddings/(\w+)", r"embeddings.\1"),
        *(
            (rf"encoder/layer_(\d+)/{ours}", rf"encoder.albert_layer_groups.\1.albert_layers.0.{theirs}")
            for ours, theirs in (
                (r"attention/(query|key|value)", r"attention.\2"),
                (r"attention/output", r"attention.dense"),
                (r"attention_norm", r"attention.LayerNorm"),
                (r"intermediate", r"ffn"),
                (r"output", r"ffn_output"),
                (r"output_norm", r"full_layer_layer_norm"),
            )
        ),
        (r"pooler/dense", r"pooler"),
    )
    heads = {
        **Bert.heads,
        "masked_lm": Head(
            {
                "hidden": "predictions.dense",
                "norm": "predictions.LayerNorm",
                "": "predictions",
                "decoder": "predictions.decoder",
            },
            activation="encoder",
            norm=True,
        ),
    }
    unused = (r"sop_classifier\.", r"embeddings\.position_ids$", r"pooler\.")
    tokenizer = "Unigram"
    checkpoints = (
        Known("albert/albert-base-v2", 11.7, "English", "Apache-2.0"),
        Known("albert/albert-large-v2", 17.7, "English", "Apache-2.0"),
        Known("albert/albert-xxlarge-v2", 222.6, "English", "Apache-2.0"),
    )

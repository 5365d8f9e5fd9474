"""BERT (Devlin et al., 2019, https://arxiv.org/abs/1810.04805), and the many checkpoints of its type."""

from collections.abc import Sequence
from typing import ClassVar

from tftransfer import registry
from tftransfer.backbones.family import Family, Head, Known


@registry.backbones.register("bert")
class Bert(Family):
    """Post-norm encoder with learned absolute positions and token types."""

    architecture = "Bert"
    prefix = "bert."
    fields = {
        "vocab_size": ("vocab_size", 30522),
        "hidden_size": ("hidden_size", 768),
        "num_hidden_layers": ("num_layers", 12),
        "num_attention_heads": ("num_heads", 12),
        "intermediate_size": ("intermediate_size", 3072),
        "hidden_act": ("activation", "gelu"),
        "layer_norm_eps": ("layer_norm_epsilon", 1e-12),
        "max_position_embeddings": ("max_positions", 512),
        "type_vocab_size": ("type_vocab_size", 2),
        "hidden_dropout_prob": ("hidden_dropout", 0.1),
        "attention_probs_dropout_prob": ("attention_dropout", 0.1),
        "classifier_dropout": ("classifier_dropout", None),
        "initializer_range": ("initializer_range", 0.02),
        "pad_token_id": ("pad_token_id", 0),
    }
    fixed = {
        "position_embedding_type": ("absolute",),
        "is_decoder": (False,),
        "add_cross_attention": (False,),
        "chunk_size_feed_forward": (0,),
    }
    modules: ClassVar[Sequence[tuple[str, str]]] = (
        (r"embeddings/layer_norm", r"embeddings.LayerNorm"),
        (r"embeddings/(\w+)", r"embeddings.\1"),
        (r"encoder/layer_(\d+)/attention/(query|key|value)", r"encoder.layer.\1.attention.self.\2"),
        (r"encoder/layer_(\d+)/attention/output", r"encoder.layer.\1.attention.output.dense"),
        (r"encoder/layer_(\d+)/attention_norm", r"encoder.layer.\1.attention.output.LayerNorm"),
        (r"encoder/layer_(\d+)/intermediate", r"encoder.layer.\1.intermediate.dense"),
        (r"encoder/layer_(\d+)/output", r"encoder.layer.\1.output.dense"),
        (r"encoder/layer_(\d+)/output_norm", r"encoder.layer.\1.output.LayerNorm"),
        (r"pooler/dense", r"pooler.dense"),
    )
    heads = {
        "sequence_classification": Head({"logits": "classifier"}, pooling="pooler"),
        "token_classification": Head({"logits": "classifier"}),
        "question_answering": Head({"logits": "qa_outputs"}, dropout=""),
        "masked_lm": Head(
            {
                "hidden": "cls.predictions.transform.dense",
                "norm": "cls.predictions.transform.LayerNorm",
                "": "cls.predictions",
                "decoder": "cls.predictions.decoder",
            },
            activation="encoder",
            norm=True,
        ),
    }
    unused: ClassVar[Sequence[str]] = (r"cls\.seq_relationship\.", r"embeddings\.position_ids$", r"pooler\.")
    tokenizer: ClassVar[str] = "WordPiece"
    checkpoints: ClassVar[Sequence[Known]] = (
        Known("google/bert_uncased_L-2_H-128_A-2", 4.4, "English", "Apache-2.0"),
        Known("sentence-transformers/all-MiniLM-L6-v2", 22.7, "English", "Apache-2.0"),
        Known("BAAI/bge-small-en-v1.5", 33.4, "English", "MIT"),
        Known("hfl/rbt3", 38.5, "Chinese", "Apache-2.0"),
        Known("google-bert/bert-base-chinese", 102.3, "Chinese", "Apache-2.0"),
        Known("hfl/chinese-macbert-base", 102.3, "Chinese", "Apache-2.0"),
        Known("hfl/chinese-roberta-wwm-ext", 102.3, "Chinese", "Apache-2.0"),
        Known("google-bert/bert-base-cased", 108.3, "English", "Apache-2.0"),
        Known("google-bert/bert-base-uncased", 109.5, "English", "Apache-2.0"),
        Known("intfloat/multilingual-e5-small", 117.7, "100 languages", "MIT"),
        Known("google-bert/bert-base-multilingual-cased", 177.9, "104 languages", "Apache-2.0"),
    )

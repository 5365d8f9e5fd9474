"""NomicBERT (Nussbaum et al., 2024, https://arxiv.org/abs/2402.01613)."""

from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.families.bert import Bert
from tftransfer.backbones.family import Family, Head, Known
from tftransfer.errors import CheckpointError


@registry.backbones.register("nomic_bert")
class NomicBert(Family):
    """Post-norm encoder without biases, with rotary positions and gated feed-forward blocks."""

    architecture = "NomicBert"
    prefix = "nomic_bert."
    fields = {
        **Bert.fields,
        "vocab_size": ("vocab_size", 30528),
        "hidden_act": ("activation", "silu"),
        "max_position_embeddings": ("max_positions", 2048),
        "hidden_dropout_prob": ("hidden_dropout", 0.0),
        "attention_probs_dropout_prob": ("attention_dropout", 0.0),
    }
    # The keys of Nomic's own files.
    aliases = {
        "n_embd": "hidden_size",
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_inner": "intermediate_size",
        "activation_function": "hidden_act",
        "layer_norm_epsilon": "layer_norm_eps",
        "max_trained_positions": "max_position_embeddings",
        "resid_pdrop": "hidden_dropout_prob",
        "attn_pdrop": "attention_probs_dropout_prob",
    }
    fixed = {
        "is_decoder": (False,),
        "causal": (False,),
        "prenorm": (False,),
        "parallel_block": (False,),
        "use_rms_norm": (False,),
        "qkv_proj_bias": (False,),
        "mlp_fc1_bias": (False,),
        "mlp_fc2_bias": (False,),
        "num_experts": (0, 1),
        "rotary_emb_fraction": (1,),
        "rotary_emb_interleaved": (False,),
        "rotary_emb_scale_base": (None,),
    }
    implied = {"head_dim": "head_size"}
    # transformers writes these names, which are Nomic's own.
    modules_as_tensors = False
    modules = (
        (r"embeddings/layer_norm", r"emb_ln"),
        (r"embeddings/(\w+)", r"embeddings.\1"),
        (r"encoder/layer_(\d+)/attention/query", r"encoder.layers.\1.attn.Wqkv|0/3"),
        (r"encoder/layer_(\d+)/attention/key", r"encoder.layers.\1.attn.Wqkv|1/3"),
        (r"encoder/layer_(\d+)/attention/value", r"encoder.layers.\1.attn.Wqkv|2/3"),
        (r"encoder/layer_(\d+)/attention/output", r"encoder.layers.\1.attn.out_proj"),
        (r"encoder/layer_(\d+)/attention_norm", r"encoder.layers.\1.norm1"),
        (r"encoder/layer_(\d+)/intermediate", r"encoder.layers.\1.mlp.fc11"),
        (r"encoder/layer_(\d+)/gate", r"encoder.layers.\1.mlp.fc12"),
        (r"encoder/layer_(\d+)/output", r"encoder.layers.\1.mlp.fc2"),
        (r"encoder/layer_(\d+)/output_norm", r"encoder.layers.\1.norm2"),
        (r"pooler/dense", r"pooler.dense"),
    )
    heads = {
        "sequence_classification": Head({"logits": "classifier"}, pooling="pooler"),
        "token_classification": Head({"logits": "classifier"}),
        "masked_lm": Head(
            {
                "hidden": "cls.predictions.transform.dense",
                "norm": "cls.predictions.transform.layer_norm",
                "": "cls.predictions",
                "decoder": "cls.predictions.decoder",
            },
            activation="encoder",
            norm=True,
        ),
    }
    unused = (r"embeddings\.position_ids$", r".*inv_freq$", r"pooler\.")
    idle_poolers = ()
    tokenizer = "WordPiece"
    checkpoints = (
        Known("nomic-ai/nomic-bert-2048", 136.7, "English", "Apache-2.0"),
        Known("nomic-ai/nomic-embed-text-v1", 136.7, "English", "Apache-2.0"),
        Known("nomic-ai/nomic-embed-text-v1.5", 136.7, "English", "Apache-2.0"),
    )

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        rope = raw.get("rope_parameters") or {}
        if rope.get("rope_type", "default") != "default":
            raise CheckpointError(
                f"config.json: expected rope_parameters of the rope_type 'default'; received {rope['rope_type']!r}. "
                "Loading it as if it were that would give wrong numbers."
            )
        theta = rope.get("rope_theta", raw.get("rotary_emb_base", 1000.0))
        activation = {"activation": "silu"} if raw.get("hidden_act") == "swiglu" else {}
        return {
            "learned_positions": False,
            "gated": True,
            **dict.fromkeys(("attention_bias", "attention_output_bias", "feed_forward_bias"), False),
            "rotary": {"theta": theta},
            **activation,
        }

"""BigBird (Zaheer et al., 2020, https://arxiv.org/abs/2007.14062)."""

import math
from collections.abc import Mapping
from typing import Any

from tftransfer import registry
from tftransfer.backbones.families.bert import Bert
from tftransfer.backbones.family import Head, Known


@registry.backbones.register("big_bird")
class BigBird(Bert):
    """BERT for long texts, whose blocks see their neighbours and the first and last block."""

    architecture = "BigBird"
    fields = {
        **Bert.fields,
        "vocab_size": ("vocab_size", 50358),
        "hidden_act": ("activation", "gelu_new"),
        "max_position_embeddings": ("max_positions", 4096),
        "use_bias": ("attention_bias", True),
    }
    fixed = {**Bert.fixed, "attention_type": ("block_sparse", "original_full")}
    modules = (*(rule for rule in Bert.modules if rule[0] != r"pooler/dense"), (r"pooler/dense", r"pooler"))
    heads = {
        **{kind: head for kind, head in Bert.heads.items() if kind != "question_answering"},
        "sequence_classification": Head(
            {"hidden": "classifier.dense", "logits": "classifier.out_proj"}, activation="encoder"
        ),
    }
    # The head for answers is a whole feed-forward block, which no other family has.
    unused = (*Bert.unused, r"qa_classifier\.")

    idle_poolers = ("", "sequence_classification", "token_classification", "masked_lm")
    tokenizer = "Unigram"
    checkpoints = (Known("google/bigbird-roberta-base", 127.5, "English", "Apache-2.0"),)

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if raw.get("attention_type", "block_sparse") == "block_sparse":
            found["block_sparse"] = {
                "block_size": raw.get("block_size", 64),
                "random_blocks": raw.get("num_random_blocks", 3),
            }
        if raw.get("rescale_embeddings", False):
            found["embedding_scale"] = math.sqrt(raw.get("hidden_size", 768))
        return found

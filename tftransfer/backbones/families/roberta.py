"""RoBERTa (Liu et al., 2019, https://arxiv.org/abs/1907.11692), XLM-R (Conneau et al., 2020) and CamemBERT."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tftransfer import registry
from tftransfer.backbones.families.bert import Bert
from tftransfer.backbones.family import Head, Known


@registry.backbones.register("roberta")
class Roberta(Bert):
    """BERT with positions that count tokens only, and a two-layer classifier on the first token."""

    architecture = "Roberta"
    prefix = "roberta."
    fields = {
        **Bert.fields,
        "vocab_size": ("vocab_size", 50265),
        "pad_token_id": ("pad_token_id", 1),
    }
    heads = {
        **Bert.heads,
        "sequence_classification": Head(
            {"hidden": "classifier.dense", "logits": "classifier.out_proj"}, activation="tanh"
        ),
        "masked_lm": Head(
            {"hidden": "lm_head.dense", "norm": "lm_head.layer_norm", "": "lm_head", "decoder": "lm_head.decoder"},
            activation="gelu",
            norm=True,
        ),
    }
    tokenizer = "byte-level BPE"
    checkpoints: ClassVar[Sequence[Known]] = (
        Known("distilbert/distilroberta-base", 82.1, "English", "Apache-2.0"),
        Known("FacebookAI/roberta-base", 124.6, "English", "MIT"),
        Known("FacebookAI/roberta-large", 355.4, "English", "MIT"),
    )

    def extras(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        padding = raw.get("pad_token_id", 1)
        return {"position_offset": padding + 1 if isinstance(padding, int) else padding}


@registry.backbones.register("xlm-roberta")
class XLMRoberta(Roberta):
    """RoBERTa over 100 languages."""

    architecture = "XLMRoberta"
    fields = {**Roberta.fields, "vocab_size": ("vocab_size", 30522)}
    tokenizer = "Unigram"
    checkpoints = (
        Known("FacebookAI/xlm-roberta-base", 278.0, "100 languages", "MIT"),
        Known("FacebookAI/xlm-roberta-large", 559.9, "100 languages", "MIT"),
    )


@registry.backbones.register("camembert")
class Camembert(Roberta):
    """RoBERTa over French (Martin et al., 2020)."""

    architecture = "Camembert"
    fields = {**Roberta.fields, "vocab_size": ("vocab_size", 30522)}
    tokenizer = "Unigram"
    checkpoints = (Known("almanach/camembert-base", 110.6, "French", "MIT"),)

"""Sizes from a config alone: parameters exactly, memory as it was measured."""

import dataclasses
from typing import Any

import pytest

from tftransfer import registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.size import parameters, shapes
from tftransfer.backbones.transformer import BlockSparse, Disentangled, RelativeBias, Rotary, TransformerConfig

BERT = registry.backbones.get("bert")().config({})
TINY = dataclasses.replace(
    BERT, vocab_size=11, hidden_size=8, num_layers=4, num_heads=2, intermediate_size=12, max_positions=16
)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"embedding_size": 4},
    {"embedding_size": 8},
    {"learned_positions": False, "rotary": Rotary(), "type_vocab_size": 0},
    {"task_type_vocab_size": 3},
    {"relative_bias": RelativeBias(8, 16)},
    {"disentangled": Disentangled(16), "learned_positions": False},
    {"disentangled": Disentangled(16, buckets=4, shared_projections=True, normalized=True)},
    {"disentangled": Disentangled(16, content_to_position=False)},
    {"disentangled": Disentangled(16, position_to_content=False), "convolution": (3, "tanh")},
    {"norm": "pre", "norm_bias": False, "gated": True},
    {"attention_bias": False},
    {"attention_output_bias": False, "feed_forward_bias": False},
    {"attention_bias": False, "disentangled": Disentangled(16)},
    {"num_groups": 2, "norm": "pre"},
    {"windows": (0, 2, 2, 0)},
    {"block_sparse": BlockSparse(4, 1)},
]


def made(config: TransformerConfig, pooler: bool) -> dict[str, tuple[int, ...]]:
    return {v.path: tuple(v.shape) for v in Backbone.assemble(config, pooler=pooler).weights}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ", ".join(options) or "BERT")
def test_every_option_has_the_variables_of_the_backbone(options: dict[str, Any]) -> None:
    config = dataclasses.replace(TINY, **options)
    assert shapes(config) == made(config, pooler=True)


@pytest.mark.parametrize("name", registry.backbones.names())
def test_every_family_has_the_variables_of_its_backbone(name: str) -> None:
    sizes = {"vocab_size": 11, "hidden_size": 8, "num_heads": 2, "intermediate_size": 12, "max_positions": 16}
    config = dataclasses.replace(registry.backbones.get(name)().config({}), **sizes)
    assert shapes(config, pooler=False) == made(config, pooler=False)
    assert parameters(config).total == Backbone.assemble(config).count_params()


@pytest.mark.parametrize(
    ("name", "pooler", "published"),
    [
        ("bert", True, 109_482_240),  # bert-base-uncased
        ("distilbert", False, 66_362_880),  # distilbert-base-uncased
        ("electra", False, 13_483_008),  # electra-small-discriminator, without its head
        ("albert", True, 222_595_584),  # albert-xxlarge
    ],
)
def test_the_default_config_has_the_published_number(name: str, pooler: bool, published: int) -> None:
    assert parameters(registry.backbones.get(name)().config({}), pooler).total == published

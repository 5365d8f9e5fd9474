"""Every family's tables: defaults are transformers' own, each rule has a use, and older files load alike."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import transformers
from parity import SPECIAL, SPECIAL_ODD, family_of, save, torch, torch_config

from tftransfer import registry
from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.errors import CheckpointError
from tftransfer.pretrained_head import head_hints

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch makes the checkpoints")
FAMILIES = registry.backbones.names()


# --- Tables ---


@pytest.mark.parametrize("name", FAMILIES)
def test_defaults_of_absent_fields_are_those_of_transformers(name: str) -> None:
    family, theirs = family_of(name), transformers.AutoConfig.for_model(name)
    assert {key: default for key, (_, default) in family.fields.items()} == {
        key: getattr(theirs, key) for key in family.fields
    }
    for key, known in family.fixed.items():
        assert getattr(theirs, key, None) in (None, *known), key
    config = dataclasses.asdict(family.config({"model_type": name}))
    full = dataclasses.asdict(family.config(theirs.to_dict()))
    assert config == full
    if getattr(theirs, "classifier_dropout", None) is None and "classifier_dropout" in family.fields:
        hidden = next(key for key, (field, _) in family.fields.items() if field == "hidden_dropout")
        assert family.config({hidden: 0.3}).classifier_dropout == 0.3


@pytest.mark.parametrize("name", FAMILIES)
def test_other_names_of_config_keys_are_those_of_transformers(name: str) -> None:
    family, theirs = family_of(name), transformers.AutoConfig.for_model(name)
    expected = {key: ours for key, ours in theirs.attribute_map.items() if ours in family.fields}
    if name == "nomic_bert":  # transformers passes over the keys of Nomic's own files; test_rotary.py has such a file
        expected = {**family.aliases, **expected}
    assert family.aliases == expected
    for key, ours in family.aliases.items():
        field, default = family.fields[ours]
        assert getattr(family.config({key: 2 * default}), field) == 2 * default


@pytest.mark.parametrize("name", FAMILIES)
def test_every_rule_for_names_has_a_use(name: str) -> None:
    family, used = family_of(name), set()
    for keys in ({}, *SPECIAL_ODD.get(name, {}).values()):
        raw = torch_config(name, **{**SPECIAL.get(name, {}), **keys}).to_dict()
        for variable in Backbone.assemble(family.config(raw)).weights:
            module = variable.path.rpartition("/")[0]
            used.add(next((pattern for pattern, _ in family.modules if re.fullmatch(pattern, module)), None))
    assert {pattern for pattern, _ in family.modules} <= used


@pytest.mark.parametrize("name", FAMILIES)
def test_well_known_checkpoints_are_in_order_and_of_one_family(name: str) -> None:
    known = family_of(name).checkpoints
    assert [one.parameters for one in known] == sorted(one.parameters for one in known)
    others = {one.name for other in FAMILIES if other != name for one in family_of(other).checkpoints}
    names = [one.name for one in known]
    assert len(names) == len(set(names) - others)
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", one) for one in names)
    assert all(one.languages and one.licence for one in known)


# --- What is refused ---


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("albert", "inner_group_num", 2),
        ("albert", "position_embedding_type", "relative_key"),
        ("electra", "is_decoder", True),
        ("ernie", "use_task_id", "yes"),
        ("mpnet", "relative_attention_num_buckets", 64),
    ],
)
def test_what_would_give_wrong_numbers_is_refused(name: str, key: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=f"{key} is {value!r}, but only .* is implemented for this family"):
        family_of(name).config({key: value})


# --- Older files ---

# Tensors that older versions wrote beside what a masked language model needs today, by shape.
BUFFER, ROWS, SQUARE, BIAS, PAIR = (1, 40), (99, 32), (32, 32), (99,), (2, 32)
OLDER = {
    "albert": {
        "albert.embeddings.position_ids": BUFFER,
        "albert.pooler.weight": SQUARE,
        "albert.pooler.bias": (32,),
        "predictions.decoder.weight": (99, 128),
        "predictions.decoder.bias": BIAS,
        "sop_classifier.classifier.weight": PAIR,
    },
    "bert": {
        "bert.embeddings.position_ids": BUFFER,
        "bert.pooler.dense.weight": SQUARE,
        "bert.pooler.dense.bias": (32,),
        "cls.predictions.decoder.weight": ROWS,
        "cls.predictions.decoder.bias": BIAS,
        "cls.seq_relationship.weight": PAIR,
    },
    "distilbert": {"distilbert.embeddings.position_ids": BUFFER, "vocab_projector.weight": ROWS},
    "electra": {
        "electra.embeddings.position_ids": BUFFER,
        "generator_lm_head.weight": (99, 128),
        "discriminator_predictions.dense.weight": SQUARE,
        "discriminator_predictions.dense_prediction.bias": (1,),
    },
    "ernie": {
        "ernie.embeddings.position_ids": BUFFER,
        "cls.predictions.decoder.weight": ROWS,
        "cls.seq_relationship.weight": PAIR,
    },
    "mpnet": {
        "mpnet.embeddings.position_ids": BUFFER,
        "lm_head.decoder.weight": ROWS,
        "lm_head.decoder.bias": BIAS,
    },
    "roberta": {
        "roberta.embeddings.position_ids": BUFFER,
        "lm_head.decoder.weight": ROWS,
        "lm_head.decoder.bias": BIAS,
    },
}


@needs_torch
@pytest.mark.parametrize("name", OLDER)
def test_older_files_load_alike(name: str, tmp_path: Path) -> None:
    save(tmp_path, name, "masked_lm")
    path = tmp_path / "model.safetensors"
    expected = {v.path: np.asarray(v) for v in Backbone.from_pretrained(str(tmp_path)).weights}
    tensors = safetensors.numpy.load_file(path)
    spelled = {re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", key): array for key, array in tensors.items()}
    spelled = {re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", key): array for key, array in spelled.items()}
    assert set(spelled) != set(tensors)
    added = {key: np.zeros(shape, "int64" if shape == BUFFER else "float32") for key, shape in OLDER[name].items()}
    safetensors.numpy.save_file({**spelled, **added}, path)
    backbone = Backbone.from_pretrained(str(tmp_path))
    for variable in backbone.weights:
        if not variable.path.startswith("pooler/"):
            np.testing.assert_array_equal(variable, expected[variable.path])
    assert Checkpoint.find(str(tmp_path)).has_head("masked_lm")
    prefix = family_of(name).prefix
    idle = {key.removeprefix(prefix) for key in added if "pooler" not in key}
    assert backbone.load_report is not None
    assert idle <= set(backbone.load_report.left_out)


@needs_torch
def test_a_stranger_among_the_tensors_is_no_older_spelling(tmp_path: Path) -> None:
    save(tmp_path, "electra")
    path = tmp_path / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    safetensors.numpy.save_file({**tensors, "pooler.dense.weight": np.zeros(SQUARE, "float32")}, path)
    with pytest.raises(CheckpointError, match=r"pooler\.dense\.weight: no variable takes this tensor"):
        Backbone.from_pretrained(str(tmp_path))


# --- Heads ---


@needs_torch
def test_dropout_of_a_head_is_that_of_its_kind(tmp_path: Path) -> None:
    rates = {"dropout": 0.11, "attention_dropout": 0.12, "seq_classif_dropout": 0.13}
    save(tmp_path, "distilbert", **rates)
    checkpoint = Checkpoint.find(str(tmp_path))
    assert head_hints(checkpoint, "token_classification").dropout == 0.11
    assert head_hints(checkpoint, "sequence_classification").dropout == 0.13
    assert head_hints(checkpoint, "question_answering").dropout == 0.11


def test_a_rate_of_the_encoder_serves_a_head_without_one() -> None:
    assert family_of("mpnet").config({"hidden_dropout_prob": 0.3}).classifier_dropout == 0.3

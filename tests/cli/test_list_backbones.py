"""`tftransfer list backbones`: every family with what it can do, as transformers and the layers have it."""

import dataclasses
import json

import click.testing
import pytest
import transformers
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from tftransfer import registry
from tftransfer.backbones.description import known_checkpoints, long_inputs
from tftransfer.backbones.family import Known
from tftransfer.backbones.transformer import BlockSparse
from tftransfer.cli.main import main
from tftransfer.tokenizers import in_graph
from tftransfer.tokenizers.kinds import IN_GRAPH

FAMILIES = registry.backbones.names()


def answer(*arguments: str) -> str:
    result = click.testing.CliRunner().invoke(main, ["list", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_json_has_every_family_and_checkpoint() -> None:
    found = json.loads(answer("backbones", "--json"))
    assert sorted(found["backbones"]) == FAMILIES
    assert found["backbones"]["bert"] == {
        "summary": "Post-norm encoder with learned absolute positions and token types.",
        "context": 512,
        "long_inputs": "quadratic",
        "packing": True,
        "tokenizer": "WordPiece",
        "in_graph_tokenizer": True,
    }
    assert found["checkpoints"]["google-bert/bert-base-uncased"] == {
        "family": "bert",
        "parameters": 109_500_000,
        "languages": "English",
        "licence": "Apache-2.0",
    }


def test_tables_line_up_and_fit_a_terminal() -> None:
    lines = answer("backbones").splitlines()
    assert max(map(len, lines)) <= 120
    names = [line.split()[0] for line in lines if line]
    for name in FAMILIES:
        assert names.count(name) == 2
    rule = next(line for line in lines if line.startswith("-----"))
    assert all(lines[lines.index(rule) + n][len(rule.split()[0])] == " " for n in range(1, len(FAMILIES) + 1))


def test_without_a_kind_and_for_other_kinds_it_is_names_and_summaries() -> None:
    everything = json.loads(answer("--json"))
    assert everything["backbones"]["bert"].startswith("Post-norm encoder")
    assert {kind: set(entries) for kind, entries in everything.items()}["strategies"] >= {"full"}
    assert json.loads(answer("tasks", "--json"))["tasks"] == everything["tasks"]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_kind_of_tokenizer_is_that_of_transformers(name: str) -> None:
    cls = getattr(transformers, TOKENIZER_MAPPING_NAMES.get(name) or "", None)
    model = getattr(cls, "model", None)
    if model is None:
        pytest.skip("transformers does not say")
    assert registry.backbones.get(name).tokenizer.removeprefix("byte-level ") == model.__name__


def test_kinds_with_a_twin_are_those_that_in_graph_builds() -> None:
    assert {kind.removeprefix("byte-level ") for kind in IN_GRAPH} == set(in_graph._KINDS)


@pytest.mark.parametrize("name", FAMILIES)
def test_checkpoints_are_written_as_their_cards_have_them(name: str) -> None:
    checkpoints = [known for family, known in known_checkpoints().values() if family == name]
    assert [known.parameters for known in checkpoints] == sorted(known.parameters for known in checkpoints)
    for known in checkpoints:
        assert known.name.count("/") == 1
        assert known.languages
        assert known.licence


def test_a_family_does_not_inherit_the_checkpoints_of_the_one_it_extends(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Known("somebody/some-bert", 1.0, "English", "MIT")
    monkeypatch.setattr(registry.backbones.get("bert"), "checkpoints", (known,))
    assert known_checkpoints()["somebody/some-bert"] == ("bert", known)


def test_long_inputs() -> None:
    config = dataclasses.replace(registry.backbones.get("bert")().config({}), num_layers=4)
    for fields, cost in (
        ({}, "quadratic"),
        ({"windows": (8, 8, 8, 8)}, "linear"),
        ({"windows": (0, 8, 8, 0)}, "linear in 2 of 4 layers"),
        ({"windows": (0, 0, 0, 0)}, "quadratic"),
        ({"block_sparse": BlockSparse(4, 1)}, "linear"),
    ):
        assert long_inputs(dataclasses.replace(config, **fields)) == cost

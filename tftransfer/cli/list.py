"""`tftransfer list`."""

import inspect
from typing import Any

import click

from tftransfer.cli.output import as_json, echo_json

# What a kind is called here -> its registry.
_KINDS = {
    "backbones": "backbones",
    "networks": "networks",
    "tasks": "tasks",
    "strategies": "strategies",
    "regularizers": "regularizers",
    "formats": "sources",
}


@click.command("list")
@click.argument("kind", type=click.Choice([*_KINDS]), required=False)
@as_json
def list_entries(kind: str | None, as_json: bool) -> None:
    """Print what there is to choose from: backbones, networks (from scratch), tasks, strategies, regularizers, formats.

    `tftransfer list backbones` also says what each family can do, and names well-known checkpoints.
    """
    found = _backbones() if kind == "backbones" else _entries(kind)
    if as_json:
        echo_json(found)
    else:
        click.echo(_backbones_text(**found) if kind == "backbones" else _entries_text(found))


def _entries(kind: str | None) -> dict[str, dict[str, str]]:
    from tftransfer import registry

    return {
        name: {
            entry: (inspect.getdoc(entries.get(entry)) or "").split("\n")[0]
            for entries in [getattr(registry, attribute)]
            for entry in entries.names()
        }
        for name, attribute in _KINDS.items()
        if kind in (None, name)
    }


def _entries_text(found: dict[str, dict[str, str]]) -> str:
    from tftransfer.evaluation.tables import table

    rows = [[name, entry, summary] for name, entries in found.items() for entry, summary in entries.items()]
    return table(["kind", "name", "what it is"], rows)


def _backbones() -> dict[str, Any]:
    from tftransfer.backbones.description import families, known_checkpoints
    from tftransfer.tokenizers.kinds import IN_GRAPH

    return {
        "backbones": {
            name: {**family, "in_graph_tokenizer": family["tokenizer"] in IN_GRAPH}
            for name, family in families().items()
        },
        "checkpoints": {
            known.name: {
                "family": family,
                "parameters": round(known.parameters * 1e6),
                "languages": known.languages,
                "licence": known.licence,
            }
            for family, known in known_checkpoints().values()
        },
    }


def _backbones_text(backbones: dict[str, dict[str, Any]], checkpoints: dict[str, dict[str, Any]]) -> str:
    from tftransfer.evaluation.tables import table

    abilities = ["family", "context", "long inputs", "packing", "tokenizer", "in the graph"]
    tables = [
        table(["family", "what it is"], [[name, family["summary"]] for name, family in backbones.items()]),
        table(abilities, [_abilities(name, family) for name, family in backbones.items()]),
        table(
            ["checkpoint", "family", "million parameters", "languages", "licence"],
            [
                [name, known["family"], f"{known['parameters'] / 1e6:,.1f}", known["languages"], known["licence"]]
                for name, known in checkpoints.items()
            ],
        ),
    ]
    return "\n\n".join([*tables, "tftransfer show CHECKPOINT says more of one, and what a step of its training takes."])


def _abilities(name: str, family: dict[str, Any]) -> list[str]:
    packing, in_graph = ("yes" if family[key] else "no" for key in ("packing", "in_graph_tokenizer"))
    return [name, f"{family['context']:,}", family["long_inputs"], packing, family["tokenizer"], in_graph]

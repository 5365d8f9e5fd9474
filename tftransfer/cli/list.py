"""`tftransfer list`."""

import inspect

import click

from tftransfer.cli.output import as_json, echo_json

_KINDS = {"backbones": "backbones", "tasks": "tasks", "strategies": "strategies", "formats": "sources"}


@click.command("list")
@click.argument("kind", type=click.Choice([*_KINDS]), required=False)
@as_json
def list_entries(kind: str | None, as_json: bool) -> None:
    """Print what there is to choose from: backbones, tasks, strategies, formats."""
    from tftransfer import registry
    from tftransfer.evaluation.tables import table

    found = {
        name: {
            entry: (inspect.getdoc(entries.get(entry)) or "").split("\n")[0]
            for entries in [getattr(registry, attribute)]
            for entry in entries.names()
        }
        for name, attribute in _KINDS.items()
        if kind in (None, name)
    }
    if as_json:
        echo_json(found)
        return
    rows = [[name, entry, summary] for name, entries in found.items() for entry, summary in entries.items()]
    click.echo(table(["kind", "name", "what it is"], rows))

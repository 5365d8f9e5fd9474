"""What commands print."""

import json
from collections.abc import Mapping
from typing import Any

import click

__all__ = ["as_json", "echo_json", "metrics_text"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")


def echo_json(value: Any) -> None:
    """Prints one JSON object."""
    click.echo(json.dumps(value, ensure_ascii=False))


_WIDEST = 12
"""Columns of the widest table that is printed; wider ones are in metrics.json."""


def metrics_text(metrics: Mapping[str, Any]) -> str:
    """Returns a report's metrics as text: the numbers, then every table under its name."""
    from tftransfer.evaluation.tables import cell, table

    numbers = [[name, cell(value)] for name, value in metrics.items() if isinstance(value, int | float)]
    parts = [table(["metric", "value"], numbers)] if numbers else []
    for name, rows in metrics.items():
        if not isinstance(rows, Mapping) or not rows:
            continue
        # {row: number}, or {row: {column: number}}
        body = {row: cells if isinstance(cells, Mapping) else {"count": cells} for row, cells in rows.items()}
        columns = list(next(iter(body.values())))
        if len(columns) <= _WIDEST:
            cells = [[row, *(cell(values[column]) for column in columns)] for row, values in body.items()]
            parts.append(f"{name}\n{table(['', *columns], cells)}")
    return "\n\n".join(parts)

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


def metrics_text(metrics: Mapping[str, Any]) -> str:
    """Returns a report's metrics as text: the numbers, then a table a class."""
    from tftransfer.evaluation.tables import table

    lines = [f"{name}  {value:.4f}" for name, value in metrics.items() if isinstance(value, float)]
    classes = metrics.get("per_class", {})
    if classes:
        columns = list(next(iter(classes.values())))
        cells = [
            [label, *(f"{row[c]:.4f}" if isinstance(row[c], float) else f"{row[c]:,}" for c in columns)]
            for label, row in classes.items()
        ]
        lines += ["", table(["label", *columns], cells)]
    return "\n".join(lines)

"""`tftransfer evaluate`."""

from pathlib import Path

import click

from tftransfer.cli.output import as_json, echo_json, metrics_text
from tftransfer.cli.quiet import load_tensorflow


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    help="Labelled file, its address, or a pattern of files.  [default: the run's test data]",
)
@as_json
def evaluate(run: Path, data: str | None, as_json: bool) -> None:
    """Print the metrics of a RUN's model on labelled data."""
    load_tensorflow()
    from tftransfer import experiment

    metrics = experiment.evaluate(run, data)
    echo_json(metrics) if as_json else click.echo(metrics_text(metrics))

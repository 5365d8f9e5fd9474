"""`tftransfer export`."""

from pathlib import Path

import click

from tftransfer.cli.output import as_json, echo_json
from tftransfer.cli.quiet import load_tensorflow


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@as_json
def export(run: Path, as_json: bool) -> None:
    """Write the next SavedModel version of a RUN, for TF Serving."""
    load_tensorflow()
    from tftransfer import experiment

    version = experiment.export(run)
    echo_json({"export": str(version)}) if as_json else click.echo(version)

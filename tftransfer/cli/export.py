"""`tftransfer export`."""

from pathlib import Path

import click

from tftransfer.cli.output import as_json, echo_json
from tftransfer.cli.quiet import load_tensorflow


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    type=click.Choice(["savedmodel", "huggingface", "peft"]),
    default="savedmodel",
    show_default=True,
    help="For TF Serving, for PyTorch transformers, or what LoRA trained for PEFT.",
)
@as_json
def export(run: Path, format: str, as_json: bool) -> None:
    """Write the next version of a RUN's model for others: into RUN/export, RUN/huggingface or RUN/peft."""
    load_tensorflow()
    from tftransfer import experiment

    version = experiment.export(run, format)
    echo_json({"export": str(version)}) if as_json else click.echo(version)

"""`tftransfer predict`."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tftransfer.cli.quiet import load_tensorflow


@contextmanager
def _as_file(path: str) -> Iterator[str]:
    """Gives a file's path; for "-", that of a temporary file with what came from standard input."""
    if path != "-":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        spooled = Path(folder) / "standard_input"
        with spooled.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield str(spooled)


def _field(value: object) -> str:
    text = f"{value:.6f}" if isinstance(value, float) else str(value)
    if isinstance(value, list):
        text = json.dumps(value, ensure_ascii=False)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("file", default="-")
@click.option("--format", "data_format", help="Data format of FILE.  [default: by its name; plain lines for -]")
@click.option(
    "--output", type=click.Choice(["jsonl", "tsv"]), default="jsonl", show_default=True, help="What to print."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Texts at a time.")
def predict(run: Path, file: str, data_format: str | None, output: str, batch_size: int) -> None:
    """Answer every text of FILE (or standard input, a text a line) with a RUN's model."""
    from tftransfer.run_directory import RunDirectory

    RunDirectory.open(run)  # before anything is read from standard input
    load_tensorflow()
    from tftransfer import experiment

    with _as_file(file) as path:
        chosen = data_format or ("lines" if file == "-" else None)
        header: list[str] = []
        for answer in experiment.predict(run, path, format=chosen, batch_size=batch_size):
            if output == "jsonl":
                click.echo(json.dumps(answer, ensure_ascii=False))
                continue
            fields = {name: value for name, value in answer.items() if not isinstance(value, dict)}
            if not header:
                header = list(fields)
                click.echo("\t".join(header))
            click.echo("\t".join(_field(value) for value in fields.values()))

"""`tftransfer inspect`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tftransfer.cli.output import as_json, echo_json

FINDINGS = 4
"""Exit code: there are findings that `--fail-on` names."""


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE ...]")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures there.")
@click.option("--fail-on", default="", metavar="ID,ID", help="Exit with 4 on errors and warnings of these ids.")
@click.option("--option", "options", multiple=True, metavar="CHECK.OPTION=VALUE", help="Such as leakage.purity=0.9.")
@as_json
def inspect(
    config: Path, overrides: tuple[str, ...], html: Path | None, fail_on: str, options: tuple[str, ...], as_json: bool
) -> None:
    """Report on the data of CONFIG before any training: rows, labels, lengths, padding, duplicates, leakage, oddities.

    \b
    tftransfer inspect configs/quickstart.yaml --html report.html
    tftransfer inspect configs/quickstart.yaml --fail-on leakage,duplicates --option near_duplicates.threshold=0.9

    Files are read as fit reads them; no weights are, and nothing is trained.
    """
    from tftransfer import atomic
    from tftransfer import config as configs
    from tftransfer import inspection as inspections
    from tftransfer.errors import ConfigError
    from tftransfer.inspection.check import counted

    experiment = configs.load(config, overrides)
    ids = [id.strip() for id in fail_on.split(",") if id.strip()]
    inspections.check_ids(ids)
    checks = inspections.build_checks(_options(options))
    if html is not None and not html.parent.is_dir():
        raise ConfigError(f"--html: expected a file in a directory that is there; received {html}. Make it first.")
    found = inspections.inspect(experiment, checks, lambda line: click.echo(f"... {line}", err=True))
    if html is not None:
        atomic.write(html, inspections.page(found, f"Data of {config.name}"))
    echo_json(found.to_dict()) if as_json else click.echo(inspections.text(found))
    failing = found.failing(ids)
    if failing:
        click.echo(f"{counted(len(failing), 'finding')} to fail on: {', '.join(ids)}", err=True)
        raise click.exceptions.Exit(FINDINGS)


def _options(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns the options of checks, by check."""
    from tftransfer import yaml_file
    from tftransfer.errors import ConfigError

    options: dict[str, dict[str, Any]] = {}
    for text in given:
        keys, equals, value = text.partition("=")
        check, dot, option = keys.partition(".")
        if not (equals and dot and option):
            raise ConfigError(f"--option '{text}': expected CHECK.OPTION=VALUE, such as leakage.purity=0.9.")
        options.setdefault(check, {})[option], _ = yaml_file.parse(value, f"--option '{text}'")
    return options

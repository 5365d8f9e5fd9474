"""`tftransfer show`."""

from pathlib import Path

import click

from tftransfer.cli.output import as_json, echo_json, metrics_text


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE ...]")
@as_json
def show(target: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print a config with every default, or what a run directory holds."""
    from tftransfer import config, yaml_file
    from tftransfer.run_directory import RunDirectory

    if not target.is_dir():
        resolved = config.to_dict(config.load(target, overrides))
        echo_json(resolved) if as_json else click.echo(yaml_file.dump(resolved), nl=False)
        return
    run = RunDirectory.open(target)
    names = ("status", "task", "data", "environment", "metrics")
    found = {name: run.read(name) for name in names if (run.path / f"{name}.json").is_file()}
    if as_json:
        echo_json({"config": config.to_dict(config.load(run.config)), **found})
        return
    click.echo(f"{target}: {found['status']['status']} since {found['status']['since']}")
    click.echo(f"task {found['task']['name']}, labels: {', '.join(found['task'].get('labels') or [])}")
    for split, metrics in found.get("metrics", {}).items():
        if isinstance(metrics, dict):
            click.echo(f"\n{split}\n{metrics_text(metrics)}")
    versions = sorted(run.export.glob("[0-9]*"), key=lambda path: int(path.name))
    click.echo(f"\nexports: {', '.join(str(path) for path in versions) or 'none'}")

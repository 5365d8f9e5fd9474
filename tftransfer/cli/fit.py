"""`tftransfer fit`."""

from pathlib import Path

import click

from tftransfer.cli.output import as_json, echo_json, metrics_text
from tftransfer.cli.quiet import load_tensorflow


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE ...]")
@click.option("--run", type=click.Path(path_type=Path), help="Run directory.  [default: saved_models/<name of CONFIG>]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in the run directory.")
@click.option("--dry-run", is_flag=True, help="Build everything, train for one step, write nothing.")
@as_json
def fit(
    config: Path, overrides: tuple[str, ...], run: Path | None, overwrite: bool, dry_run: bool, as_json: bool
) -> None:
    """Fine-tune, evaluate and export what CONFIG describes.

    \b
    tftransfer fit configs/quickstart.yaml
    tftransfer fit configs/sst2.yaml data.train.path=train.tsv.gz training.seed=1 --run saved_models/sst2-1
    """
    from tftransfer import config as configs

    experiment = configs.load(config, overrides)  # before TensorFlow loads, so that a typo answers at once
    directory = run or Path("saved_models") / config.stem
    from tftransfer.run_directory import RunDirectory

    RunDirectory.check(directory, overwrite or dry_run)
    load_tensorflow()
    from tftransfer import experiment as experiments

    summary = experiments.fit(experiment, directory, overwrite=overwrite, dry_run=dry_run)
    if as_json:
        echo_json(summary)
    elif dry_run:
        step = f"loss {summary['loss']:.4f} at the first of {summary['steps']} steps" if summary["steps"] else "no step"
        click.echo(f"dry run: {step}; nothing was written")
    else:
        for split, metrics in summary["metrics"].items():
            click.echo(f"\n{split}\n{metrics_text(metrics)}")
        click.echo(f"\nrun         {summary['run']}  (best epoch {summary['best_epoch']})")
        for key in ("export", "huggingface"):
            if key in summary:
                click.echo(f"{key:<11} {summary[key]}")

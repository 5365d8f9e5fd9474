"""`tftransfer show`."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from tftransfer.cli.output import as_json, echo_json, metrics_text

_MEGABYTE = 1e6


@click.command()
@click.argument("target")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE ...]")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Rows of a step.")
@click.option("--length", type=click.IntRange(min=1), help="Tokens a row.  [default: 128, or the checkpoint's limit]")
@click.option("--precision", type=click.Choice(["float32", "mixed_bfloat16"]), default="float32", show_default=True)
@click.option("--strategy", type=click.Choice(["full", "feature_extraction"]), default="full", show_default=True)
@as_json
def show(target: str, overrides: tuple[str, ...], as_json: bool, **step: Any) -> None:
    """Print a config with every default, what a run directory holds, or what a checkpoint is and takes.

    \b
    tftransfer show configs/quickstart.yaml training.seed=1
    tftransfer show saved_models/quickstart
    tftransfer show google-bert/bert-base-uncased --batch-size 16 --length 512

    Of a checkpoint nothing but its config.json is read. The options are for checkpoints.
    """
    path = Path(target)
    if path.is_dir() and not (_is_checkpoint(path)):
        _show_run(path, as_json)
    elif path.is_dir() or _is_name(path, target):
        if overrides:
            raise click.UsageError(f"Overrides are for configs, and '{target}' is none. Received: {overrides[0]}")
        _show_checkpoint(target, as_json, **step)
    else:
        _show_config(path, overrides, as_json)


def _is_checkpoint(path: Path) -> bool:
    return (path / "config.json").is_file() and not (path / "config.yaml").exists()


def _is_name(path: Path, target: str) -> bool:
    """Returns whether a target can only be a name on the Hub."""
    return not path.exists() and path.suffix not in (".yaml", ".yml") and not target.startswith((".", "/", "~"))


def _show_config(path: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    from tftransfer import config, yaml_file

    resolved = config.to_dict(config.load(path, overrides))
    echo_json(resolved) if as_json else click.echo(yaml_file.dump(resolved), nl=False)


def _show_run(path: Path, as_json: bool) -> None:
    from tftransfer import config
    from tftransfer.run_directory import RunDirectory

    run = RunDirectory.open(path)
    names = ("status", "task", "data", "environment", "metrics")
    found = {name: run.read(name) for name in names if (run.path / f"{name}.json").is_file()}
    if as_json:
        echo_json({"config": config.to_dict(config.load(run.config)), **found})
        return
    click.echo(f"{path}: {found['status']['status']} since {found['status']['since']}")
    click.echo(f"task {found['task']['name']}, labels: {', '.join(found['task'].get('labels') or [])}")
    for split, metrics in found.get("metrics", {}).items():
        if isinstance(metrics, dict):
            click.echo(f"\n{split}\n{metrics_text(metrics)}")
    folders = (run.export, run.huggingface)
    versions = [path for at in folders for path in sorted(at.glob("[0-9]*"), key=lambda path: int(path.name))]
    click.echo(f"\nexports: {', '.join(str(path) for path in versions) or 'none'}")


def _show_checkpoint(name: str, as_json: bool, **step: Any) -> None:
    from tftransfer.backbones.description import describe, find_config, has_pooler

    found = find_config(name)
    described = {**describe(found), "step": _step(found.config, has_pooler(found), **step)}
    echo_json(described) if as_json else click.echo(_checkpoint_text(described))


def _step(
    config: Any, pooler: bool, batch_size: int, length: int | None, precision: str, strategy: str
) -> dict[str, Any]:
    """Returns the options of a step of training and the bytes that it takes."""
    from tftransfer import registry
    from tftransfer.backbones.memory import memory
    from tftransfer.errors import ConfigError
    from tftransfer.training.rates import rate_of

    if length is not None and length > config.max_length:
        raise ConfigError(f"--length: expected at most {config.max_length:,}, the checkpoint's; received {length:,}.")
    length = length or min(128, config.max_length)
    table = registry.strategies.build(strategy).rates(None)
    parts = memory(
        config, batch_size, length, precision, pooler=pooler, is_trained=lambda path: bool(rate_of(path, table))
    )
    options = {"batch_size": batch_size, "length": length, "precision": precision, "strategy": strategy}
    return {**options, "bytes": {**dataclasses.asdict(parts), "total": parts.total}}


def _packing(found: dict[str, Any]) -> str:
    if not found["packing"]:
        return "no"
    return f"yes, in rows of up to {found['packed_length']:,} tokens" if found["packed_length"] else "yes"


def _checkpoint_text(found: dict[str, Any]) -> str:
    count, step = found["parameters"], found["step"]
    parts = ", ".join(f"{name} {n:,}" for name, n in count.items() if name != "total" and n)
    lines = {
        "checkpoint": found["name"] + (f", commit {found['revision']}" if found["revision"] else ""),
        "family": f"{found['family']}: {found['summary']}",
        "parameters": f"{count['total']:,} ({parts}), without a head",
        "depth": f"{found['num_layers']} layers",
        "width": f"{found['hidden_size']:,}, inside {found['intermediate_size']:,}; {found['num_heads']} heads",
        "vocabulary": f"{found['vocab_size']:,}, usually {found['tokenizer']}",
        "context": f"{found['context']:,} tokens; the cost of long inputs is {found['long_inputs']}",
        "packing": _packing(found),
        "languages": found["languages"],
        "licence": found["licence"],
        "labels": ", ".join(found["labels"]),
        "a step": f"{step['batch_size']} x {step['length']} tokens, {step['precision']}, strategy {step['strategy']}",
    }
    megabytes = {name: f"{size / _MEGABYTE:,.0f}" for name, size in step["bytes"].items()}
    size = max(map(len, megabytes.values()))
    lines |= {f"  {name}": f"{number:>{size}} MB" for name, number in megabytes.items()}
    lines["  total"] += ", estimated, beside about 1 GB of TensorFlow's own"
    return "\n".join(f"{name:<13}  {text}" for name, text in lines.items() if text)

"""A run from its config to its artefact: fit, evaluate, predict, export; the command line calls these functions."""

import dataclasses
import importlib.metadata
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tftransfer import atomic, config, registry, weights, yaml_file
from tftransfer.arrow_store import ArrowStore
from tftransfer.backbones.checkpoint import Checkpoint
from tftransfer.data.block import block_for
from tftransfer.data.examples import Examples
from tftransfer.data.pipeline import EncodedExamples
from tftransfer.data.quarantine import write_quarantine
from tftransfer.encoding import describe, encode
from tftransfer.errors import ExportError, RunDirectoryError
from tftransfer.evaluation import plots
from tftransfer.export.hub_layout import layout_of
from tftransfer.export.huggingface import export_huggingface
from tftransfer.export.peft import export_peft
from tftransfer.export.peft_names import adapter_of
from tftransfer.export.savedmodel import export as export_model
from tftransfer.model import TransferModel, build
from tftransfer.run_directory import RunDirectory
from tftransfer.scratch import checkpoint_of
from tftransfer.splits import Splits, read_file, read_splits, sift_answers
from tftransfer.tasks.task import Task
from tftransfer.tokenizers.twin import has_twin
from tftransfer.training.distribution import distribution
from tftransfer.training.fine_tune import Trained, check_answered, fit_encoded, run_stages, tune
from tftransfer.training.progress import note, progress
from tftransfer.training.rates import rates_text

__all__ = ["evaluate", "export", "fit", "load", "predict"]

_PACKAGES = ("tftransfer", "tensorflow", "keras", "tensorflow-text", "transformers", "tokenizers", "numpy")


def fit(
    experiment: config.Experiment, run: str | Path, *, overwrite: bool = False, dry_run: bool = False
) -> dict[str, Any]:
    """Fine-tunes, evaluates and exports; everything it makes is in the run directory.

    Args:
        experiment: Experiment. See `tftransfer.config.load`.
        run: str or Path. The run directory.
        overwrite: bool. Whether an earlier run there is replaced. Defaults to False.
        dry_run: bool. Build everything, train for one step, and write nothing. Defaults to False.

    Returns:
        A JSON-able summary: `run`, `best_epoch`, `metrics` by split, `train_seconds`, how many `parameters` there are
        and how many of them are trained (`trained_parameters`), and where the exports are: `export` for the SavedModel,
        `huggingface`, `peft`.

    Raises:
        TFTransferError: see the classes of `tftransfer.errors`; nothing is left behind that is not whole.
    """
    RunDirectory.check(run, overwrite or dry_run)
    keras.utils.set_random_seed(experiment.training.seed)
    store = ArrowStore.chosen(experiment.data.cache)
    splits = read_splits(experiment.data, store)
    task = _task(experiment.task)
    for part in splits.examples.values():
        check_answered(task, part)
    task = task.resolve(next(iter(splits.examples.values())).columns)
    sift_answers(task, splits, experiment.data.on_bad_rows)
    checkpoint = checkpoint_of(experiment, splits.examples.get("train"))
    with distribution(experiment.distribution.name, experiment.distribution.devices).scope():
        model = _build(experiment, checkpoint, task)
    note(f"{checkpoint.name}: {model.load_report}")
    _check_exportable(experiment, model)
    parts = splits.examples.items()
    encoded = {name: encode(model, part, store, name, training=name == "train") for name, part in parts}
    describe(splits, encoded)
    if dry_run:
        return _one_step(model, experiment, splits, encoded)
    with RunDirectory.create(run, overwrite) as directory:
        _write_inputs(directory, experiment, model, splits, encoded)
        start = time.monotonic()
        trained = _train(directory, experiment, model, encoded, splits)
        seconds = round(time.monotonic() - start, 1)
        if "validation" in splits.examples:
            tune(model, splits.examples["validation"], encoded["validation"])
            _write_task(directory, model.task)
        metrics = _judge(directory, model, splits.examples, encoded, trained)
        summary = {"run": str(run), "best_epoch": trained.best_epoch, "metrics": metrics, "train_seconds": seconds}
        summary |= {"trained_parameters": trained.trained_parameters, "parameters": trained.parameters}
        for format in experiment.export.formats if experiment.export.enabled else ():
            key = "export" if format == "savedmodel" else format
            summary[key] = str(_export(directory, model, splits.examples, format))
    return summary


def load(run: str | Path) -> TransferModel:
    """Returns the model of a run with its best weights.

    Args:
        run: str or Path. The run directory.

    Raises:
        RunDirectoryError: if there is no such run, it has no weights, or they were damaged.
    """
    directory = RunDirectory.open(run)
    experiment = config.load(directory.config)
    checkpoint = Checkpoint.described(directory.checkpoint)
    model = _build(experiment, checkpoint, _task(directory.read("task")), pretrained=False)
    weights.restore(model, directory.weights)
    return model


def evaluate(run: str | Path, data: str | Path | None = None) -> dict[str, Any]:
    """Returns the metrics of a run's model on labelled data.

    Args:
        run: str or Path. The run directory.
        data: str or Path. A file with the columns of the run's test (or else training) data. Defaults to None: the
            run's test data, or else its validation data.

    Returns:
        The task's metrics; for classification `accuracy`, `macro_f1`, `per_class` and more.
    """
    experiment = config.load(RunDirectory.open(run).config)
    model, store = load(run), ArrowStore.chosen(experiment.data.cache)
    if data is None:
        examples = _evaluation_split(experiment.data, run)
    else:
        block = experiment.data.test or experiment.data.train or {}
        examples, _ = read_file(block_for(str(data), block), "error", store=store)
    return _report(model, examples, encode(model, examples, store, Path(examples.path).name)).metrics()


def predict(
    run: str | Path, path: str | Path, *, format: str | None = None, batch_size: int = 32
) -> Iterator[dict[str, Any]]:
    """Yields one answer for each text of a file, in the file's order.

    Args:
        run: str or Path. The run directory.
        path: str or Path. A file with the text columns of the run's training data, or plain text, a text a line.
        format: str. A data format. Defaults to None: by the file's name.
        batch_size: int. Texts at a time. Defaults to 32.
    """
    directory = RunDirectory.open(run)
    data = config.load(directory.config).data
    block = data.train or data.test or {}
    # A blank line would have no answer, and those behind it would be matched with the wrong lines.
    options = {**block, "skip_blank": False}
    if not _task(directory.read("task")).is_pair({"text": [], "text_pair": []}):  # whatever it was trained on
        options |= {"text_pair": None, "text_negative": None}
    examples, _ = read_file(block_for(str(path), options, format), "error", answers=False)
    model = load(run)
    for start in range(0, len(examples), 32 * batch_size):
        part = examples.take(np.arange(start, min(start + 32 * batch_size, len(examples))))
        answers = model.task.decode(model.predict_scores(part, batch_size), part.columns)
        for row, answer in enumerate(answers):
            yield {**{role: values[row] for role, values in part.columns.items()}, **answer}


def export(run: str | Path, format: str = "savedmodel") -> Path:
    """Exports a run's model once more, as the next version; returns the version directory.

    Args:
        run: str or Path. The run directory.
        format: "savedmodel", "huggingface" or "peft". Defaults to "savedmodel".
    """
    directory = RunDirectory.open(run)
    experiment = config.load(directory.config)
    return _export(directory, load(run), {"validation": _evaluation_split(experiment.data, run)}, format)


def _task(block: dict[str, Any]) -> Task:
    return registry.tasks.build(*_named(block))


def _build(
    experiment: config.Experiment, checkpoint: Checkpoint, task: Task, *, pretrained: bool = True
) -> TransferModel:
    strategy = registry.strategies.build(*_named(experiment.strategy))
    return build(
        checkpoint,
        task,
        strategy=strategy.resolve(load) if pretrained else strategy,
        max_length=experiment.model.max_length,
        keep_layers=experiment.model.keep_layers if pretrained else None,  # a described one has no others
        precision=experiment.training.precision,
        weights=pretrained,
    )


def _check_exportable(experiment: config.Experiment, model: TransferModel) -> None:
    """Raises, before hours of training, what the export at its end would raise."""
    formats = experiment.export.formats if experiment.export.enabled else []
    reason = has_twin(model.tokenizer) if "savedmodel" in formats else None
    if reason:
        raise ExportError(
            f"{reason} To train all the same, without a SavedModel, add export.formats=[huggingface] or "
            "export.enabled=false."
        )
    if "huggingface" in formats:
        layout_of(model)
    if "peft" in formats:
        adapter_of(model)


def _one_step(
    model: TransferModel, experiment: config.Experiment, splits: Splits, encoded: dict[str, EncodedExamples]
) -> dict[str, Any]:
    training = _training(experiment, model.task)
    if not training.epochs:
        return {"dry_run": True, "steps": 0}
    steps = -(-len(encoded["train"]) // training.batch_size) * training.epochs
    training = training.model_copy(update={"epochs": 1, "warmup": 0, "patience": None})
    train = splits.examples["train"]
    batch = model.encode(train.take(np.arange(min(training.batch_size, len(train)))), training=True)
    start = time.monotonic()
    trained = fit_encoded(
        model,
        batch,
        None,
        strategy=model.strategy,
        regularizers=_regularizers(experiment),
        training=training,
        on_rates=lambda rates: note(rates_text(rates)),
    )
    return {
        "dry_run": True,
        "loss": trained.history["loss"][0],
        "first_step_seconds": round(time.monotonic() - start, 2),
        "steps": steps,
    }


def _training(experiment: config.Experiment, task: Task) -> config.Training:
    """Returns the options of training, of which a task that learns nothing wants no epochs."""
    return experiment.training if task.trains else experiment.training.model_copy(update={"epochs": 0})


def _regularizers(experiment: config.Experiment) -> list[Any]:
    return [registry.regularizers.build(*_named(block)) for block in experiment.regularizers]


def _named(block: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return block["name"], {k: v for k, v in block.items() if k != "name"}


def _write_inputs(
    directory: RunDirectory,
    experiment: config.Experiment,
    model: TransferModel,
    splits: Splits,
    encoded: dict[str, EncodedExamples],
) -> None:
    """Writes what the run is made from, before it is made."""
    resolved = config.to_dict(experiment)
    resolved["model"] |= {"max_length": model.max_length, "revision": model.checkpoint.revision or None}
    resolved["training"]["monitor"] = experiment.training.monitor or model.task.measured[0]
    atomic.write(directory.config, yaml_file.dump(resolved))
    if model.load_report is not None:
        directory.write("load_report", dataclasses.asdict(model.load_report))
    _write_task(directory, model.task)
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    directory.write("environment", {"python": platform.python_version(), "platform": platform.platform(), **versions})
    files = {
        name: {
            "path": part.path,
            "examples": len(part),
            "fingerprint": part.fingerprint,
            "truncated": int(encoded[name].tokens.truncated.sum()),
        }
        for name, part in splits.examples.items()
    }
    directory.write("data", {**files, "skipped": len(splits.bad_rows)})
    if splits.bad_rows:
        write_quarantine(directory.quarantine, splits.bad_rows)
    model.tokenizer.save(directory.checkpoint)
    model.checkpoint.describe(directory.checkpoint)  # with the checksums of both


def _write_task(directory: RunDirectory, task: Task) -> None:
    directory.write("task", {"name": task.name, **dataclasses.asdict(task)})  # type: ignore[call-overload]


def _train(
    directory: RunDirectory,
    experiment: config.Experiment,
    model: TransferModel,
    encoded: dict[str, EncodedExamples],
    splits: Splits,
) -> Trained:
    training = _training(experiment, model.task)
    with progress() as bar:
        if "train" in splits.examples:
            run_stages(model, splits.examples["train"], model.strategy, training, [bar])
        trained = fit_encoded(
            model,
            encoded.get("train"),
            encoded.get("validation"),
            strategy=model.strategy,
            regularizers=_regularizers(experiment),
            training=training,
            callbacks=[bar],
            where=splits.examples["train"].where if "train" in splits.examples else str,
            save=lambda epoch: weights.save(model, directory.weights, epoch),
            log_directory=directory.logs,
            on_rates=(lambda rates: _announce_rates(directory, rates)) if training.epochs else None,
            tell=note,
        )
    directory.write("history", trained.history)
    return trained


def _announce_rates(directory: RunDirectory, rates: Any) -> None:
    text = rates_text(rates)
    atomic.write(directory.path / "rates.txt", text + "\n")
    note(text)


def _report(model: TransferModel, examples: Examples, encoded: EncodedExamples) -> Any:
    task, report = model.task, registry.reports.get(model.task.report)
    if task.judged_by == "metrics":
        return report(**task.evidence(model.measure(encoded), examples.columns))
    origins = [examples.where(row) for row in range(len(examples))]
    return report(**task.evidence(model.predict_scores(encoded), examples.columns), origins=origins)


def _judge(
    directory: RunDirectory,
    model: TransferModel,
    examples: dict[str, Examples],
    encoded: dict[str, EncodedExamples],
    trained: Trained,
) -> dict[str, Any]:
    """Writes the report and the metrics of every split but the training data."""
    metrics: dict[str, Any] = {}
    for name in ("validation", "test"):
        if name in examples:
            metrics[name] = _report(model, examples[name], encoded[name]).write(directory.report / name)
    directory.write("metrics", {"best_epoch": trained.best_epoch, **metrics})
    directory.report.mkdir(exist_ok=True)
    if trained.history:
        plots.history(directory.report / "history.png", {k: v for k, v in trained.history.items() if k != "seconds"})
    return metrics


def _evaluation_split(data: config.Data, run: str | Path) -> Examples:
    block = data.test or data.validation
    if block is not None:  # the training file is read only where validation was cut from it
        store = ArrowStore.chosen(data.cache)
        if config.is_share(block):
            return read_splits(data, store).examples["validation"]
        return read_file(block, data.on_bad_rows, store=store)[0]
    raise RunDirectoryError(f"{run}: this run has neither test nor validation data. Name a file with --data FILE.")


def _export(directory: RunDirectory, model: TransferModel, examples: dict[str, Examples], format: str) -> Path:
    if format == "peft":
        return export_peft(model, directory.peft)
    part = examples.get("test") or examples.get("validation") or examples["train"]
    sample = part.take(np.arange(min(len(part), 200)))
    is_pair = model.task.is_pair(sample.columns)
    pairs: Sequence[str] | None = sample.columns["text_pair"] if is_pair else None
    if format == "huggingface":
        note("exporting to Hugging Face's format: comparing tensors and tokenizers")
        return export_huggingface(model, directory.huggingface, texts=sample.columns["text"], run=_facts(directory))
    note("exporting: comparing tokenizers, and predictions in a fresh process")
    return export_model(model, directory.export, texts=sample.columns["text"], text_pairs=pairs, pair=is_pair)


def _facts(directory: RunDirectory) -> dict[str, Any]:
    """Returns what a model card says of a run; one that was interrupted has no metrics yet."""
    names = [name for name in ("data", "metrics") if (directory.path / f"{name}.json").is_file()]
    resolved = config.to_dict(config.load(directory.config))
    return {"config": resolved, "data": {}, "metrics": {}, **{name: directory.read(name) for name in names}}

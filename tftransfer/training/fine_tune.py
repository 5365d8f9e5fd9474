"""`fine_tune`: a model, examples and a strategy to trained weights, with Keras's own `fit`."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tftransfer import registry
from tftransfer.config import Training, training_options
from tftransfer.data.batches import BatchPlan
from tftransfer.data.examples import Examples
from tftransfer.data.pipeline import EncodedExamples
from tftransfer.errors import ConfigError, DataError
from tftransfer.registry import suggest
from tftransfer.regularizers.regularizer import Regularizer
from tftransfer.strategies.strategy import Strategy
from tftransfer.tasks.task import Task
from tftransfer.training.callbacks import BestWeights, NonFiniteGuard, Timer
from tftransfer.training.feature_cache import features_once
from tftransfer.training.less_memory import apply_less_memory
from tftransfer.training.optimizer import AdamW
from tftransfer.training.packed import packed_rows
from tftransfer.training.progress import note, progress
from tftransfer.training.rates import RateRow, apply_rates
from tftransfer.training.schedule import WarmupLinearDecay, warmup_steps

__all__ = ["Trained", "check_answered", "compile_model", "fine_tune", "fit_encoded", "run_stages", "tune"]


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a fine-tuning did; the model holds the weights of the best epoch.

    Args:
        history: dict of metric name -> one float an epoch.
        best_epoch: int. The epoch that was kept, from 1.
        rates: list of RateRow. The strategy's table as it was applied.
    """

    history: dict[str, list[float]]
    best_epoch: int
    rates: list[RateRow]

    @property
    def parameters(self) -> int:
        """How many numbers the model's variables hold."""
        return sum(row.parameters for row in self.rates)

    @property
    def trained_parameters(self) -> int:
        """How many of them are not frozen."""
        return sum(row.parameters for row in self.rates if row.rate > 0)


def fine_tune(
    model: Any,
    train: Examples,
    validation: Examples | None = None,
    *,
    strategy: Strategy | None = None,
    regularizers: Sequence[Regularizer] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    show_progress: bool = True,
    **options: Any,
) -> Trained:
    """Trains a model on labelled examples; afterwards it holds the weights of its best epoch.

    Args:
        model: TransferModel. As `build` returns it.
        train: Examples. With "text" and "label" columns.
        validation: Examples. Their metrics choose the best epoch. Defaults to None: the last epoch is kept.
        strategy: Strategy. How much of the model moves. Defaults to None: the one that the model was built for, or else
            `strategies.Full()`, everything.
        regularizers: sequence of Regularizer. What goes with it. Defaults to ().
        callbacks: sequence of Keras callbacks. Added to ours. Defaults to ().
        show_progress: bool. Whether progress is shown on standard error. Defaults to True.
        **options: The fields of `tftransfer.config.Training`, such as `epochs`, `batch_size`, `learning_rate`,
            `warmup`, `seed` and `monitor`. (`precision` is chosen when the model is built.)

    Returns:
        A `Trained`.

    Raises:
        ConfigError: for an unknown option or a wrong value, or a task that learns nothing.
        DataError: if examples have no label, or one that the task does not know.
        TrainingError: if the loss is not finite.

    Example:

        >>> tftransfer.fine_tune(model, train, validation, learning_rate=2e-5, epochs=3)
    """
    training, strategy = training_options(options), strategy or model.strategy
    if not model.task.trains:
        raise ConfigError(f"Expected a task that is trained; {model.task.name} learns nothing. Ask the model as it is.")
    for examples in (train, *([validation] if validation is not None else [])):
        check_answered(model.task, examples)
    with contextlib.ExitStack() as stack:
        shown = [stack.enter_context(progress())] if show_progress else []
        run_stages(model, train, strategy, training, shown)
        encoded = None if validation is None else model.encode(validation)
        trained = fit_encoded(
            model,
            model.encode(train, training=True),
            encoded,
            strategy=strategy,
            regularizers=regularizers,
            training=training,
            callbacks=[*callbacks, *shown],
            where=train.where,
            tell=note if show_progress else None,
        )
    if validation is not None and encoded is not None:
        tune(model, validation, encoded)
    return trained


def check_answered(task: Task, examples: Examples) -> None:
    """Raises DataError unless examples hold what the task trains on and is judged by."""
    if not task.is_answered(examples.columns):
        raise DataError(
            f"{examples.path}: expected answers, in a column '{task.answer}'; received {', '.join(examples.columns)}."
        )


def run_stages(
    model: Any,
    train: Examples,
    strategy: Strategy,
    training: Training,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains a model as its strategy wants it before the main training; most strategies want nothing.

    Args:
        model: TransferModel.
        train: Examples. The training data.
        strategy: Strategy. Its `stages` say what is done.
        training: Training. Options of the main training, of which a stage takes what it does not set itself.
        callbacks: sequence of Keras callbacks. Defaults to ().
    """
    if not training.epochs:
        return
    for stage in strategy.stages(model, train.columns, training.seed):
        other = model.with_task(registry.tasks.build(stage.task, stage.options)) if stage.task else model
        columns = {role: list(values) for role, values in stage.columns.items()}
        where = f"{train.path}: what {type(strategy).__name__} makes of it"
        examples = Examples(columns, where, np.arange(1, len(columns["text"]) + 1))
        fit_encoded(
            other,
            other.encode(examples, training=True),
            None,
            strategy=stage.strategy,
            training=training.model_copy(update={"monitor": None, "patience": None, **stage.training}),
            callbacks=callbacks,
            where=examples.where,
        )


def tune(model: Any, validation: Examples, encoded: EncodedExamples) -> None:
    """Has a task choose on validation data what it does not learn, such as thresholds; most tasks have nothing to."""
    if model.task.tunes:
        model.task = model.task.tuned(model.predict_logits(encoded), validation.columns)


def compile_model(
    model: Any,
    strategy: Strategy,
    training: Training,
    total_steps: int,
    regularizers: Sequence[Regularizer] = (),
) -> list[RateRow]:
    """Applies a strategy's table to a model and compiles it.

    Args:
        model: TransferModel.
        strategy: Strategy.
        training: Training. Learning rate, decay, clipping.
        total_steps: int. Steps of the whole training.
        regularizers: sequence of Regularizer. Defaults to ().

    Returns:
        The rows of the table with what each claimed.

    Raises:
        ConfigError: if `jit_compile` is asked of a model that XLA cannot compile, `gradient_accumulation_steps` of a
            loss that needs the whole batch, or the strategy wants additions that the model was not built with.
    """
    if strategy.additions() != model.strategy.additions():
        raise ConfigError(
            f"strategy: expected a model that was built for it, since it adds layers; build the model with "
            f"strategy={strategy!r}. It was built with strategy={model.strategy!r}."
        )
    stubborn = [layer.name for layer in model.layers if not layer.supports_jit]
    if training.jit_compile and stubborn:
        raise ConfigError(
            f"jit_compile: expected layers that XLA can compile; '{', '.join(stubborn)}' has shapes that depend on the "
            "texts, such as a Longformer's number of global tokens. Set jit_compile to false."
        )
    for regularizer in regularizers if total_steps else ():
        regularizer.prepare(model)
    table = strategy.rates(model)
    rows = apply_rates([v for v in model.weights if v.path not in model.fixed_paths], table)
    warmup = warmup_steps(training.warmup, total_steps)
    schedule = strategy.schedule(training.learning_rate, total_steps, warmup) or WarmupLinearDecay(
        training.learning_rate, total_steps, warmup
    )
    options = {key: value for part in regularizers for key, value in part.optimizer_options().items()}
    model.clip_norm = training.clip_norm
    apply_less_memory(model, training, regularizers)
    with model.distribute_strategy.scope():
        optimizer = AdamW(schedule, rates=table, weight_decay=training.weight_decay, **options)
        model.compile(optimizer, model.task.loss(), metrics=model.task.metrics(), jit_compile=training.jit_compile)
        optimizer.build(model.trainable_variables)
        for part in _parts(strategy, regularizers):
            model.objective = part.objective(model, model.objective)
    return rows


def fit_encoded(
    model: Any,
    train: EncodedExamples | None,
    validation: EncodedExamples | None,
    *,
    strategy: Strategy,
    training: Training,
    regularizers: Sequence[Regularizer] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    where: Callable[[int], str] = str,
    save: Callable[[int], None] | None = None,
    log_directory: Path | None = None,
    on_rates: Callable[[list[RateRow]], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Trained:
    """As `fine_tune`, over encoded examples.

    Args:
        model: TransferModel.
        train, validation: EncodedExamples or None. With targets; no `train` if there is nothing to train.
        strategy: Strategy.
        regularizers: sequence of Regularizer. Defaults to ().
        training: Training. The options; of 0 epochs the model comes out as it went in.
        callbacks: sequence of Keras callbacks. Defaults to ().
        where: callable. From an example's index to a text that names it. Defaults to str.
        save: callable. Called with the epoch after each better one. Defaults to None.
        log_directory: Path. For TensorBoard. Defaults to None: no logs.
        on_rates: callable. Called with the applied table before the first step. Defaults to None.
        tell: callable. Called with what a person may want to know of features that are computed once. Defaults to None.
    """
    metric = _monitored(model.task, training.monitor)
    plan = _plan(train, training)
    rows = compile_model(model, strategy, training, plan.steps_per_epoch * training.epochs, regularizers)
    if on_rates is not None:
        on_rates(rows)
    if train is None or not training.epochs:
        if save is not None:
            save(-1)
        return Trained({}, 0, rows)

    guard = NonFiniteGuard(lambda epoch, step: ", ".join(map(where, train.examples_of(plan.rows(epoch, step)))))
    monitor = None if validation is None else f"val_{metric}"
    mode = "min" if metric in model.task.minimised else "max"
    best = BestWeights(monitor, mode, save)
    parts = _parts(strategy, regularizers)
    moving = [callback for part in parts for callback in part.callbacks(model)]
    with _batched(model, train, validation, training, parts, tell) as (given, held_out):
        history = model.fit(
            given.training_dataset(plan, training.epochs),
            epochs=training.epochs,
            steps_per_epoch=plan.steps_per_epoch,
            validation_data=None if held_out is None else held_out.evaluation_dataset(training.batch_size),
            callbacks=[guard, Timer(), *moving, best, *_optional(training, best, log_directory), *callbacks],
            shuffle=False,  # the plan has done it
            verbose=0,
        )
    floats = {name: [float(value) for value in values] for name, values in history.history.items()}
    return Trained(floats, (best.epoch or 0) + 1, rows)


def _plan(train: EncodedExamples | None, training: Training) -> BatchPlan:
    """Returns which examples form which batch."""
    if train is None or not training.epochs:
        return BatchPlan(0, training.batch_size, training.seed)
    return BatchPlan(
        len(train),
        training.batch_size,
        training.seed,
        lengths=train.lengths,
        grouped=training.batching == "length_grouped",
        tokens=training.batch_tokens,
    )


@contextlib.contextmanager
def _batched(
    model: Any,
    train: EncodedExamples,
    validation: EncodedExamples | None,
    training: Training,
    parts: Sequence[Any],
    tell: Callable[[str], None] | None,
) -> Iterator[tuple[EncodedExamples, EncodedExamples | None]]:
    """Gives the examples with all that decides what their batches hold."""
    train = dataclasses.replace(train, coarse=training.jit_compile)
    validation = validation and dataclasses.replace(validation, coarse=training.jit_compile)
    with (
        features_once(model, train, validation, training, parts, tell) as (given, held_out),
        packed_rows(model, given, held_out, training, parts, tell) as batched,
    ):
        yield batched


def _parts(strategy: Strategy, regularizers: Sequence[Regularizer]) -> list[Any]:
    """Returns all that has a say in a training, in the order in which they wrap the objective."""
    return [strategy, *regularizers]


def _optional(training: Training, best: BestWeights, log_directory: Path | None) -> list[keras.callbacks.Callback]:
    """Returns Keras's callbacks that not every training has."""
    chosen: list[keras.callbacks.Callback] = []
    if training.patience is not None and best.monitor is not None:
        chosen.append(keras.callbacks.EarlyStopping(best.monitor, patience=training.patience, mode=best.mode))
    if log_directory is not None:
        chosen.append(keras.callbacks.TensorBoard(log_directory, write_graph=False))
    return chosen


def _monitored(task: Task, monitor: str | None) -> str:
    """Returns the metric that chooses the best epoch."""
    known = task.measured
    if monitor is None:
        return known[0]
    if monitor not in known:
        raise ConfigError(f"monitor: unknown metric '{monitor}'.{suggest(monitor, known)} Known: {', '.join(known)}.")
    return monitor

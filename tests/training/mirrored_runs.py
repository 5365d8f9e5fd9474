"""Run by test_mirrored.py in a process of its own: one MirroredStrategy over two CPUs, several models in turn.

    python mirrored_runs.py CASES.json RESULTS_DIRECTORY

Each case is trained mirrored and, unless it is poisoned, on one device before; it leaves `NAME-single.npz` and
`NAME-mirrored.npz`.
"""

import collections
import dataclasses
import itertools
import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration(), tf.config.LogicalDeviceConfiguration()],
)

import keras  # noqa: E402

import tftransfer  # noqa: E402
from tftransfer import config, registry  # noqa: E402
from tftransfer.errors import TrainingError  # noqa: E402
from tftransfer.objective import Objective  # noqa: E402
from tftransfer.regularizers import Regularizer  # noqa: E402
from tftransfer.regularizers.components.other_values import with_values  # noqa: E402
from tftransfer.training.distribution import distribution  # noqa: E402
from tftransfer.training.fine_tune import fit_encoded  # noqa: E402


@registry.regularizers.register("alternating")
@dataclasses.dataclass(frozen=True)
class Alternating(Regularizer):
    """Lets every other pass of a step see longer word vectors: R-Drop has something to do without dropout."""

    def objective(self, model: Any, objective: Objective) -> Objective:
        (table,) = [variable for variable in model.weights if "word_embeddings" in variable.path]
        passes: dict[int, Any] = collections.defaultdict(
            itertools.count
        )  # of each replica, which is traced by a thread

        def alternating(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
            longer = tf.convert_to_tensor(table) * (1.0 + 0.5 * (next(passes[threading.get_ident()]) % 2))
            return with_values(model, [(table, longer)], objective)(x, y, sample_weight)

        return alternating


class Recorder(keras.callbacks.Callback):
    """Keeps the running loss after every step, and the weights before it."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.before: list[np.ndarray] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.before = self.model.get_weights()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.losses.append(logs["loss"])  # type: ignore[index]


def examples(columns: dict[str, list[Any]], rows: int) -> tftransfer.Examples:
    return tftransfer.Examples(columns, "toy.tsv", np.arange(len(columns["text"])) + 2).take(np.arange(rows))


def named(block: dict[str, Any]) -> dict[str, Any]:
    """Returns a config block as arguments of a registry's `build`."""
    return {"name": block["name"], "options": {key: value for key, value in block.items() if key != "name"}}


def run(case: dict[str, Any], strategy: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """Returns everything that the two runs of a case must agree in."""
    recorder = Recorder()
    with strategy.scope():
        keras.utils.set_random_seed(0)
        train_columns = examples(case["columns"], case["rows"]).columns
        task = registry.tasks.build(**named(case["task"])).resolve(train_columns)
        transfer = registry.strategies.build(**named(case["strategy"])).resolve(
            lambda run: tftransfer.build(case["checkpoint"], task)  # another model that it wants is a fresh one
        )
        model = tftransfer.build(case["checkpoint"], task, strategy=transfer)
    train = model.encode(examples(case["columns"], case["rows"]), training=True)
    if case["poisoned"]:
        train.weights[case["poisoned"]] = np.inf  # type: ignore[index]
    held_out = examples(case["columns"], 13)
    error = ""
    results: dict[str, Any] = {}
    try:
        trained = fit_encoded(
            model,
            train,
            model.encode(held_out),
            strategy=model.strategy,
            regularizers=[registry.regularizers.build(**named(block)) for block in case["regularizers"]],
            training=config.Training(**case["training"]),
            callbacks=[recorder],
            where=lambda row: f"toy.tsv:{row + 2}",
        )
        results = {f"history/{name}": values for name, values in trained.history.items() if name != "seconds"}
    except TrainingError as stopped:
        error = str(stopped)
    results |= {
        f"weight/{v.path}": np.asarray(value) for v, value in zip(model.weights, model.get_weights(), strict=True)
    }
    results |= {f"before/{v.path}": value for v, value in zip(model.weights, recorder.before, strict=True)}
    results |= {"losses": recorder.losses, "error": error, "iterations": int(model.optimizer.iterations.numpy())}
    if not error:
        logs = model.evaluate(model.encode(held_out).evaluation_dataset(8), verbose=0, return_dict=True)
        results |= {f"evaluate/{name}": value for name, value in logs.items()}
        results["copies"] = copies_differ(model, strategy)
        if case["task"]["name"] == "sequence_classification":
            results["scores"] = model.predict_scores(held_out, 8)
    return results


def copies_differ(model: keras.Model, strategy: tf.distribute.Strategy) -> int:
    """Returns how many weights are not the same, bit for bit, on all replicas."""
    copies = [[part.numpy().tobytes() for part in strategy.experimental_local_results(v.value)] for v in model.weights]
    assert {len(parts) for parts in copies} == {strategy.num_replicas_in_sync}
    return sum(len(set(parts)) > 1 for parts in copies)


def main() -> None:
    cases, directory = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    mirrored = distribution("mirrored")
    assert mirrored.num_replicas_in_sync == 2
    for name, case in cases.items():
        if not case["poisoned"]:
            np.savez(directory / f"{name}-single.npz", **run(case, tf.distribute.get_strategy()))
        np.savez(directory / f"{name}-mirrored.npz", **run(case, mirrored))


if __name__ == "__main__":
    main()

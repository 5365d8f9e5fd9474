"""Run by test_contracts.py in a process of its own: a step of every family on one device and on two replicas.

    python mirrored_families.py RESULTS.npz NAME=CHECKPOINT ...

For each family and "single" or "mirrored" it leaves the weights after the step, and how far each has moved.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration(), tf.config.LogicalDeviceConfiguration()],
)

import keras  # noqa: E402

import tftransfer  # noqa: E402
from tftransfer.training.distribution import distribution  # noqa: E402

TEXTS = ["good lamp", "bad box", "great", "wrong and late", "a long day", "no", "we will see"]  # of uneven parts
ROWS = tftransfer.Examples({"text": TEXTS, "label": ["yes", "no"] * 3 + ["no"]}, "toy.tsv", np.arange(7))


def step(checkpoint: str, strategy: tf.distribute.Strategy) -> np.ndarray:
    """Returns all weights after a step, and how far each has moved, `(2, numbers)`."""
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = tftransfer.build(checkpoint, tftransfer.tasks.SequenceClassification(["no", "yes"]))
        # Softmax does not see what a key's bias adds to all scores of a row: Adam would scale its rounding up.
    names = [n for n, v in enumerate(model.weights) if not v.path.endswith("attention/key/bias")]
    before = [model.get_weights()[n] for n in names]
    options = {"epochs": 1, "batch_size": 7, "warmup": 0, "learning_rate": 1e-3, "clip_norm": 0.1}
    tftransfer.fine_tune(model, ROWS, show_progress=False, **options)
    after = [model.get_weights()[n] for n in names]
    flat = np.concatenate([array.ravel() for array in after])
    return np.stack([flat, np.abs(flat - np.concatenate([array.ravel() for array in before]))])


def main() -> None:
    mirrored, results = distribution("mirrored"), {}
    for argument in sys.argv[2:]:
        name, checkpoint = argument.split("=", 1)
        results[f"{name}/single"] = step(checkpoint, tf.distribute.get_strategy())
        results[f"{name}/mirrored"] = step(checkpoint, mirrored)
    np.savez(Path(sys.argv[1]), **results)


if __name__ == "__main__":
    main()

"""One step of training gives every family the loss and the weights that PyTorch gives it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity import as_torch, batch, run, save, torch, torch_class, transformers_pad, types_of, write_tokenizer
from safetensors.numpy import load_file

import tftransfer
from tftransfer import registry
from tftransfer.backbones.tensors import collect
from tftransfer.training.optimizer import AdamW

pytestmark = pytest.mark.skipif(torch is None, reason="PyTorch is the reference")

KIND = "sequence_classification"
LEARNING_RATE, DECAY = 1e-3, 0.1
# Far above rounding: a key's bias has no gradient but rounding, which a small epsilon would scale up to whole steps.
EPSILON = 1e-4


def torch_step(
    model: Any, inputs: dict[str, np.ndarray], targets: np.ndarray, directory: Path
) -> tuple[float, dict[str, np.ndarray]]:
    """Returns the loss, and the weights after a step of AdamW, by their names in the file that it writes."""
    model.train()
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, eps=EPSILON)
    logits = model(**as_torch(model, inputs)).logits
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets.astype("int64")))
    loss.backward()
    optimizer.step()
    model.save_pretrained(directory)  # its modules may have other names than its files
    return loss.item(), load_file(directory / "model.safetensors")


@pytest.mark.parametrize("name", [n for n in registry.backbones.names() if torch_class(n, KIND)])
def test_loss_and_weights(name: str, tmp_path: Path, record_property: Callable[[str, Any], None]) -> None:
    reference = save(tmp_path, name, KIND, num_labels=3)
    write_tokenizer(tmp_path, transformers_pad(name))
    inputs, targets = batch(name, types=types_of(name)), np.array([0, 1, 2, 0, 1, 2], "int32")
    model = tftransfer.build(str(tmp_path), tftransfer.tasks.SequenceClassification(class_weights=None))
    assert model.task.labels == ("LABEL_0", "LABEL_1", "LABEL_2")  # the checkpoint's own
    before = collect(model.weights, model.checkpoint.family, KIND)
    np.testing.assert_allclose(model(inputs), run(reference, inputs).logits, rtol=0, atol=1e-5)

    model.compile(AdamW(LEARNING_RATE, weight_decay=DECAY, epsilon=EPSILON), model.task.loss(), run_eagerly=True)
    loss = model.train_on_batch(inputs, targets, return_dict=True)["loss"]
    expected, weights = torch_step(reference, inputs, targets, tmp_path / "after")
    assert loss == pytest.approx(expected, rel=1e-5)
    ours = collect(model.weights, model.checkpoint.family, KIND)
    if KIND in model.checkpoint.family.idle_poolers:
        weights = {key: array for key, array in weights.items() if "pooler." not in key}
    assert set(ours) == set(weights)
    for key, array in ours.items():
        scale = np.abs(weights[key]).max()
        assert np.abs(array - weights[key]).max() <= 1e-5 * scale, key
        record_property(f"{name}: training step", np.abs(array - weights[key]).max() / scale)
    moved = [key for key in ours if np.abs(ours[key] - before[key]).max() > 1e-5]
    # A Longformer's last layer reads a text by its global projections alone.
    assert len(moved) > 0.85 * len(ours)

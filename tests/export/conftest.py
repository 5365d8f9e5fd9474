"""A checkpoint small enough to export many times."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import tftransfer

HIDDEN, INTERMEDIATE, LAYERS, POSITIONS = 32, 64, 2, 64
WORDS = ["hello", "world", "the", "par", "##cel", "came", "late", "again", "it", "works", "thank", "you", "good", "bad"]
LABELS = ["bad", "good", "so so"]


def _vocabulary() -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{c}" for c in letters), *".,;!?'"]


def _tensors(vocab_size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocab_size, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "pooler.dense.weight": (HIDDEN, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{n}" for n in range(LAYERS)):
        names = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
        shapes |= {f"{layer}.{name}.weight": (HIDDEN, HIDDEN) for name in names}
        shapes[f"{layer}.intermediate.dense.weight"] = (INTERMEDIATE, HIDDEN)
        shapes[f"{layer}.output.dense.weight"] = (HIDDEN, INTERMEDIATE)
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    biases = {name.replace("weight", "bias"): shape[:1] for name, shape in shapes.items() if "embeddings" not in name}
    biases |= {f"{name}.bias": (HIDDEN,) for name in norms}
    tensors = {name: rng.normal(0, 0.3, shape) for name, shape in (shapes | biases).items()}
    tensors |= {f"{name}.weight": rng.normal(1, 0.1, HIDDEN) for name in norms}
    return {f"bert.{name}": value.astype("float32") for name, value in tensors.items()}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights, as Hugging Face lays it out."""
    directory, vocabulary = tmp_path_factory.mktemp("tiny-bert"), _vocabulary()
    config = {
        "model_type": "bert",
        "vocab_size": len(vocabulary),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": POSITIONS,
    }
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    save_file(_tensors(len(vocabulary)), directory / "model.safetensors")
    return directory


@pytest.fixture(scope="session")
def build(checkpoint: Path) -> Callable[..., Any]:
    """Builds a model on the checkpoint, with a head whose scores tell texts apart."""

    def build_model(labels: list[str] | None = None, **options: Any) -> Any:
        keras.utils.set_random_seed(3)
        task = tftransfer.tasks.SequenceClassification(labels=labels or LABELS)
        model = tftransfer.build(str(checkpoint), task, **options)
        rng = np.random.default_rng(5)
        for variable in model.trainable_variables:
            if "backbone" not in variable.path and "head/logits" in variable.path:
                variable.assign(rng.normal(0, 1, variable.shape))
        return model

    return build_model


@pytest.fixture(scope="session")
def model(build: Callable[..., Any]) -> Any:
    """A model over texts."""
    return build()


@pytest.fixture(scope="session")
def old_python(request: pytest.FixtureRequest) -> str:
    """An interpreter with TensorFlow 2.12.1 and the TensorFlow Text that TF Serving 2.12 to 2.19 link.

    `TFTRANSFER_OLD_PYTHON` names one; otherwise it is made once, in pytest's cache.
    """
    if named := os.environ.get("TFTRANSFER_OLD_PYTHON"):
        return named
    if sys.version_info >= (3, 12):
        pytest.skip("TensorFlow 2.12 needs Python 3.11 or older; name an interpreter in TFTRANSFER_OLD_PYTHON")
    directory = request.config.cache.mkdir("tensorflow-2.12.1")
    python, ready = directory / "bin" / "python", directory / "ready"
    if not ready.exists():
        install = [str(python), "-m", "pip", "install", "--quiet"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(directory)],
            [*install, "tensorflow-cpu==2.12.1", "tensorflow-hub<0.15"],
            [*install, "--no-deps", "tensorflow-text==2.12.1"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"cannot make an environment with TensorFlow 2.12.1: {done.stderr.strip()[-300:]}")
        ready.touch()
    return str(python)

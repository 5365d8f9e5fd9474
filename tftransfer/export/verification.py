"""The proof that an artefact answers like the model it was made of: first the tokens, then the scores."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tftransfer.data.examples import Examples
from tftransfer.errors import ExportError
from tftransfer.export.warmup import read_warmup
from tftransfer.tasks.task import Texts
from tftransfer.tokenizers import parity
from tftransfer.tokenizers.twin import has_exact_offsets

__all__ = ["answers_of", "check_answers", "check_tokens", "tolerance_of"]

_BATCH = 32
_SHOWN = 5
_OFFSETS = ("starts", "ends", "word_starts")


def check_tokens(model: Any, tokenizer: tf.Module, texts: Texts) -> int:
    """Compares the tokenizer in the graph with the one that the model was trained with.

    Args:
        model: TransferModel.
        tokenizer: tf.Module. The one in the graph.
        texts: Texts. The user's own, as they are tokenized. A fixed list of texts that tokenizers disagree on is added.

    Returns:
        How many rows were compared.

    Raises:
        ExportError: if a row has other tokens.
    """
    options = model.task.row_options
    hard = parity.torture(options.mask)
    # Backwards, so that a long text meets a short one: of two very long ones the Rust tokenizer keeps every combination
    # of their parts, which takes gigabytes.
    rows = [[*texts.first, *hard]]
    if texts.second is not None:
        rows.append([*texts.second, *hard[::-1]])
    found = parity.differences(model.tokenizer, tokenizer, *rows, max_length=model.max_length, options=options)
    if not has_exact_offsets(model.tokenizer):
        found = [difference for difference in found if difference.name not in _OFFSETS]
    if found:
        raise ExportError(
            f"Expected the tokenizer in the graph to answer what the model was trained with; on {len(found)} of "
            f"{len(rows[0])} texts it does not:\n"
            + "\n".join(
                f"  {d.text[:60]!r}: expected {d.name} {d.expected[:12]}, found {d.actual[:12]}" for d in found[:_SHOWN]
            )
            + "\nNothing was exported. Please report the text and the checkpoint."
        )
    return len(rows[0])


def tolerance_of(model: Any) -> float:
    """Returns how far scores may be apart: 1e-5, and 5e-2 for a model that computes in half precision.

    bfloat16 has 8 bits of precision, so that another order of the same additions, as in a batch of another shape, shows
    in the scores: by 0.02 in a small network with random weights.
    """
    return 1e-5 if {layer.compute_dtype for layer in model.layers} <= {"float32", "int32"} else 5e-2


def check_answers(model: Any, directory: Path, columns: Mapping[str, Sequence[str]], tolerance: float) -> float:
    """Compares the artefact's answers, given in a process of its own, with the model's.

    Args:
        model: TransferModel.
        directory: Path. The SavedModel, with its warmup requests.
        columns: dict. "text", and "text_pair" for a model over pairs.
        tolerance: float. Greatest difference between scores.

    Returns:
        The greatest difference between scores that there was.

    Raises:
        ExportError: if the process ends, a score is further off, or an answer is another one than the model's although
            its scores left no doubt.
    """
    texts = dict(zip(model.task.input_keys, columns.values(), strict=False))
    served = model.task.read_served(answers_of(directory, texts, warmup=read_warmup(directory))["outputs"])
    with _full_float32():
        lists = {key: list(values) for key, values in columns.items()}
        scores = model.predict_scores(Examples(lists, "<texts>", np.arange(len(lists["text"]))))
    expected = model.task.decode(scores, columns)
    if len(served) != len(expected):
        raise ExportError(f"Expected {len(expected)} answers from the artefact, one a text; found {len(served)}.")
    apart = np.array([_apart(one, other) for one, other in zip(expected, served, strict=True)])
    apart /= model.task.answer_scale
    # Where two answers are as good as each other, rounding decides between them.
    close = np.isinf(apart) & (model.task.margins(scores) <= 2 * tolerance)
    wanted = f"the model's answers, with scores within {tolerance:g}"
    _refuse(~((apart <= tolerance) | close), columns["text"], expected, served, wanted)  # NaN too
    return float(apart[~close].max(initial=0.0))


def _apart(one: Any, other: Any) -> float:
    """Returns the greatest difference between the floats of two answers; infinity if anything else differs.

    That of numbers greater than 1 is taken as a share of them, for so is their rounding.
    """
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) / max(abs(one), 1.0)
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return float(np.max([_apart(one[key], other[key]) for key in one], initial=0.0))  # NaN stays
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return float(np.max([_apart(*pair) for pair in zip(one, other, strict=True)], initial=0.0))
    return 0.0 if one == other else np.inf


def answers_of(
    directory: Path,
    columns: Mapping[str, Sequence[str]],
    *,
    warmup: Sequence[tuple[str, Mapping[str, Sequence[str]]]] = (),
    python: str = sys.executable,
) -> dict[str, Any]:
    """Returns what the artefact answers in a fresh process that knows TensorFlow and TensorFlow Text only.

    Args:
        directory: Path. The SavedModel.
        columns: dict. Input key -> texts.
        warmup: sequence of (signature, input key -> texts). Sent first; they only have to run. Defaults to ().
        python: str. The interpreter. Defaults to this one.

    Returns:
        A dict: `outputs`, from output key to a list with one value a text, and `tensorflow_version`.

    Raises:
        ExportError: if the process fails.
    """
    # On the CPU, as most servers; a GPU's memory is already taken by this process.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    request = {
        "directory": str(directory.resolve()),
        "columns": {key: list(values) for key, values in columns.items()},
        "batch_size": _BATCH,
        "warmup": [(name, dict(texts)) for name, texts in warmup],
    }
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "request.json"), Path(folder, "answer.json")
        asked.write_text(json.dumps(request), encoding="utf-8")
        # A copy, since Python looks for modules beside the script, and beside the original is tftransfer.
        script = shutil.copy(Path(__file__).with_name("fresh_process.py"), folder)
        command = [python, script, str(asked), str(answered)]
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise ExportError(
                f"Expected the artefact to load and answer in another process; it ended with {ended.returncode}.\n  "
                + "\n  ".join(ended.stderr.strip().splitlines()[-_SHOWN:])
            )
        return json.loads(answered.read_text(encoding="utf-8"))


@contextlib.contextmanager
def _full_float32() -> Iterator[None]:
    """Has a GPU multiply float32 in full, as a CPU does, so that the two can be compared."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def _refuse(wrong: np.ndarray, texts: Sequence[str], expected: Any, actual: Any, wanted: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        shown = [f"  {texts[row][:60]!r}: expected {expected[row]}, found {actual[row]}" for row in rows[:_SHOWN]]
        raise ExportError(
            f"Expected {wanted}; the artefact answers {len(rows)} of {len(texts)} texts otherwise:\n"
            + "\n".join(shown)
            + "\nNothing was exported. A head that looks at padding gives a text other scores in another batch: have "
            "it use the attention mask. Otherwise please report it."
        )

"""The real MiniLM equals PyTorch's on real messages, padded or packed."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import transformers

from tftransfer.backbones.backbone import Backbone
from tftransfer.backbones.checkpoint import Checkpoint

torch = pytest.importorskip("torch")

TOLERANCE = 1e-5  # hidden states have a standard deviation of 0.4
DATA = Path(__file__).parents[2] / "configs" / "data" / "customer_messages"


@pytest.fixture(scope="module")
def token_ids(minilm_checkpoint: Checkpoint) -> list[list[int]]:
    """200 texts as ids, shortest first: 184 messages, and 16 runs of messages of up to 256 tokens."""
    messages = []
    for path in sorted(DATA.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            messages += [row["text"] for row in csv.DictReader(file, delimiter="\t")]
    rng = np.random.default_rng(0)
    texts = [messages[i] for i in rng.choice(len(messages), 184, replace=False)]
    texts += [" ".join(rng.choice(messages, size)) for size in range(2, 18)]
    tokenizer = tokenizers.Tokenizer.from_file(str(minilm_checkpoint.directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return sorted((encoding.ids for encoding in tokenizer.encode_batch(texts)), key=len)


@pytest.fixture(scope="module")
def reference(minilm_checkpoint: Checkpoint) -> Any:
    return transformers.BertModel.from_pretrained(minilm_checkpoint.directory).eval()


def padded(rows: list[list[int]]) -> dict[str, np.ndarray]:
    length = max(map(len, rows)) + 3  # every row has padding
    ids = np.array([row + [0] * (length - len(row)) for row in rows], "int32")
    mask = np.array([[1] * len(row) + [0] * (length - len(row)) for row in rows], "int32")
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def packed(rows: list[list[int]], length: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
    """Returns the texts in as few rows as come of putting each into the first with room, and (row, start) of each."""
    bins: list[list[int]] = []
    places, numbers, positions = [], [], []
    for ids in rows:
        index = next((i for i, row in enumerate(bins) if len(row) + len(ids) <= length), len(bins))
        if index == len(bins):
            for new in (bins, numbers, positions):
                new.append([])
        places.append((index, len(bins[index])))
        numbers[index] += [max(numbers[index], default=0) + 1] * len(ids)
        positions[index] += range(len(ids))
        bins[index] += ids
    fields = {"input_ids": bins, "attention_mask": numbers, "position_ids": positions}
    inputs = {k: np.array([r + [0] * (length - len(r)) for r in v], "int32") for k, v in fields.items()}
    return {**inputs, "token_type_ids": np.zeros_like(inputs["input_ids"])}, places


def test_200_texts(token_ids: list[list[int]], reference: Any, minilm: Backbone) -> None:
    assert len(token_ids) == 200
    assert len(token_ids[0]) < 12
    assert len(token_ids[-1]) == 256
    worst = worst_pooled = 0.0
    for start in range(0, 200, 20):
        inputs = padded(token_ids[start : start + 20])
        with torch.no_grad():
            expected = reference(**{name: torch.from_numpy(array.astype("int64")) for name, array in inputs.items()})
        outputs = minilm(inputs)
        difference = np.abs(outputs["last_hidden_state"] - expected.last_hidden_state.numpy())
        worst = max(worst, difference[inputs["attention_mask"] > 0].max())
        worst_pooled = max(worst_pooled, np.abs(outputs["pooler_output"] - expected.pooler_output.numpy()).max())
    figures = f"greatest difference: {worst:.2e} of last_hidden_state, {worst_pooled:.2e} of pooler_output"
    print(figures)
    assert worst <= TOLERANCE, figures
    assert worst_pooled <= TOLERANCE, figures


def test_the_whole_file_is_used(minilm: Backbone) -> None:
    assert minilm.load_report is not None
    assert minilm.load_report.left_out == ("embeddings.position_ids",)  # a buffer, not a weight
    assert len(minilm.load_report.loaded) == len(minilm.weights) == 103


@pytest.mark.parametrize("explicit", [True, False], ids=["position_ids", "default positions"])
def test_packed_texts_are_as_if_alone(
    explicit: bool, token_ids: list[list[int]], minilm_checkpoint: Checkpoint, minilm: Backbone
) -> None:
    rows = [row for row in token_ids if len(row) <= 90][::6]
    np.random.default_rng(1).shuffle(rows)
    inputs, places = packed(rows, length=96)
    assert inputs["attention_mask"].max() >= 4
    assert len(inputs["input_ids"]) < len(rows) / 2
    backbone = Backbone.from_checkpoint(minilm_checkpoint, position_ids=True) if explicit else minilm
    together = backbone({name: inputs[name] for name in backbone.input})
    alone = minilm(padded(rows))
    worst, first = 0.0, 0
    for n, ((row, start), ids) in enumerate(zip(places, rows, strict=True)):
        ours = together["last_hidden_state"][row, start : start + len(ids)]
        worst = max(worst, np.abs(ours - alone["last_hidden_state"][n, : len(ids)]).max())
        if start == 0:  # the pooler looks at a row's first token
            first += 1
            worst = max(worst, np.abs(together["pooler_output"][row] - alone["pooler_output"][n]).max())
    print(f"{len(rows)} texts in {first} rows: greatest difference {worst:.2e}")
    assert first == len(inputs["input_ids"])
    assert worst <= TOLERANCE, f"greatest difference between packed and alone: {worst:.2e}"

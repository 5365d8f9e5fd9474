"""Writes goldens/*.json: numbers of PyTorch's models, for machines without PyTorch.

PYTHONPATH=tests/shared python tests/backbones/make_goldens.py [FAMILY ...]

One file for MiniLM on a real text, and one a family for the tiny checkpoint that tests/shared/tiny.py writes.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from parity import batch, run, types_of
from tiny import write_checkpoint

from tftransfer import registry
from tftransfer.backbones.checkpoint import Checkpoint

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
TEXT = "My parcel never arrived, and the refund you promised me on Tuesday hasn't either."
DIRECTORY = Path(__file__).parent / "goldens"


def write(file: str, states: Any, **facts: Any) -> None:
    """Writes five numbers of hidden states `(length, hidden)`, from corner to corner, and how they came about."""
    length, width = states.shape
    places = [(i * (length - 1) // 4, i * (width - 1) // 4) for i in range(5)]
    golden = {
        "made_by": f"torch {torch.__version__}, transformers {transformers.__version__}",
        **facts,
        "places": places,  # (token, unit)
        "last_hidden_state": [round(float(states[place]), 7) for place in places],
    }
    (DIRECTORY / f"{file}.json").write_text(json.dumps(golden, indent=2) + "\n", encoding="utf-8")


def minilm() -> None:
    checkpoint = Checkpoint.find(MINILM)
    tokenizer = tokenizers.Tokenizer.from_file(str(checkpoint.directory / "tokenizer.json"))
    tokenizer.no_padding()
    ids = tokenizer.encode(TEXT).ids
    model = transformers.BertModel.from_pretrained(checkpoint.directory).eval()
    with torch.no_grad():
        states = model(torch.tensor([ids])).last_hidden_state[0]
    write("minilm", states, name=MINILM, revision=checkpoint.revision, text=TEXT, input_ids=ids)


def tiny(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder), name)
        model = transformers.AutoModel.from_pretrained(folder).eval()
    write(name, run(model, batch(name, types=types_of(name))).last_hidden_state[0])


def main() -> None:
    """Writes the files."""
    DIRECTORY.mkdir(exist_ok=True)
    if not sys.argv[1:]:
        minilm()
    for name in sys.argv[1:] or registry.backbones.names():
        tiny(name)


if __name__ == "__main__":
    main()

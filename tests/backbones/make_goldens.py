"""Writes goldens/bert.json: numbers of PyTorch's MiniLM, for machines without PyTorch.

python tests/backbones/make_goldens.py
"""

import json
from pathlib import Path

import tokenizers
import torch
import transformers

from tftransfer.backbones.checkpoint import Checkpoint

NAME = "sentence-transformers/all-MiniLM-L6-v2"
TEXT = "My parcel never arrived, and the refund you promised me on Tuesday hasn't either."


def main() -> None:
    """Writes the file."""
    checkpoint = Checkpoint.find(NAME)
    tokenizer = tokenizers.Tokenizer.from_file(str(checkpoint.directory / "tokenizer.json"))
    tokenizer.no_padding()
    ids = tokenizer.encode(TEXT).ids
    model = transformers.BertModel.from_pretrained(checkpoint.directory).eval()
    with torch.no_grad():
        states = model(torch.tensor([ids])).last_hidden_state[0]  # (length, 384)
    places = [(i * (len(ids) - 1) // 4, i * 383 // 4) for i in range(5)]
    golden = {
        "made_by": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "name": NAME,
        "revision": checkpoint.revision,
        "text": TEXT,
        "input_ids": ids,
        "places": places,  # (token, unit)
        "last_hidden_state": [round(states[place].item(), 7) for place in places],
    }
    path = Path(__file__).parent / "goldens" / "bert.json"
    path.write_text(json.dumps(golden, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

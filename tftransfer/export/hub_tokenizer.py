"""The tokenizer's files as `transformers.AutoTokenizer` reads them, and the proof that it gives the same tokens."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tftransfer import atomic
from tftransfer.errors import ExportError
from tftransfer.tokenizers.torture import torture

__all__ = ["check_tokenizer", "write_tokenizer"]

# Special token of transformers -> how it is usually written.
_USUAL = {
    "bos_token": ("<s>",),
    "eos_token": ("</s>",),
    "unk_token": ("[UNK]", "<unk>"),
    "sep_token": ("[SEP]", "</s>"),
    "pad_token": (),
    "cls_token": ("[CLS]", "<s>"),
    "mask_token": ("[MASK]", "<mask>"),
}
_PAIR_LENGTH = 200  # in characters: Rust keeps every combination of the parts of two very long texts
_SHOWN = 5


def write_tokenizer(model: Any, directory: Path) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json`.

    The class is the one that takes `tokenizer.json` as it is; a family's own would make parts of it anew. As in
    training, a special token typed in a text is text - except for masked words, whose mask has to be typed.

    Args:
        model: TransferModel.
        directory: Path. Where to.
    """
    model.tokenizer.save(directory)
    # With the only row of a table of one, nothing changes; and classes without a table do not take the argument.
    types = ["token_type_ids"] if model.checkpoint.config.type_vocab_size > 1 else []
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.max_length,
        "model_input_names": ["input_ids", *types, "attention_mask"],
        "split_special_tokens": model.task.head_kind != "masked_lm",
        **_special_tokens(model),
    }
    atomic.write(directory / "tokenizer_config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _special_tokens(model: Any) -> dict[str, Any]:
    """Returns the names of the special tokens: those of the checkpoint's files, or else the usual ones."""
    rust, directory = model.tokenizer.rust, model.checkpoint.directory
    paths = [directory / name for name in ("special_tokens_map.json", "tokenizer_config.json")]
    named: dict[str, Any] = {}
    for path in filter(Path.is_file, paths):
        named |= json.loads(path.read_text(encoding="utf-8"))
    tokens = {key: named.get(key) for key in _USUAL}
    if not any(tokens.values()):
        tokens = {key: next((t for t in texts if _id(rust, t) is not None), None) for key, texts in _USUAL.items()}
    tokens["pad_token"] = tokens["pad_token"] or rust.id_to_token(model.tokenizer.pad_token_id)
    # transformers would give a token that the vocabulary lacks a new id, for which there is no embedding.
    return {key: token for key, token in tokens.items() if _id(rust, token) is not None}


def _id(rust: Any, token: Any) -> int | None:
    text = token.get("content") if isinstance(token, dict) else token
    return rust.token_to_id(text) if isinstance(text, str) else None


def check_tokenizer(model: Any, directory: Path, texts: Sequence[str]) -> int:
    """Compares what `AutoTokenizer` reads from a directory with the tokenizer that the model was trained with.

    Args:
        model: TransferModel.
        directory: Path. The export.
        texts: sequence of str. Texts of the user's; a fixed list of hard ones is added.

    Returns:
        How many rows were compared.

    Raises:
        ExportError: if a row has other tokens.
    """
    from transformers import AutoTokenizer  # slow to import

    theirs = AutoTokenizer.from_pretrained(str(directory.resolve()), local_files_only=True, trust_remote_code=False)
    rows = [*texts, *torture()]
    short = [text for text in rows if len(text) < _PAIR_LENGTH]
    for columns in ((rows,), (short, short[::-1])):
        _compare(model, theirs, columns)
    return len(rows) + len(short)


def _compare(model: Any, theirs: Any, columns: Sequence[list[str]]) -> None:
    as_text = {"split_special_tokens": True} if model.task.head_kind == "masked_lm" else {}
    options = {"truncation": True, "max_length": model.max_length, "return_token_type_ids": True, **as_text}
    actual, expected = theirs(*columns, **options), model.tokenizer.encode(*columns, max_length=model.max_length)
    wrong = []
    for row, text in enumerate(columns[0]):
        part = slice(*expected.offsets[row : row + 2])
        ids, types = actual["input_ids"][row], actual["token_type_ids"][row]
        if not np.array_equal(ids, expected.input_ids[part]) or not np.array_equal(
            types, expected.token_type_ids[part]
        ):
            wrong.append(f"  {text[:60]!r}: expected ids {expected.input_ids[part][:12].tolist()}, found {ids[:12]}")
    if wrong:
        raise ExportError(
            f"Expected transformers' tokenizer to answer what the model was trained with; on {len(wrong)} of "
            f"{len(columns[0])} texts it does not:\n"
            + "\n".join(wrong[:_SHOWN])
            + "\nNothing was exported. Please report the text and the checkpoint."
        )

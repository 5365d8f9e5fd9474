"""Reading a tokenizer from the files of a checkpoint directory. No pickle, no code of the checkpoint."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers

from tftransfer.errors import CheckpointError

__all__ = ["read_mask_token_id", "read_pad_token_id", "read_tokenizer"]

OLDER_FORMS = ("vocab.txt", "vocab.json", "spiece.model", "spm.model", "sentencepiece.bpe.model", "tokenizer.model")
_USUAL_PAD_TOKENS = ("[PAD]", "<pad>")
_USUAL_MASK_TOKENS = ("[MASK]", "<mask>")


def read_tokenizer(directory: Path) -> tokenizers.Tokenizer:
    """Reads `tokenizer.json` if there, else lets transformers convert one of the older forms.

    Args:
        directory: Path. A Hugging Face checkpoint directory.

    Returns:
        A `tokenizers.Tokenizer`, with the settings of its file.

    Raises:
        CheckpointError: The files are missing or cannot be read.
    """
    path = directory / "tokenizer.json"
    if path.is_file():
        try:
            return tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise CheckpointError(
                f"Expected {path} to be a fast tokenizer, but reading it failed: {error}. Download it again, or delete "
                "it if the directory also holds an older form such as vocab.txt."
            ) from error
    present = [name for name in OLDER_FORMS if (directory / name).is_file()]
    if not present:
        raise CheckpointError(
            f"Expected tokenizer.json or one of {', '.join(OLDER_FORMS)} in {directory}, found none of them. Copy the "
            "tokenizer's files of the checkpoint there."
        )
    return _convert(directory, present)


def _convert(directory: Path, present: list[str]) -> tokenizers.Tokenizer:
    if present[0].endswith(".model") and importlib.util.find_spec("sentencepiece") is None:
        raise CheckpointError(
            f"Expected the package sentencepiece, which reads {present[0]} in {directory}, found it missing. Install "
            "it with pip install 'sentencepiece>=0.2.1', or put a tokenizer.json beside the file."
        )
    from transformers import AutoTokenizer  # slow to import, and needed for old checkpoints only

    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        rust = tokenizer.backend_tokenizer
    except Exception as error:  # transformers raises whatever the conversion met
        raise CheckpointError(
            f"Expected to read a tokenizer from {', '.join(present)} in {directory}, but transformers could not: "
            f"{_first_line(error)} The directory also needs config.json with its model_type (or tokenizer_config.json "
            "with its tokenizer_class); a tokenizer.json is the surest form."
        ) from error
    _refuse_an_empty_vocabulary(rust, directory, present)
    return rust


def _refuse_an_empty_vocabulary(rust: tokenizers.Tokenizer, directory: Path, present: list[str]) -> None:
    """A conversion may fail silently: what is left then are special tokens, and every text is unknown."""
    special = {token.content for token in rust.get_added_tokens_decoder().values()}
    pieces = (piece for piece in rust.get_vocab(with_added_tokens=False) if piece not in special)
    if not any(char.isalnum() for piece in pieces for char in piece):
        raise CheckpointError(
            f"Expected a vocabulary with words from {', '.join(present)} in {directory}, found special tokens only: to "
            "such a tokenizer every text is unknown. Check that config.json has the model_type of the checkpoint, or "
            "save a tokenizer.json with the library that made it."
        )


def read_pad_token_id(rust: tokenizers.Tokenizer, directory: Path | None = None) -> int:
    """Finds the id that fills short rows.

    The pad token's name in the files beside the tokenizer decides; then the tokenizer's own padding, the
    `pad_token_id` of `config.json`, and the usual names. Without any it is 0: padding is masked, so any id will do.

    Args:
        rust: `tokenizers.Tokenizer`.
        directory: Path to the files beside it. Defaults to `None`.

    Returns:
        An int.
    """
    if (named := _named(rust, directory, "pad_token")) is not None:
        return named
    if rust.padding is not None:
        return int(rust.padding["pad_id"])
    configured = _read_json(directory / "config.json").get("pad_token_id") if directory is not None else None
    if isinstance(configured, int) and configured >= 0:
        return configured
    return _first_known(rust, _USUAL_PAD_TOKENS) or 0


def read_mask_token_id(rust: tokenizers.Tokenizer, directory: Path | None = None) -> int | None:
    """Finds the id that hides a token from a masked language model.

    The mask token's name in the files beside the tokenizer decides, then the usual names.

    Args:
        rust: `tokenizers.Tokenizer`.
        directory: Path to the files beside it. Defaults to `None`.

    Returns:
        An int, or None if there is no such token.
    """
    named = _named(rust, directory, "mask_token")
    return _first_known(rust, _USUAL_MASK_TOKENS) if named is None else named


def _named(rust: tokenizers.Tokenizer, directory: Path | None, role: str) -> int | None:
    """The id of the token that the files beside the tokenizer name for a role."""
    if directory is None:
        return None
    tokens = [_read_json(directory / name).get(role) for name in ("tokenizer_config.json", "special_tokens_map.json")]
    return _first_known(rust, [token.get("content") if isinstance(token, dict) else token for token in tokens])


def _first_known(rust: tokenizers.Tokenizer, tokens: Sequence[Any]) -> int | None:
    ids = (rust.token_to_id(token) for token in tokens if isinstance(token, str))
    return next((i for i in ids if i is not None), None)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"Expected {path} to be JSON, but reading it failed: {error}. Download it again."
        ) from error
    return content if isinstance(content, dict) else {}


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]

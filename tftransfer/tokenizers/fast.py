"""The checkpoint's own fast (Rust) tokenizer, in bulk and without TensorFlow."""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tokenizers

from tftransfer.errors import ConfigError, DataError
from tftransfer.tokenizers.reading import read_pad_token_id, read_tokenizer

__all__ = ["Encoded", "FastTokenizer"]

# Rows a call to Rust: enough to keep all its threads busy, few enough that the encodings of a whole corpus never sit in
# memory as objects at once.
_ROWS = 4096


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Tokenized rows in flat form: row i is `offsets[i]:offsets[i + 1]` of the flat arrays.

    Args:
        input_ids: int32 array `[total]`, with the special tokens and without padding.
        token_type_ids: int32 array `[total]`.
        offsets: int32 array `[rows + 1]`.
        truncated: bool array `[rows]`. Whether the text had more tokens than fitted.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    offsets: np.ndarray
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.truncated)


class FastTokenizer:
    """A `tokenizers.Tokenizer` with the settings that training and serving share.

    Truncation and padding stored in the file are switched off, and a special token typed inside a text, such as
    "[SEP]", is ordinary text.

    Args:
        rust: `tokenizers.Tokenizer`. Its settings are changed in place.
        pad_token_id: int, the id that fills short rows, or None to look for a pad token. Defaults to `None`.

    Example:

    >>> tokenizer = FastTokenizer.from_directory(Path("all-MiniLM-L6-v2"))
    >>> tokenizer.encode(["Hello world"], max_length=128).input_ids
    array([ 101, 7592, 2088,  102], dtype=int32)
    """

    def __init__(self, rust: tokenizers.Tokenizer, pad_token_id: int | None = None) -> None:
        self.pad_token_id: int = read_pad_token_id(rust) if pad_token_id is None else int(pad_token_id)
        self.rust = rust
        rust.no_truncation()
        rust.no_padding()
        rust.encode_special_tokens = True

    @classmethod
    def from_directory(cls, directory: Path) -> "FastTokenizer":
        """Reads the tokenizer of a checkpoint directory: `tokenizer.json`, or else one of the older forms.

        Args:
            directory: Path. A Hugging Face checkpoint directory.

        Returns:
            A `FastTokenizer`.

        Raises:
            CheckpointError: The files are missing or cannot be read.
        """
        directory = Path(directory)
        rust = read_tokenizer(directory)
        return cls(rust, read_pad_token_id(rust, directory))

    @property
    def kind(self) -> str:
        """The kind of model: "WordPiece", "BPE", "Unigram" or "WordLevel"."""
        return type(self.rust.model).__name__

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return self.rust.get_vocab_size(with_added_tokens=True)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical `tokenizer.json`, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The canonical content of `tokenizer.json`, without truncation and padding."""
        return self.rust.to_str()

    def save(self, directory: Path) -> None:
        """Writes `tokenizer.json`; its padding section holds the id of padding, so that reading it back finds it."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        copy = tokenizers.Tokenizer.from_str(self.to_json())
        copy.enable_padding(pad_id=self.pad_token_id, pad_token=copy.id_to_token(self.pad_token_id) or "[PAD]")
        copy.save(str(directory / "tokenizer.json"))

    def encode(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None, *, max_length: int) -> Encoded:
        """Tokenizes many texts, or pairs of texts, adding the special tokens and no padding.

        A row longer than `max_length` loses tokens at the end of its longer text first ("longest_first").

        Args:
            texts: sequence of str.
            text_pairs: sequence of str of the same length, the second text of each row. Defaults to `None`.
            max_length: int, in tokens, special tokens included.

        Returns:
            An `Encoded`.

        Raises:
            ConfigError: `max_length` leaves no room beside the special tokens.
            DataError: A row is not a str, or holds half a surrogate pair.
        """
        self.check_max_length(max_length, pair=text_pairs is not None)
        if text_pairs is not None and len(text_pairs) != len(texts):
            raise DataError(f"Expected as many second texts as first texts ({len(texts)}), got {len(text_pairs)}.")
        rows = list(texts) if text_pairs is None else list(zip(texts, text_pairs, strict=True))
        parts = [self._encode_some(rows[start : start + _ROWS], max_length) for start in range(0, len(rows), _ROWS)]
        lengths = np.concatenate([part[0] for part in parts] or [np.zeros(0, np.int64)])
        return Encoded(
            input_ids=np.concatenate([part[1] for part in parts] or [np.zeros(0, np.int32)]),
            token_type_ids=np.concatenate([part[2] for part in parts] or [np.zeros(0, np.int32)]),
            offsets=_offsets(lengths),
            truncated=np.concatenate([part[3] for part in parts] or [np.zeros(0, bool)]),
        )

    def check_max_length(self, max_length: int, pair: bool = False) -> None:
        """Raises ConfigError unless `max_length` leaves room for a token of each text beside the special tokens."""
        special, texts = self.rust.num_special_tokens_to_add(pair), 1 + pair
        if max_length < special + texts:
            raise ConfigError(
                f"Expected max_length to be at least {special + texts} ({special} special tokens and a token of each "
                f"text), got {max_length}. Raise it."
            )

    def _encode_some(self, rows: list, max_length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        try:
            encodings = self.rust.encode_batch_fast(rows)
        except TypeError as error:
            raise DataError(_complaint(rows)) from error
        ids, types = [e.ids for e in encodings], [e.type_ids for e in encodings]
        # Rust's own truncation also makes every combination of what it cuts off: gigabytes for a pair of long texts.
        truncated = np.array([len(row) > max_length for row in ids], bool)
        for row in np.flatnonzero(truncated):
            kept = _kept(encodings[row].sequence_ids, max_length)
            ids[row], types[row] = ([values[i] for i in kept] for values in (ids[row], types[row]))
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = [np.fromiter(itertools.chain.from_iterable(x), np.int32, int(lengths.sum())) for x in (ids, types)]
        return lengths, flat[0], flat[1], truncated


def _kept(sequence_ids: Sequence[int | None], max_length: int) -> np.ndarray:
    """Returns which tokens of a row stay: special ones, and the first of each text, by Rust's "longest_first".

    Args:
        sequence_ids: for each token, 0 or 1 for the text it is of, None for a special token.
        max_length: int. How many stay.
    """
    texts = np.array([-1 if n is None else n for n in sequence_ids])
    first, second = int((texts == 0).sum()), int((texts == 1).sum())
    room = max_length - int((texts == -1).sum())
    # The longer text gives way first, and has the odd token; of two equally long ones the second counts as the longer.
    short = min(first, second, room // 2)
    long = min(max(first, second), room - short)
    limits = (long, short) if first > second else (short, long)
    stays = texts == -1
    for text, limit in enumerate(limits):
        stays[np.flatnonzero(texts == text)[:limit]] = True
    return np.flatnonzero(stays)


def _offsets(lengths: np.ndarray) -> np.ndarray:
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    if ends[-1] > np.iinfo(np.int32).max:
        raise DataError(f"Expected at most 2,147,483,647 tokens in one call, got {ends[-1]:,}. Encode it in parts.")
    return ends.astype(np.int32)


def _complaint(rows: Sequence[object]) -> str:
    """Says which row Rust refused, and why."""
    for row in rows:
        for text in row if isinstance(row, tuple) else (row,):
            if not isinstance(text, str):
                return f"Expected every text to be a str, got {text!r} ({type(text).__name__}). Drop or fill such rows."
            try:
                text.encode()
            except UnicodeEncodeError as error:
                return (
                    f"Expected text that can be written as UTF-8, got half a surrogate pair ({text[error.start]!a}) at "
                    f"character {error.start} of {text[:60]!a}. Read the file as UTF-8, or repair it with "
                    'text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").'
                )
    return "Expected every text to be a str."

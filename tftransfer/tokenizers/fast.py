"""The checkpoint's own fast (Rust) tokenizer, in bulk and without TensorFlow."""

import collections
import functools
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from tftransfer.errors import ConfigError, DataError
from tftransfer.row_options import RowOptions
from tftransfer.tokenizers.encoded import Encoded, join
from tftransfer.tokenizers.layout import HEAD, check_options, rows_of
from tftransfer.tokenizers.mask_word import MaskWord
from tftransfer.tokenizers.reading import read_mask_token_id, read_pad_token_id, read_tokenizer
from tftransfer.tokenizers.spans import space_ideographs, spans

__all__ = ["FastTokenizer"]

# A call to Rust: enough to keep all its threads busy, little enough that its encodings, some 100 bytes a token, never
# fill the memory.
_ROWS = 4096
_CHARACTERS = 2**20
_STEP = 256  # rows that are looked at together; a call ends behind them
_AT_ONCE = 2  # calls, so that Rust tokenizes one part while the last one is made into arrays


class FastTokenizer:
    """A `tokenizers.Tokenizer` with the settings that training and serving share.

    Truncation and padding stored in the file are switched off, and a special token typed inside a text, such as
    "[SEP]", is ordinary text.

    Args:
        rust: `tokenizers.Tokenizer`. Its settings are changed in place.
        pad_token_id: int, the id that fills short rows, or None to look for a pad token. Defaults to `None`.
        mask_token_id: int, the id that hides a token from a masked language model, or None to look for a mask token.
            Defaults to `None`.

    Example:

    >>> tokenizer = FastTokenizer.from_directory(Path("all-MiniLM-L6-v2"))
    >>> tokenizer.encode(["Hello world"], max_length=128).input_ids
    array([ 101, 7592, 2088,  102], dtype=int32)
    """

    def __init__(
        self, rust: tokenizers.Tokenizer, pad_token_id: int | None = None, mask_token_id: int | None = None
    ) -> None:
        self.pad_token_id: int = read_pad_token_id(rust) if pad_token_id is None else int(pad_token_id)
        self.mask_token_id: int | None = read_mask_token_id(rust) if mask_token_id is None else int(mask_token_id)
        self.rust = rust
        self._with_mask: dict[tuple[str, bool], tuple[tokenizers.Tokenizer, int]] = {}
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
        return cls(rust, read_pad_token_id(rust, directory), read_mask_token_id(rust, directory))

    @property
    def kind(self) -> str:
        """The kind of model: "WordPiece", "BPE", "Unigram" or "WordLevel"."""
        return type(self.rust.model).__name__

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return self.rust.get_vocab_size(with_added_tokens=True)

    @functools.cached_property
    def special_ids(self) -> frozenset[int]:
        """The ids of special tokens: those the tokenizer is told of, and those it puts around texts."""
        told = (i for i, token in self.rust.get_added_tokens_decoder().items() if token.special)
        return frozenset((*told, *self.rust.encode("").ids, *self.rust.encode("", "").ids))

    def mask_word(self, text: str) -> MaskWord:
        """A word of the user's that stands for the mask token; ConfigError if it cannot."""
        return MaskWord.of(self.rust, self.mask_token_id, text)

    def decode_token(self, token_id: int) -> str:
        """The text of one token, as the tokenizer's decoder writes it, special ones too: "##ing", " world"."""
        return self.rust.decode([token_id], skip_special_tokens=False)

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

    @functools.cached_property
    def _untrimmed(self) -> tokenizers.Tokenizer:
        """The tokenizer with offsets as they are: post-processors trim spaces only, and also one put before a text."""
        content = json.loads(self.to_json())
        if "trim_offsets" not in json.dumps(content["post_processor"]):
            return self.rust
        content["post_processor"] = json.loads(json.dumps(content["post_processor"]), object_hook=_untrimming)
        copy = tokenizers.Tokenizer.from_str(json.dumps(content))
        copy.encode_special_tokens = True
        return copy

    def encode(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None = None,
        *,
        max_length: int,
        options: RowOptions = HEAD,
    ) -> Encoded:
        """Tokenizes many texts, or pairs of texts, adding the special tokens and no padding.

        A row longer than `max_length` loses tokens as `options` say; of a pair the longer text first ("longest_first").

        Args:
            texts: sequence of str.
            text_pairs: sequence of str of the same length, the second text of each row. Defaults to `None`.
            max_length: int, in tokens, special tokens included.
            options: `RowOptions`. Defaults to those: the end is cut off, and no token says where it is from.

        Returns:
            An `Encoded`.

        Raises:
            ConfigError: `max_length` leaves no room beside the special tokens, or the options make no sense, such as a
                mask for a tokenizer without a mask token.
            DataError: A row is not a str, or holds half a surrogate pair.
        """
        return join(list(self.encode_parts(texts, text_pairs, max_length=max_length, options=options)))

    def encode_parts(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None = None,
        *,
        max_length: int,
        options: RowOptions = HEAD,
    ) -> Iterator[Encoded]:
        """Yields what `encode` returns in parts, at least one, so that there may be more rows than fit into memory.

        The arguments and errors are those of `encode`.
        """
        check_options(options)
        self.check_max_length(max_length, pair=text_pairs is not None)
        if text_pairs is not None and len(text_pairs) != len(texts):
            raise DataError(f"Expected as many second texts as first texts ({len(texts)}), got {len(text_pairs)}.")
        columns, first = [column for column in (texts, text_pairs) if column is not None], 0
        waiting: collections.deque[Future[Encoded]] = collections.deque()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for some in _parts(columns):
                waiting.append(pool.submit(self._encode_some, some, first, max_length, options))
                first += len(some[0])
                if len(waiting) == _AT_ONCE:
                    yield waiting.popleft().result()
            for part in waiting:
                yield part.result()

    def check_max_length(self, max_length: int, pair: bool = False) -> None:
        """Raises ConfigError unless `max_length` leaves room for a token of each text beside the special tokens."""
        special, texts = self.rust.num_special_tokens_to_add(pair), 1 + pair
        if max_length < special + texts:
            raise ConfigError(
                f"Expected max_length to be at least {special + texts} ({special} special tokens and a token of each "
                f"text), got {max_length}. Raise it."
            )

    def _encode_some(self, columns: Sequence[list[str]], first: int, max_length: int, options: RowOptions) -> Encoded:
        """Encodes some rows, the first of which has the number `first`."""
        encodings = self._encodings(columns, options)
        lengths = np.fromiter(map(len, encodings), np.int64, len(encodings))
        flat = _flat(encodings, int(lengths.sum()))
        if options.mask:
            flat["input_ids"][flat["input_ids"] == self._rust_for(options)[1]] = self.mask_token_id
        if options.offsets:
            flat |= _origins(encodings, columns, lengths, options)
        truncated, examples = lengths > max_length, np.arange(len(lengths))
        if truncated.any():
            rows, examples = _rows(encodings, lengths, max_length, len(columns) == 2, options)
            lengths, chosen = np.array([len(row) for row in rows]), np.concatenate(rows)
            flat = {name: values[chosen] for name, values in flat.items()}
            truncated = truncated[examples] & (options.truncate != "windows")
        examples = (first + examples).astype(np.int32)
        return Encoded(**flat, offsets=np.append(0, np.cumsum(lengths)), truncated=truncated, examples=examples)

    def _encodings(self, columns: Sequence[list[str]], options: RowOptions) -> list[tokenizers.Encoding]:
        rust, _ = self._rust_for(options)
        encode = rust.encode_batch if options.offsets else rust.encode_batch_fast  # which does not know offsets
        try:
            if options.space_cjk:
                columns = [list(map(space_ideographs, column)) for column in columns]
            return encode(columns[0] if len(columns) == 1 else list(zip(*columns, strict=True)))
        except TypeError as error:
            raise DataError(_complaint(columns)) from error

    def _rust_for(self, options: RowOptions) -> tuple[tokenizers.Tokenizer, int]:
        """Returns what tokenizes, and the id that it has for the user's mask; -1 if there is none."""
        rust, key = self._untrimmed if options.offsets else self.rust, (options.mask, options.offsets)
        if not options.mask:
            return rust, -1
        if key not in self._with_mask:  # the copy of a large one takes a second
            self._with_mask[key] = self.mask_word(options.mask).added_to(rust)
        return self._with_mask[key]


def _parts(columns: Sequence[Sequence[str]]) -> Iterator[list[list[str]]]:
    """Yields the columns' texts in parts of one call; no texts are one part, of no rows."""
    part: list[list[str]] = [[] for _ in columns]
    characters = 0
    for start in range(0, len(columns[0]), _STEP):
        for texts, column in zip(part, columns, strict=True):
            more = column[start : start + _STEP]
            texts += more
            characters += sum(len(text) for text in more if isinstance(text, str))  # what is none, the call refuses
        if len(part[0]) >= _ROWS or characters > _CHARACTERS:
            yield part
            part, characters = [[] for _ in columns], 0
    if part[0] or not len(columns[0]):
        yield part


def _untrimming(part: dict[str, Any]) -> dict[str, Any]:
    return part | {"trim_offsets": False} if "trim_offsets" in part else part


def _flat(encodings: Sequence[tokenizers.Encoding], total: int) -> dict[str, np.ndarray]:
    """Returns the ids and the token types of all rows."""
    # A row's list is gone before the next one comes: those of many long texts take many times the arrays' memory.
    ids, types = (e.ids for e in encodings), (e.type_ids for e in encodings)
    named = {"input_ids": ids, "token_type_ids": types}
    return {k: np.fromiter(itertools.chain.from_iterable(lists), np.int32, total) for k, lists in named.items()}


def _origins(
    encodings: Sequence[tokenizers.Encoding], columns: Sequence[list[str]], lengths: np.ndarray, options: RowOptions
) -> dict[str, np.ndarray]:
    """Says where in the user's texts each token is from."""
    total = int(lengths.sum())
    sequences = itertools.chain.from_iterable(e.sequence_ids for e in encodings)
    texts = np.fromiter((-1 if n is None else n for n in sequences), np.int8, total)
    pairs = itertools.chain.from_iterable(itertools.chain.from_iterable(e.offsets for e in encodings))
    offsets = np.fromiter(pairs, np.int32, 2 * total).reshape(-1, 2)
    real = texts >= 0
    # Texts in the order of rows, both of a pair side by side.
    numbers = np.repeat(np.arange(len(encodings)) * len(columns), lengths) + texts
    rows = list(itertools.chain.from_iterable(zip(*columns, strict=True)))
    begins, stops = offsets[real].T
    found = spans(rows, numbers[real], begins, stops, options.space_cjk)
    starts, ends = np.full((2, total), -1, np.int32)
    word_starts = np.zeros(total, bool)
    starts[real], ends[real], word_starts[real] = found.starts, found.ends, found.word_starts
    return {"starts": starts, "ends": ends, "texts": texts, "word_starts": word_starts}


def _rows(
    encodings: Sequence[tokenizers.Encoding], lengths: np.ndarray, max_length: int, pair: bool, options: RowOptions
) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns for each row which tokens of all it has, and of which text it is."""
    # Rust's own truncation also makes every combination of what it cuts off: gigabytes for a pair of long texts.
    rows, examples, begin = [], [], 0
    for i, (encoding, length) in enumerate(zip(encodings, lengths.tolist(), strict=True)):
        long = length > max_length
        kept = rows_of(encoding.sequence_ids, max_length, pair, options) if long else [np.arange(length)]
        rows += [begin + tokens for tokens in kept]
        examples += [i] * len(kept)
        begin += length
    return rows, np.array(examples)


def _complaint(columns: Sequence[Sequence[object]]) -> str:
    """Says which row Rust refused, and why."""
    for text in itertools.chain.from_iterable(zip(*columns, strict=True)):
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

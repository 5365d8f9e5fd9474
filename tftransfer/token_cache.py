"""Texts as tokens, kept for the next time that the same tokenizer is asked for the same."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import tokenizers

from tftransfer.arrow_store import ArrowStore, key_of, numbers
from tftransfer.data.examples import fingerprint
from tftransfer.row_options import RowOptions
from tftransfer.tasks.task import Texts
from tftransfer.tokenizers.encoded import Encoded, join
from tftransfer.tokenizers.fast import FastTokenizer

__all__ = ["tokenize"]

_VERSION = 1  # of how rows are made of a tokenizer's answers: to be raised whenever it makes others of the same
_TYPES = {"input_ids": pa.int32(), "token_type_ids": pa.int8(), "offsets": pa.int64()}
_TYPES |= {"truncated": pa.uint8(), "examples": pa.int32()}
_ORIGINS = {"starts": pa.int32(), "ends": pa.int32(), "texts": pa.int8(), "word_starts": pa.uint8()}
_FLAGS = ("truncated", "word_starts")  # a byte each, where Arrow's own would be a bit


def tokenize(
    tokenizer: FastTokenizer,
    texts: Texts,
    max_length: int,
    options: RowOptions,
    *,
    cache: ArrowStore | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Encoded:
    """Returns what `FastTokenizer.encode` makes of texts.

    Args:
        tokenizer: FastTokenizer.
        texts: Texts.
        max_length, options: see `FastTokenizer.encode`.
        cache: ArrowStore. Keeps the tokens under a key of the texts' contents, the tokenizer and the options, and has
            them memory-mapped. Defaults to None: they are in memory.
        progress: callable. Called with the numbers of texts that are tokenized, and of all. Defaults to None.
    """

    def parts() -> Iterator[Encoded]:
        done = 0
        for part in tokenizer.encode_parts(texts.first, texts.second, max_length=max_length, options=options):
            yield part
            done += len(np.unique(part.examples))
            if progress is not None:
                progress(done, len(texts.first))

    if cache is None:
        return join(list(parts()))
    columns = {"first": texts.first, **({} if texts.second is None else {"second": texts.second})}
    ids = [tokenizer.pad_token_id, tokenizer.mask_token_id]
    made_from = [fingerprint(columns), tokenizer.fingerprint, ids, max_length, dataclasses.asdict(options)]
    key = key_of("tokens", _VERSION, tokenizers.__version__, *made_from)
    types = _TYPES | (_ORIGINS if options.offsets else {})
    found = {name: numbers(array) for name, array in cache.columns(key, types, lambda: _flat(parts())).items()}
    return Encoded(**{name: values.view(bool) if name in _FLAGS else values for name, values in found.items()})


def _flat(parts: Iterable[Encoded]) -> Iterator[dict[str, Any]]:
    """Yields the arrays of parts, their offsets as of one."""
    yield {"offsets": np.zeros(1, np.int64)}
    total = 0
    for part in parts:
        arrays = {name: values for name, values in vars(part).items() if values is not None}
        yield {**arrays, "offsets": part.offsets[1:].astype(np.int64) + total}
        total += int(part.offsets[-1])

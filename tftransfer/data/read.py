"""Reading files or data sets in one call."""

import logging
import os
from pathlib import PurePath
from typing import Any, Literal

from tftransfer import registry
from tftransfer.data.examples import Examples
from tftransfer.data.origin import where
from tftransfer.data.shards import build_source, first_path
from tftransfer.data.source import read_source
from tftransfer.errors import ConfigError, DataError

__all__ = ["infer_format", "read"]

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "lines",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    **dict.fromkeys((".conll", ".bio", ".bmes", ".iob"), "conll"),
}
_log = logging.getLogger(__name__)


def infer_format(path: str | os.PathLike[str] | list[str]) -> str:
    """Returns the format that a file's name tells, with or without .gz at its end; of a list, that of the first.

    Raises:
        DataError: if the name tells none.
    """
    first = os.fspath(first_path(path))
    name = PurePath(first).name.lower().removesuffix(".gz")
    ending = PurePath(name).suffix
    if ending not in _FORMATS:
        endings = ", ".join(f"{ending} ({name})" for ending, name in _FORMATS.items())
        hint = registry.suggest(ending, _FORMATS) if ending else ""
        raise DataError(
            f"{first}: the name tells no format.{hint} Known endings, each also with .gz: {endings}."
            f" Rename the file, or name the format: {', '.join(registry.sources.names())}."
        )
    return _FORMATS[ending]


def read(
    path: str | os.PathLike[str] | list[str] | None = None,
    *,
    text: str = "text",
    label: str | None = "label",
    text_pair: str | None = None,
    format: str | None = None,
    on_bad_rows: Literal["error", "skip"] = "error",
    **options: Any,
) -> Examples:
    """Reads examples.

    Args:
        path: path of a file or a folder, a pattern such as "train-*.jsonl", or a list of these. Text is UTF-8, gzip if
            the name ends in .gz. None, the default, is for formats that have no file, such as "tfds".
        text: str, default "text". The column that holds the text, in a format with named columns.
        label: str or None, default "label". The column of the label. None for rows without answers, in every format.
        text_pair: str or None, default None. The column of a second text, in tasks on pairs.
        format: str or None. The name of a data format; by default the file's name tells it.
        on_bad_rows: "error" (default) to refuse a file that has bad rows, "skip" to leave them out and log how many.
        **options: further options of the format, such as `text_negative`, or `scheme` for "conll".

    Returns:
        The examples, in the file's order.

    Raises:
        ConfigError: for an unknown format or an option that the format does not have.
        DataError: if the file cannot be read, lacks a column, has bad rows under "error", or has no good row.

    Example:

        train, validation = tftransfer.read("reviews.csv", text="review", label="stars").split(0.9, seed=0)
        entities = tftransfer.read("entities.conll", scheme="BIO")
        tweets = tftransfer.read(format="tfds", name="sentiment140:1.0.0", split="train[:10%]", label="polarity")
    """
    # What the caller left alone is the format's own to choose: plain text has no label.
    defaults = {"text": "text", "label": "label", "text_pair": None}
    given: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
    options |= {name: value for name, value in given.items() if value not in (None, defaults[name])}
    if path is not None:
        options["path"] = path if isinstance(path, list) else os.fspath(path)
    elif format is None:
        raise ConfigError(f"Expected a path, or the name of a format: {', '.join(registry.sources.names())}.")
    source = build_source(format or infer_format(options["path"]), options)
    if label is None:
        source = source.without_answers()
    examples, bad = read_source(source, on_bad_rows=on_bad_rows)
    if bad:
        first = f"the first at {where(examples.path, bad[0].line)}: {bad[0].reason}"
        _log.warning("%s: left out %d of %d rows, %s", examples.path, len(bad), len(bad) + len(examples), first)
    return examples

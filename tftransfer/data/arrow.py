"""Arrow's tables: Parquet, and Arrow files and streams, a batch of rows in memory at a time."""

import abc
import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tftransfer import registry
from tftransfer.data.files import opened
from tftransfer.data.table import Table
from tftransfer.errors import DataError

__all__ = ["Arrow", "ArrowTable", "Parquet"]

_ROWS = 1024  # in memory as Python values


@dataclasses.dataclass(frozen=True)
class ArrowTable(Table):
    """A file or a data set that Arrow reads in batches."""

    @abc.abstractmethod
    def batches(self, columns: list[str] | None) -> Iterator[Any]:
        """Yields Arrow's record batches or tables with these columns; if none are given, the schema alone."""

    def classes(self) -> Mapping[str, list[str] | None]:
        """Returns the columns; classes have names if Hugging Face's library wrote the file, which leaves them there."""
        schema = next(self.batches(None))
        kept = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = kept.get("info", {}).get("features") or {}
        return {name: _class_names(features.get(name)) for name in schema.names}

    def records(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yields the rows."""
        for batch in self.batches(columns):
            narrow = _narrow(batch.schema)
            for start in range(0, batch.num_rows, _ROWS):
                for row in batch.slice(start, _ROWS).to_pylist():
                    known = {name: kind(row[name]) for name, kind in narrow.items() if row[name] is not None}
                    yield {**row, **known}


@registry.sources.register("parquet")
@dataclasses.dataclass(frozen=True)
class Parquet(ArrowTable):
    """A Parquet file, of which one row group at a time is read."""

    expected: ClassVar[str] = "a Parquet file with a row an example"

    def batches(self, columns: list[str] | None) -> Iterator[Any]:
        """Yields batches of rows."""
        import pyarrow.parquet

        with opened(self.path) as stream, _damaged(self.path, self.expected):
            file = pyarrow.parquet.ParquetFile(stream)
            if columns is None:
                yield file.schema_arrow
            else:
                yield from file.iter_batches(_ROWS, columns=columns)


@registry.sources.register("arrow")
@dataclasses.dataclass(frozen=True)
class Arrow(ArrowTable):
    """Arrow's own files: streams, as Hugging Face's library writes them, and random-access files, such as Feather."""

    expected: ClassVar[str] = "an Arrow file or stream with a row an example"

    def batches(self, columns: list[str] | None) -> Iterator[Any]:
        """Yields the batches that the file holds."""
        import pyarrow.ipc

        with opened(self.path) as stream, _damaged(self.path, self.expected):
            is_file = stream.read(6) == b"ARROW1"
            stream.seek(0)
            reader = pyarrow.ipc.open_file(stream) if is_file else pyarrow.ipc.open_stream(stream)
            if columns is None:
                yield reader.schema
                return
            found = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            for batch in found:
                yield batch.select(columns)


@contextlib.contextmanager
def _damaged(path: str, expected: str) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except pyarrow.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: expected {expected}, but it cannot be read: {reason}") from error


def _narrow(schema: Any) -> dict[str, Any]:
    """Returns column -> NumPy's type of narrow floats: as Python's wide ones, 3.8 would be 3.799999952316284."""
    import pyarrow

    is_narrow = (pyarrow.types.is_float16, pyarrow.types.is_float32)
    return {x.name: x.type.to_pandas_dtype() for x in schema if any(test(x.type) for test in is_narrow)}


def _class_names(feature: Any) -> list[str] | None:
    """Returns the names of a column of class numbers or of lists of them, by its description."""
    if isinstance(feature, list):  # as older versions wrote a list
        return _class_names(feature[0]) if feature else None
    if not isinstance(feature, dict):
        return None
    return list(feature["names"]) if feature.get("_type") == "ClassLabel" else _class_names(feature.get("feature"))

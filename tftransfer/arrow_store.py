"""Columns in memory-mapped Arrow files: built once, kept under the key of what they are made from."""

import contextlib
import errno
import hashlib
import json
import logging
import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tftransfer import __version__
from tftransfer.errors import ConfigError, DataError

__all__ = ["ArrowStore", "integers", "key_of", "numbers"]

_DAY = 86400  # seconds, after which an unfinished file is nobody's
_log = logging.getLogger(__name__)

Parts = Callable[[], Iterable[Mapping[str, Any]]]
"""Makes the columns of a file, part by part: each a dict of name -> values, of any number a column."""


def key_of(*made_from: Any) -> str:
    """Returns the key of what is made from JSON-able values by this version of the package."""
    return hashlib.sha256(json.dumps([__version__, *made_from], sort_keys=True).encode()).hexdigest()


class ArrowStore:
    """A folder of Arrow files, each of named columns of any lengths, which are read without loading them.

    A file is whole or absent: it is written beside its place and then moved there, so that two processes that build the
    same one do no harm. One that is damaged all the same is built anew. Columns stay readable for as long as somebody
    holds them, even after their file is gone.

    A file is a record batch of one row, whose columns are lists: whatever reads Arrow's IPC format reads it.

    Args:
        folder: str or Path. Made when something is kept. Defaults to None: nothing is kept, and the columns are in
            nameless files of the folder for temporary ones.
        limit: float. Gigabytes; beyond them the files that were not used for longest are deleted. Defaults to 20.

    Example:

        >>> squares = lambda: ({"x": np.arange(n, n + 10) ** 2} for n in range(0, 100, 10))
        >>> columns = ArrowStore("cache").columns(key_of("squares", 100), {"x": pa.int64()}, squares)
        >>> columns["x"][99].as_py()
        9801
    """

    def __init__(self, folder: str | Path | None = None, limit: float = 20.0) -> None:
        self.folder = None if folder is None else Path(folder)
        self.limit = limit

    @classmethod
    def chosen(cls, folder: str | Literal[False] | None) -> "ArrowStore":
        """Returns the store of a config's `data.cache`; if its folder cannot be written, says so and keeps nothing.

        Args:
            folder: str, False for a store that keeps nothing, or None for the usual folder: `$TFTRANSFER_CACHE`, or
                `tftransfer` in `$XDG_CACHE_HOME` or else in `~/.cache`.

        Raises:
            ConfigError: if `$TFTRANSFER_CACHE_GB` is no number of gigabytes.
        """
        if folder is False:
            return cls()
        limit = _limit()
        try:
            path = Path(folder) if folder else _usual_folder()
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()
        except (OSError, RuntimeError) as error:  # the latter of a user without a home
            # No reason to stop: a run may have been brought to another machine, with its config.
            _log.warning("no cache is kept: its folder cannot be written (%s); name another with data.cache", error)
            return cls()
        return cls(path, limit)

    def columns(self, key: str | None, types: Mapping[str, pa.DataType], parts: Parts) -> dict[str, pa.Array]:
        """Returns columns: those that are kept under a key, or else what `parts` makes.

        Args:
            key: str. See `key_of`. None for columns that are not to be kept.
            types: dict of name -> Arrow type, a number's or `large_string`.
            parts: callable. Returns an iterable of the columns' parts, each a dict of name -> values.

        Raises:
            DataError: if there is no room for the file.
        """
        if self.folder is None or key is None:
            return self._built(None, key or "", types, parts())
        path = self.folder / f"{key}.arrow"
        found = _kept(path, key, types)
        if found is None:
            found = self._built(path, key, types, parts())
            self._make_room(path)
        return found

    def _built(
        self, path: Path | None, key: str, types: Mapping[str, pa.DataType], parts: Iterable[Mapping[str, Any]]
    ) -> dict[str, pa.Array]:
        """Writes the columns, gets them back memory-mapped, and leaves their file at `path`, or nowhere."""
        folder = tempfile.gettempdir() if path is None else path.parent
        with contextlib.ExitStack() as stack, _room(folder):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            growing = {name: _Growing(kind, folder, stack) for name, kind in types.items()}
            for part in parts:
                for name, values in part.items():
                    growing[name].append(values)
            number, partial = tempfile.mkstemp(prefix=f"{key}.arrow.", dir=folder)
            stack.callback(Path(partial).unlink, missing_ok=True)
            os.close(number)
            _write(partial, key, {name: column.array() for name, column in growing.items()})
            # Mapped before it has its name, under which another process may delete it.
            found = _mapped(partial, key, types)
            if path is not None:
                _sync(partial)
                os.replace(partial, path)
        return found

    def _make_room(self, newest: Path) -> None:
        """Deletes the files that were not used for longest, as long as all together exceed the limit."""
        total, now = 0, time.time()
        for used, size, path in sorted(_files(newest.parent), reverse=True):
            if path.suffix != ".arrow":  # another process is writing it, or never finished
                if now - used > _DAY:
                    path.unlink(missing_ok=True)
                continue
            total += size
            if total > self.limit * 1e9 and path != newest:
                path.unlink(missing_ok=True)


class _Growing:
    """A column that grows in nameless files: numbers in one, strings as their ends and their bytes."""

    def __init__(self, kind: pa.DataType, folder: str | Path, stack: contextlib.ExitStack) -> None:
        self.kind, self.is_text = kind, pa.types.is_large_string(kind)
        files = (tempfile.TemporaryFile(dir=folder) for _ in range(1 + self.is_text))  # noqa: SIM115 - the stack does
        self.files = [stack.enter_context(file) for file in files]
        self.length, self.bytes = 0, 0
        if self.is_text:
            self.files[0].write(np.zeros(1, np.int64).data)

    def append(self, values: Any) -> None:
        self.length += len(values)
        if not self.is_text:
            self.files[0].write(np.ascontiguousarray(values, str(self.kind)).data)
            return
        texts = [text.encode() for text in values]  # pa.array would import pandas
        ends = self.bytes + np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        self.files[0].write(ends.data)
        self.bytes += self.files[1].write(b"".join(texts))

    def array(self) -> pa.Array:
        return pa.Array.from_buffers(self.kind, self.length, [None, *map(_buffer, self.files)])


def integers(values: np.ndarray) -> pa.Array:
    """Returns an int64 array of NumPy as one of Arrow; `pyarrow.array`, which does that too, imports pandas."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, np.int64))])


def numbers(array: pa.Array) -> np.ndarray:
    """Returns an array of integers without missing ones as NumPy's, not copied; `to_numpy` too imports pandas."""
    dtype = np.dtype(str(array.type))
    if not len(array):
        return np.zeros(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)


def _buffer(file: Any) -> pa.Buffer:
    file.flush()
    if not file.tell():  # which cannot be mapped
        return pa.py_buffer(b"")
    return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _write(path: str, key: str, columns: Mapping[str, pa.Array]) -> None:
    lists = [pa.LargeListArray.from_arrays(integers(np.array([0, len(x)])), x) for x in columns.values()]
    schema = _schema({name: column.type for name, column in columns.items()}, key)
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_batch(pa.record_batch(lists, schema=schema))


def _schema(types: Mapping[str, pa.DataType], key: str) -> pa.Schema:
    return pa.schema({name: pa.large_list(kind) for name, kind in types.items()}, metadata={"key": key})


def _mapped(path: str | Path, key: str, types: Mapping[str, pa.DataType]) -> dict[str, pa.Array]:
    """Returns the columns of a file; ValueError (also as an Arrow error) or OSError if it is not what was written."""
    with pa.memory_map(os.fspath(path)) as file, pa.ipc.open_file(file) as reader:  # the columns keep the map
        if not reader.schema.equals(_schema(types, key), check_metadata=True):
            raise ValueError("it has other columns or another key")
        batch = reader.get_batch(0)
    batch.validate()
    return {name: batch.column(name).values for name in types}


def _kept(path: Path, key: str, types: Mapping[str, pa.DataType]) -> dict[str, pa.Array] | None:
    """Returns the columns that are kept in a file, which counts as used now; None if there is none, or no whole one."""
    try:
        columns = _mapped(path, key, types)
        os.utime(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("%s: a damaged file of the cache is built anew (%s)", path, error)
        return None
    return columns


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Yields (time of last use, size in bytes, path) of the store's files."""
    for path in folder.glob("*.arrow*"):
        with contextlib.suppress(FileNotFoundError):  # another process makes room too
            found = path.stat()
            yield found.st_mtime, found.st_size, path


def _sync(path: str) -> None:
    """Waits until a file is on the disk, so that it is whole if the machine stops behind the move."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _room(folder: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        advice = "Name a folder on a larger disk with data.cache, or for temporary files with TMPDIR."
        raise DataError(f"{folder}: no room for what is read and tokenized ({error}). {advice}") from error


def _usual_folder() -> Path:
    named = os.environ.get("TFTRANSFER_CACHE")
    if named:
        return Path(named)
    above = os.environ.get("XDG_CACHE_HOME")
    return (Path(above) if above else Path.home() / ".cache") / "tftransfer"


def _limit() -> float:
    text = os.environ.get("TFTRANSFER_CACHE_GB", "20")
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise ConfigError(f"TFTRANSFER_CACHE_GB: expected a number of gigabytes, such as 20; received {text!r}.")
    return limit

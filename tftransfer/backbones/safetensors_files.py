"""The safetensors files of a checkpoint as one mapping from names to tensors, checked before a byte of data is read.

Format: 8 bytes, the length of the header, little-endian; the header, JSON; the data, without holes. A checkpoint too
large for one file has several, the shards, and an index that says which tensor is in which.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, KeysView
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tftransfer.errors import CheckpointError

__all__ = ["INDEX", "StoredTensor", "TensorFiles", "open_tensors", "weight_files"]

INDEX = "model.safetensors.index.json"
_LONGEST_HEADER = 100_000_000  # bytes, as in the safetensors library
_DTYPES = {
    "BOOL": np.dtype("bool"),
    "U8": np.dtype("uint8"),
    "U16": np.dtype("uint16"),
    "U32": np.dtype("uint32"),
    "U64": np.dtype("uint64"),
    "I8": np.dtype("int8"),
    "I16": np.dtype("int16"),
    "I32": np.dtype("int32"),
    "I64": np.dtype("int64"),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F16": np.dtype("float16"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype("float32"),
    "F64": np.dtype("float64"),
}


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """Where a tensor is, and what it looks like.

    Args:
        path: Path. The file.
        start: int. Where its data begins, in bytes from the start of the file.
        dtype: str. As safetensors calls it, such as "F32".
        shape: tuple of int.
    """

    path: Path
    start: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Its size in the file."""
        return math.prod(self.shape) * _DTYPES[self.dtype].itemsize

    def rows(self, start: int, stop: int) -> "StoredTensor":
        """Returns the tensor of these rows."""
        row = math.prod(self.shape[1:]) * _DTYPES[self.dtype].itemsize
        return StoredTensor(self.path, self.start + start * row, self.dtype, (stop - start, *self.shape[1:]))

    def read(self) -> np.ndarray:
        """Returns its values in an array of their own.

        They are read, not mapped: a mapped page would count as memory in use beside the variable it is copied to.
        """
        content = np.fromfile(self.path, np.uint8, self.nbytes, offset=self.start)
        if len(content) != self.nbytes:
            raise CheckpointError(f"{self.path}: became shorter while it was read. Fetch the file again.")
        return content.view(_DTYPES[self.dtype]).reshape(self.shape)


class TensorFiles:
    """Tensors by name, whichever file they are in; data is read when asked for.

    Args:
        tensors: dict of str to StoredTensor.
    """

    def __init__(self, tensors: dict[str, StoredTensor]) -> None:
        self._tensors = tensors

    def keys(self) -> KeysView[str]:
        """Returns the tensors' names."""
        return self._tensors.keys()

    def get_slice(self, name: str) -> StoredTensor:
        """Returns a tensor's shape, dtype and place, without reading it."""
        return self._tensors[name]

    def get_tensor(self, name: str) -> np.ndarray:
        """Returns a tensor's values in an array of their own."""
        return self._tensors[name].read()


def open_tensors(path: Path) -> TensorFiles:
    """Opens the weights of a checkpoint.

    Args:
        path: Path. A safetensors file, or the index of several (`*.json`).

    Returns:
        A `TensorFiles`.

    Raises:
        CheckpointError: if a file is missing or damaged, or the shards do not hold what the index says.
    """
    if path.suffix != ".json":
        return TensorFiles(_read_header(path))
    tensors: dict[str, StoredTensor] = {}
    for shard in weight_files(path)[1:]:
        found = _read_header(shard)
        twice = sorted(tensors.keys() & found.keys())
        if twice:
            raise CheckpointError(
                f"{path}: expected every tensor in one shard; received {_listed(twice)} both in "
                f"{tensors[twice[0]].path.name} and in {shard.name}. Fetch the checkpoint again."
            )
        tensors |= found
    wrong = [
        name for name, shard in _read_index(path).items() if name not in tensors or tensors[name].path.name != shard
    ]
    if wrong:
        raise CheckpointError(
            f"{path}: expected every shard to hold the tensors that the index places there; not so {_listed(wrong)}. "
            "Index and shards are not of one save: fetch the checkpoint again."
        )
    return TensorFiles(tensors)


def weight_files(path: Path, download: str = "hf download NAME --local-dir DIRECTORY") -> tuple[Path, ...]:
    """Returns all files that hold the weights, or say where they are.

    Args:
        path: Path. A safetensors file, or the index of several.
        download: str. The command that fetches what is missing, for the error.

    Returns:
        The file; or the index and its shards.

    Raises:
        CheckpointError: naming every missing shard, or if the index is not one.
    """
    if path.suffix != ".json":
        return (path,)
    shards = [path.with_name(shard) for shard in sorted(set(_read_index(path).values()))]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise CheckpointError(
            f"{path.parent}: expected the {len(shards)} files that {path.name} names; {len(missing)} are missing: "
            f"{', '.join(missing)}. Fetch them: {download}"
        )
    return (path, *shards)


def _read_index(path: Path) -> dict[str, str]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: expected a JSON object; {error}. Fetch the file again.") from None
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{path}: expected a weight_map from tensors to files; there is none. Fetch it again.")
    for shard in places.values():
        # Nothing outside the checkpoint is ever opened because a file of it says so.
        if not isinstance(shard, str) or not shard.endswith(".safetensors") or set(shard) & set("/\\\0"):
            raise CheckpointError(
                f"{path}: expected the names of safetensors files in this directory; received {shard!r}. The index is "
                "damaged or malicious: do not use this checkpoint before you know which."
            )
    return places


def _read_header(path: Path) -> dict[str, StoredTensor]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            length = _header_length(file.read(8), size)
            header = json.loads(file.read(length), object_pairs_hook=_without_twins)
        return _checked(path, header, 8 + length, size - 8 - length)
    except (OSError, ValueError, RecursionError) as error:
        size = path.stat().st_size if path.is_file() else 0
        raise CheckpointError(
            f"{path}: expected a complete safetensors file, received {size:,} bytes that are not one ({error}). "
            "It was cut short or altered: fetch the file again."
        ) from None


def _header_length(start: bytes, size: int) -> int:
    if start == b"version ":
        raise ValueError("a Git LFS pointer stands in its place; `git lfs pull` fetches the content")
    length = int.from_bytes(start, "little")
    if size < 8 or not 2 <= length <= size - 8:
        raise ValueError(f"a header of {length:,} bytes does not fit into the file" if size >= 8 else "no header")
    if length > _LONGEST_HEADER:
        raise ValueError(f"a header of {length:,} bytes is longer than the allowed {_LONGEST_HEADER:,}")
    return length


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"the header names something twice, among {_listed([name for name, _ in pairs])}")
    return content


def _checked(path: Path, header: Any, base: int, data: int) -> dict[str, StoredTensor]:
    """Returns the tensors of a header whose data lie one behind the other and fill the file to its end."""
    if not isinstance(header, dict):
        raise ValueError(f"the header is a {type(header).__name__}, not an object")
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    for name, entry in entries.items():
        _check_entry(name, entry)
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        wanted = StoredTensor(path, 0, entry["dtype"], tuple(entry["shape"])).nbytes
        if first != end or last - first != wanted:
            raise ValueError(
                f"expected '{name}' at bytes {end:,} to {end + wanted:,} of the data, not {first:,} to {last:,}"
            )
        end = last
    if end != data:
        raise ValueError(f"the header tells of {end:,} bytes of data, the file holds {data:,}")
    return {
        name: StoredTensor(path, base + entry["data_offsets"][0], entry["dtype"], tuple(entry["shape"]))
        for name, entry in entries.items()
    }


def _check_entry(name: str, entry: Any) -> None:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"expected '{name}' to have dtype, shape and data_offsets")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in _DTYPES:
        raise ValueError(f"the dtype of '{name}' is {entry['dtype']!r}; known are {', '.join(_DTYPES)}")
    for key, length in (("shape", None), ("data_offsets", 2)):
        numbers = entry[key]
        if not isinstance(numbers, list) or length not in (None, len(numbers)) or not all(map(_is_size, numbers)):
            raise ValueError(f"the {key} of '{name}' is {numbers!r}")


def _is_size(number: Any) -> bool:
    return type(number) is int and number >= 0


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(f"'{name}'" for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

"""Many files as one source: the shards that a pattern matches, or a list of paths."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from tftransfer import registry
from tftransfer.data.files import expand
from tftransfer.data.origin import Origin, place, where
from tftransfer.data.source import BadRow, Row, Source

__all__ = ["Shards", "build_source", "first_path"]

_STRIDE = 2**40  # lines that a shard may have


def first_path(path: Any) -> Any:
    """Returns the path, or the first one of a list: what the format and its options are judged by."""
    return path[0] if isinstance(path, list) and path else path


def build_source(name: str, options: Mapping[str, Any]) -> Source:
    """Returns the source of a data block.

    Args:
        name: str. A data format.
        options: dict. Its options; `path` may be a pattern, such as "train-*.jsonl", or a list of paths.

    Raises:
        ConfigError: for an unknown format or an option that the format does not have.
        DataError: for a pattern that no file matches.
    """
    given = options.get("path")
    source: Source = registry.sources.build(name, {**options, "path": first_path(given)} if given else options)
    paths = expand(given) if given else []
    if not given or paths == [given]:
        return source
    path = _ShardsPath(given if isinstance(given, str) else ", ".join(given))
    path.parts = [dataclasses.replace(source, path=one).path for one in paths]
    return Shards(path, name, {option: value for option, value in options.items() if option != "path"})


class _ShardsPath(Origin):
    """The pattern or the list, which knows the paths of the shards."""

    parts: list[str]

    def place(self, line: int) -> tuple[str, int]:
        """Returns the file of a row, and its line there."""
        return place(self.parts[line // _STRIDE], line % _STRIDE)

    def where(self, line: int) -> str:
        """Returns the place of a row as its shard names it."""
        return where(self.parts[line // _STRIDE], line % _STRIDE)


@dataclasses.dataclass(frozen=True)
class Shards(Source):
    """The rows of several files of one format, one after the other.

    Args:
        path: str. The pattern, or the paths of the list; `build_source` makes it.
        kind: str. The format.
        options: dict. Its options, but for the path.
        answers: bool. Whether answers are read. Defaults to True.
    """

    expected: ClassVar[str] = "rows in one of the files"

    kind: str
    options: dict[str, Any]
    answers: bool = True

    def roles(self) -> list[str]:
        """Returns the roles of every shard."""
        return self._parts[0].roles()

    def without_answers(self) -> Self:
        """Returns the shards without their answers."""
        return dataclasses.replace(self, answers=False)

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields the rows of the first shard, then those of the next."""
        for number, part in enumerate(self._parts):
            for row in part.rows():
                yield row._replace(line=number * _STRIDE + row.line)

    def fingerprint(self) -> str | None:
        """Returns the fingerprints of the shards as one; None if one of them has none."""
        found = [part.fingerprint() for part in self._parts]
        return None if None in found else hashlib.sha256(" ".join(map(str, found)).encode()).hexdigest()

    @functools.cached_property
    def _parts(self) -> list[Source]:
        assert isinstance(self.path, _ShardsPath)
        made = [registry.sources.build(self.kind, {**self.options, "path": str(path)}) for path in self.path.parts]
        return made if self.answers else [source.without_answers() for source in made]

"""A folder of classes: a folder for each label, and in it a file for each text."""

import dataclasses
import functools
import glob
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

from tftransfer import atomic, registry
from tftransfer.data.files import is_remote, matches
from tftransfer.data.origin import Origin
from tftransfer.data.source import BadRow, Row, Source, checked
from tftransfer.data.textfile import read_lines
from tftransfer.errors import DataError

__all__ = ["Folder"]


class _FolderPath(Origin):
    """The path of the folder, which knows the files that its rows are."""

    pattern: str
    classes: list[str] | None

    @functools.cached_property
    def files(self) -> list[tuple[str, str]]:
        """The label and the path of each file, class by class."""
        found = matches(f"{self if is_remote(self) else glob.escape(self)}/*/**/{self.pattern}")
        labelled = [(file[len(self) :].strip("/").partition("/")[0], file) for file in found]
        return [(label, file) for label, file in labelled if self.classes is None or label in self.classes]

    def place(self, line: int) -> tuple[str, int]:
        """Returns the file of a row, and its first line."""
        return self.files[line - 1][1], 1


@registry.sources.register("folder")
@dataclasses.dataclass(frozen=True)
class Folder(Source):
    """Texts in files of their own, such as `train/positive/17.txt`; the folder's name is the label.

    Files are in the order of their paths. Those that stand beside the class folders are passed over.

    Args:
        path: str. The folder that holds the folders of the classes.
        pattern: str. What the names of the texts match; what ends in .gz is unpacked. Defaults to "*.txt".
        classes: list of str or None. The folders to read. Defaults to None: all.
        labels: bool. Whether labels are read. Defaults to True.
    """

    expected: ClassVar[str] = "a folder for each label, and in it a file for each text"

    pattern: str = "*.txt"
    classes: list[str] | None = None
    labels: bool = True

    def __post_init__(self) -> None:
        path = _FolderPath(self.path.rstrip("/") or "/")
        path.pattern, path.classes = self.pattern, self.classes
        object.__setattr__(self, "path", path)

    def roles(self) -> list[str]:
        """Returns "text" and, if they are read, "label"."""
        return ["text", *(["label"] if self.labels else [])]

    def without_answers(self) -> Self:
        """Returns the source without labels."""
        return dataclasses.replace(self, labels=False)

    def rows(self) -> Iterator[Row | BadRow]:
        """Yields one row a file; its line is the number of the file."""
        missing = set(self.classes or ()) - {label for label, _ in self._files}
        if missing or not self._files:
            looked = f"{self.pattern} in a folder {' or '.join(sorted(missing)) or 'for each label'}"
            raise DataError(f"{self.path}: expected files {looked}, found none. Expected {self.expected}.")
        for number, (label, file) in enumerate(self._files, 1):
            yield self._row(number, label, file)

    def fingerprint(self) -> str | None:
        """Returns a hash of the files and their names; None for a folder elsewhere."""
        if is_remote(self.path):
            return None
        sums = [f"{file.removeprefix(self.path)} {atomic.sha256(Path(file))}" for _, file in self._files]
        return hashlib.sha256("\n".join(sums).encode()).hexdigest()

    @property
    def _files(self) -> list[tuple[str, str]]:
        assert isinstance(self.path, _FolderPath)
        return self.path.files

    def _row(self, number: int, label: str, file: str) -> Row | BadRow:
        try:
            lines = list(read_lines(file, "a text"))
        except DataError as error:  # such as an empty file: one row is bad, not all
            return BadRow(number, str(error).removeprefix(f"{file}: "), "")
        raw = "".join(line.text for line in lines)
        for line in lines:
            if line.problem is not None:
                return BadRow(number, f"line {line.number}: {line.problem}", raw)
        return checked(number, {"text": raw.strip(), **({"label": label} if self.labels else {})}, raw)

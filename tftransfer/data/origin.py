"""Where a row came from, for messages: a line of a file, a line of one of many files, a row of a data set."""

__all__ = ["Origin", "RowsOf", "place", "where"]


class Origin(str):
    """The path of a source whose rows do not stand on the lines of one file; as a string, its name."""

    def place(self, line: int) -> tuple[str, int]:
        """Returns the file of a row, and its line there."""
        return str(self), line

    def where(self, line: int) -> str:
        """Returns the place of a row as messages name it."""
        return where(*self.place(line))


class RowsOf(Origin):
    """A data set without lines, whose rows are counted from 1."""

    def where(self, line: int) -> str:
        """Returns "name, row 3"."""
        return f"{self}, row {line}"


def place(path: str, line: int) -> tuple[str, int]:
    """Returns the file of a row, and its line there.

    Args:
        path: str. What `Source.path` and `Examples.path` say.
        line: int. What `Row.line` and `Examples.lines` say.
    """
    return path.place(line) if isinstance(path, Origin) else (path, line)


def where(path: str, line: int) -> str:
    """Returns "file:line" of a row, or what its source has in the place of that."""
    return path.where(line) if isinstance(path, Origin) else f"{path}:{line}"

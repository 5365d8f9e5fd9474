"""What every report can do."""

import abc
import dataclasses
from pathlib import Path
from typing import Any

__all__ = ["Report"]


@dataclasses.dataclass(frozen=True)
class Report(abc.ABC):
    """The answers of a model beside the truth, ready to be measured and written down.

    A subclass is a frozen dataclass in a file of this package; its fields are the plain values (arrays, strings) that
    it judges, and it files itself under the name that a task asks for: `@registry.reports.register("classification")`.
    """

    @abc.abstractmethod
    def metrics(self) -> dict[str, Any]:
        """Returns every number of the report as plain JSON values: dicts, lists, str, int and finite float."""

    @abc.abstractmethod
    def write(self, directory: Path) -> None:
        """Writes the report's files, each one whole or not at all.

        Args:
            directory: Path. Created if it is missing; files of an earlier report in it are replaced.
        """

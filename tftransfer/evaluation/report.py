"""What every report can do."""

import abc
import dataclasses
import json
from pathlib import Path
from typing import Any, ClassVar

from tftransfer import atomic
from tftransfer.evaluation import page

__all__ = ["Report"]


@dataclasses.dataclass(frozen=True)
class Report(abc.ABC):
    """The answers of a model beside the truth, ready to be measured and written down.

    A subclass is a frozen dataclass in a file of this package; its fields are the plain values (arrays, strings) that
    it judges, and it files itself under the name that a task asks for: `@registry.reports.register("classification")`.

    Attributes:
        title: str. The first line of the page.
        worst_first: str. In which order mistakes come, such as "the surest first"; "" for a report without mistakes.
    """

    # So that registry.reports.build takes arrays.
    __pydantic_config__: ClassVar[dict[str, bool]] = {"arbitrary_types_allowed": True}

    title: ClassVar[str]
    worst_first: ClassVar[str] = "the surest first"

    @abc.abstractmethod
    def metrics(self) -> dict[str, Any]:
        """Returns every number of the report as plain JSON values: dicts, lists, str, int and finite float."""

    def mistakes(self, limit: int | None = 20) -> list[dict[str, Any]]:
        """Returns what the model got wrong as plain JSON values, the worst first.

        Args:
            limit: int. How many at most; None for all. Default 20.
        """
        return []

    def draw(self, directory: Path) -> dict[str, str]:
        """Draws the report's pictures into the directory and returns {name of the file: what it shows}."""
        return {}

    def write(self, directory: Path) -> dict[str, Any]:
        """Writes the pictures, `mistakes.jsonl` (all of them), `metrics.json` and `report.md`, in this order.

        Each of them is written whole or not at all.

        Args:
            directory: Path. Created if it is missing; files of an earlier report in it are replaced.

        Returns:
            What `metrics` says.
        """
        directory.mkdir(parents=True, exist_ok=True)
        metrics, mistakes, pictures = self.metrics(), self.mistakes(limit=None), self.draw(directory)
        if self.worst_first:
            lines = [json.dumps(mistake, ensure_ascii=False) + "\n" for mistake in mistakes]
            atomic.write(directory / "mistakes.jsonl", "".join(lines))
        numbers = json.dumps(metrics, ensure_ascii=False, indent=2, allow_nan=False)
        atomic.write(directory / "metrics.json", numbers + "\n")
        told = page.mistakes(mistakes, self.worst_first) if self.worst_first else []
        atomic.write(directory / "report.md", page.page(self.title, metrics, pictures, told))
        return metrics

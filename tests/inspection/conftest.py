"""Small data sets with known faults, inspected on a tiny checkpoint."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tftransfer import config, inspection

Rows = Sequence[Sequence[str]]


@pytest.fixture
def inspect(tmp_path: Path, tiny_checkpoint: Path) -> Callable[..., inspection.Inspection]:
    """Writes TSV files of (text, label) or (text, text_pair, label) and inspects them."""

    def run(
        train: Rows,
        test: Rows = (),
        *,
        checks: dict[str, dict[str, Any]] | None = None,
        task: str | dict[str, Any] = "sequence_classification",
        **sections: Any,
    ) -> inspection.Inspection:
        data: dict[str, Any] = {}
        for name, rows in (("train", train), ("test", test)):
            if rows:
                header = ["text", "label"] if len(rows[0]) == 2 else ["text", "text_pair", "label"]
                path = tmp_path / f"{name}.tsv"
                path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")
                data[name] = {"path": str(path), **({"text_pair": "text_pair"} if len(header) == 3 else {})}
        block = {"name": task} if isinstance(task, str) else task
        raw = {"model": {"checkpoint": str(tiny_checkpoint), "max_length": 16}, "task": block, "data": data}
        return inspection.inspect(config.validate(raw | sections), inspection.build_checks(checks))

    return run

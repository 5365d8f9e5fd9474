"""The pages of docs/ keep up with the code."""

import re
from pathlib import Path

from tftransfer import registry

DOCS = Path(__file__).parents[1] / "docs"


def test_every_family_has_its_row_of_figures_within_the_promise() -> None:
    page = (DOCS / "families.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][2:]
    assert [row[0].removeprefix("| ") for row in rows] == registry.backbones.names()
    for row in rows:
        assert row[5] == "byte-equal", row[0]
        for cell in row[1:5]:
            assert re.fullmatch(r"\d\.\de-\d\d", cell), row[0]
            assert float(cell) <= 1e-5, row[0]

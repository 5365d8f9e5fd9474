"""Writes the table of docs/families.md: how far each family is from PyTorch, as the tests measured it.

    python benchmarks/families.py

It runs the parity tests, which save random checkpoints with transformers and compare, and takes its figures from what
they recorded; a family whose tests do not all pass gets no figures.
"""

import collections
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

from tftransfer import registry
from tftransfer.backbones.description import families, known_checkpoints

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "families.md"
TESTS = ["tests/backbones/test_parity.py", "tests/backbones/test_training_step.py"]
COLUMNS = ("hidden states", "logits", "training step", "packed")
BEGIN, END = "<!-- begin: benchmarks/families.py -->\n", "<!-- end -->\n"


def measure() -> dict[str, dict[str, float]]:
    """Runs the tests and returns family -> what was measured -> the greatest value."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-o", "junit_family=xunit1", *TESTS, f"--junitxml={report}"]
        ended = subprocess.run(command, cwd=ROOT, check=False)
        if ended.returncode != 0:
            sys.exit(
                f"The tests must pass before their figures are worth a table; pytest ended with {ended.returncode}."
            )
        tree = xml.etree.ElementTree.parse(report)
    found: dict[str, dict[str, float]] = collections.defaultdict(dict)
    for node in tree.iter("property"):
        family, _, what = node.attrib["name"].partition(": ")
        found[family][what] = max(float(node.attrib["value"]), found[family].get(what, 0.0))
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Returns the table in Markdown."""
    smallest = {}
    for name, (family, known) in known_checkpoints().items():
        smallest.setdefault(family, f"{name}, {known.parameters:g} M")
    rows = [["family", *COLUMNS, "written back", "cost of length", "smallest checkpoint listed"]]
    for name in registry.backbones.names():
        figures = [f"{found[name][what]:.1e}" if what in found[name] else "-" for what in COLUMNS]
        same = "byte-equal" if found[name].get("round trip") == 0 else "-"
        rows.append([name, *figures, same, families()[name]["long_inputs"], smallest.get(name, "-")])
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> None:
    """Replaces the table in the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = table(measure())
    PAGE.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

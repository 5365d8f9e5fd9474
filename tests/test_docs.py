"""The pages of docs/ keep up with the code."""

import json
import re
from pathlib import Path

import pytest

from tftransfer import config, registry, yaml_file

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


def test_every_network_and_its_options_have_their_row() -> None:
    page = (DOCS / "networks.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", page, re.MULTILINE))
    names = registry.networks.names()
    assert [name for name in rows if name != "name"] == names
    for name in names:
        network, text = registry.networks.build(name), rows[name] + page.partition("All have")[2]
        for option in registry.networks.options(name):
            default = json.dumps(getattr(network, option))
            assert f"`{option}: {default}`" in text, f"{name}: {option}: {default}"


def test_every_strategy_and_regularizer_has_its_row() -> None:
    page = (DOCS / "strategies.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert rows == {*registry.strategies.names(), *registry.regularizers.names()}


SECTIONS = {
    name: text
    for heading, text in re.findall(r"^## (.*?)$(.*?)(?=^## |\Z)", (DOCS / "data.md").read_text("utf-8"), re.M | re.S)
    for name in heading.split(", ")
}


def test_every_data_format_has_its_section() -> None:
    others = ("Many files", "Files elsewhere", "Files larger than memory")
    assert sorted(set(SECTIONS) - set(others)) == registry.sources.names()


@pytest.mark.parametrize("name", registry.sources.names())
def test_every_option_of_a_data_format_stands_in_its_section_with_its_default(name: str) -> None:
    given = {"path": "a", "name": "a", "split": "a"}
    options = registry.sources.options(name)
    required = {"tfds": {"name", "split"}, "huggingface": {"path"}}.get(name, {"path"})
    source = registry.sources.build(name, {key: given[key] for key in required})
    for option in set(options) - required:
        default = getattr(source, option)
        shown = default if isinstance(default, str) and default not in ("", "*.txt") else json.dumps(default)
        assert f"`{option}: {shown}`" in SECTIONS[name], option


@pytest.mark.parametrize(
    "block", re.findall(r"^```yaml\n(.*?)^```", (DOCS / "data.md").read_text("utf-8"), re.M | re.S)
)
def test_every_block_of_the_page_on_data_is_a_config(block: str) -> None:
    data, _ = yaml_file.parse(block, "docs/data.md")
    raw = {"model": {"checkpoint": "a/b"}, "task": {"name": "sequence_classification"}, "data": data}
    assert config.validate(raw).data.train == data["train"]

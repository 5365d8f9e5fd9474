"""`tftransfer inspect`: what it prints and writes, and what it ends with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Outcome = tuple[int, str, str]
GOOD = "text\tlabel\n" + "".join(
    f"the {word} is number {i}\t{'ab'[i % 2]}\n" for i, word in enumerate(["lamp", "cup", "book"] * 6)
)


@pytest.fixture
def c(tmp_path: Path, tiny_checkpoint: Path) -> Path:
    """A config; its test data have a row of the training data."""
    (tmp_path / "train.tsv").write_text(GOOD)
    (tmp_path / "test.tsv").write_text("text\tlabel\nThe lamp is  number 0\ta\nsomething else altogether\tb\n")
    (tmp_path / "c.yaml").write_text(
        f"model: {{checkpoint: {tiny_checkpoint}}}\ntask: {{name: sequence_classification}}\n"
        f"data: {{train: {{path: {tmp_path}/train.tsv}}, test: {{path: {tmp_path}/test.tsv}}}}\n"
    )
    return tmp_path / "c.yaml"


def test_it_fails_on_what_it_is_told_to(tftransfer: Callable[..., Outcome], c: Path) -> None:
    code, out, err = tftransfer("inspect", c)
    assert code == 0
    assert "1 row of test (50.0%) with a text that is in train too." in out
    assert "... near duplicates" in err
    assert tftransfer("inspect", c, "--fail-on", "duplicates")[0] == 4
    code, _, err = tftransfer("inspect", c, "--fail-on", "unknown_tokens,leakage")
    assert code == 4
    assert err.endswith("1 finding to fail on: unknown_tokens, leakage\n")
    assert tftransfer("inspect", c, "--fail-on", "truncation")[0] == 0


def test_json_is_one_object_and_the_page_is_whole(tftransfer: Callable[..., Outcome], c: Path) -> None:
    code, out, _ = tftransfer("inspect", c, "training.batch_size=4", "--json", "--html", c.parent / "page.html")
    assert code == 0
    found = json.loads(out)
    assert found["facts"]["batch_size"] == 4
    assert found["findings"][0]["severity"] == "error"
    assert found["findings"][0]["ids"] == ["exact_duplicates", "duplicates", "leakage"]
    assert found["sections"]["exact_duplicates"]["tables"]["Across splits"][0]["rows"] == 1
    assert (c.parent / "page.html").read_text(encoding="utf-8").endswith("</body></html>\n")
    assert sorted(path.name for path in c.parent.iterdir()) == ["c.yaml", "page.html", "test.tsv", "train.tsv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail-on", "leakages"], "received 'leakages'. Did you mean 'leakage'?"),
        (["--option", "leakage.puritty=1"], "unknown option of 'leakage'. Did you mean 'purity'?"),
        (["--option", "leakge.purity=1"], "Unknown check 'leakge'. Did you mean 'leakage'?"),
        (["--option", "leakage=1"], "--option 'leakage=1': expected CHECK.OPTION=VALUE"),
        (["--html", "no/such/folder/page.html"], "--html: expected a file in a directory that is there"),
        (["training.sed=1"], "Did you mean 'seed'?"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_read(
    tftransfer: Callable[..., Outcome], c: Path, arguments: list[str], message: str
) -> None:
    (c.parent / "train.tsv").unlink()
    code, out, err = tftransfer("inspect", c, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert tftransfer("inspect", c)[0] == 3


def test_an_option_changes_a_check(tftransfer: Callable[..., Outcome], c: Path) -> None:
    assert tftransfer("inspect", c, "--fail-on", "leakage", "--option", "exact_duplicates.short=100")[0] == 0

"""The inspection as a whole: every task, the page, the text."""

import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inspected import table

from tftransfer import config, inspection, registry
from tftransfer.errors import ConfigError
from tftransfer.inspection import Inspection

Inspect = Callable[..., Inspection]
SQUAD = {
    "data": [
        {
            "title": "lamps",
            "paragraphs": [
                {
                    "context": "The lamp is blue and stands on the table " * 3,
                    "qas": [
                        {"id": "1", "question": "where is it", "answers": [{"text": "table", "answer_start": 35}]},
                        {"id": "2", "question": "what color", "answers": [{"text": "blue", "answer_start": 12}]},
                        {"id": "3", "question": "how late is it", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ]
}
FILES: dict[str, tuple[str, dict[str, Any], str]] = {
    "regression": ("x.tsv", {}, "text\tlabel\na lamp\t1\na book\t2.5\na cup\t4\n"),
    "token_classification": ("x.conll", {}, "Anna B-PER\nsees O\nBob B-PER\n\nin O\nRome B-LOC\n"),
    "question_answering": ("x.json", {"format": "squad"}, json.dumps(SQUAD)),
    "masked_lm": ("x.txt", {}, "a lamp on the table\nanother lamp\n"),
    "sentence_embeddings": ("x.tsv", {"text_pair": "b", "label": None}, "text\tb\na lamp\ta light\na cup\ta mug\n"),
}


def run(folder: Path, checkpoint: Path, task: str) -> Inspection:
    name, options, content = FILES[task]
    (folder / name).write_text(content, encoding="utf-8")
    raw = {
        "model": {"checkpoint": str(checkpoint), "max_length": 32},
        "task": {"name": task},
        "data": {"train": {"path": str(folder / name), **options}},
    }
    return inspection.inspect(config.validate(raw))


@pytest.mark.parametrize("task", FILES)
def test_every_kind_of_answers_is_reported(tmp_path: Path, tiny_checkpoint: Path, task: str) -> None:
    found = run(tmp_path, tiny_checkpoint, task)
    assert list(found.sections) == list(inspection.build_checks())
    labels = {
        "regression": ("Scores", [("rows", 3), ("median", 2.5), ("mean", 2.5)]),
        "token_classification": ("Types", [("label", "PER"), ("train", 2), ("train_share", 2 / 3)]),
        "question_answering": ("Questions", [("label", "with an answer"), ("train", 2), ("train_share", 2 / 3)]),
    }
    if task in labels:
        caption, expected = labels[task]
        first = table(found, "labels", caption)[0]
        assert [(key, first[key]) for key, _ in expected] == expected
    assert not [finding for finding in found.findings if finding.severity == "error"]
    assert "== Findings ==" in inspection.text(found)
    assert "<h2>Findings</h2>" in inspection.page(found, "x")


def test_two_texts_of_an_example_are_two_texts_of_tokens(tmp_path: Path, tiny_checkpoint: Path) -> None:
    found = run(tmp_path, tiny_checkpoint, "sentence_embeddings")
    assert table(found, "truncation", "Tokens")[0]["texts"] == 4


class Page(html.parser.HTMLParser):
    """Collects tags and texts, and checks that tags are closed in their order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(content)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_escapes_texts_and_needs_nothing_beside_it(inspect: Inspect) -> None:
    evil = "<script>alert('lamp')</script> & \"more\" of it"
    rows = [(evil, "<b>bold</b>"), (evil, "plain"), ("a lamp\x07", "plain"), ("a cup of it", "<b>bold</b>")]
    found = inspect(rows, rows[:1])
    content = inspection.page(found, "a <title>")
    page = Page(content)
    assert evil in "".join(page.texts)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe"}
    assert sum(tag == "b" for tag, _ in page.tags) == len(found.findings)
    images = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 3
    assert all(source.startswith("data:image/png;base64,iVBORw0KGgo") for source in images)
    assert not re.search(r"(src|href)=\"(?!data:|#)|@import|url\(", content)
    assert "prefers-color-scheme: dark" in content
    assert "\x07" not in content


def test_text_has_all_tables_and_the_gravest_finding_last(inspect: Inspect) -> None:
    rows = [("the lamp arrived broken today", "a"), ("i love this chair", "b"), ("i love this chair", "b")]
    text = inspection.text(inspect(rows, rows[:1]))
    captions = ["Good rows", "Labels", "Tokens of a text", "Batches of 32 of train", "Across splits", "Rules of one"]
    places = [text.index(f"\n{caption}") for caption in captions]
    assert places == sorted(places)
    severities = re.findall(r"^(note|warning|error) ", text, re.MULTILINE)
    assert severities == sorted(severities, key=["note", "warning", "error"].index)
    assert severities[-1] == "error"
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_checks_are_registered_documented_and_name_their_ids(inspect: Inspect) -> None:
    page = (Path(__file__).parents[2] / "docs" / "inspect.md").read_text(encoding="utf-8")
    for name in registry.checks.names():
        assert f"| `{name}` |" in page
        check = registry.checks.get(name)
        assert name in check.ids
        for id in check.ids:
            assert f"`{id}`" in page
        for option in registry.checks.options(name):
            assert f"{option}: " in (check.__doc__ or "")
    rows = [("the lamp arrived broken today", "a"), ("i love this chair", "b"), ("i love this chair", "a")]
    for name, section in inspect(rows, rows[:1]).sections.items():
        for finding in section.findings:
            assert set(finding.ids) <= set(registry.checks.get(name).ids)


def test_a_checkpoint_shorter_than_max_length_is_an_error(inspect: Inspect, tiny_checkpoint: Path) -> None:
    model = {"checkpoint": str(tiny_checkpoint), "max_length": 65}
    with pytest.raises(ConfigError, match="max_length: expected 3 to 64"):
        inspect([("a", "a"), ("b", "b")], model=model)


@pytest.mark.parametrize(
    ("task", "name", "content", "message"),
    [
        ("regression", "x.tsv", "text\tlabel\na lamp\tgood\na cup\tbad\n", "Expected different numbers"),
        ("token_classification", "x.conll", "Anna O\n\nsees O\n", "none of its 2 texts has one"),
        ("sequence_classification", "x.jsonl", '{"text": "a", "label": "b"}\n', "at least two"),
        ("sequence_classification", "x.txt", "a lamp\na cup\n", "expected answers in the column 'label'"),
        ("multi_label_classification", "x.jsonl", '{"text": "a", "label": []}\n', "at least two labels"),
    ],
)
def test_what_training_would_stop_at_is_a_finding(
    tmp_path: Path, tiny_checkpoint: Path, task: str, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    raw = {
        "model": {"checkpoint": str(tiny_checkpoint)},
        "task": {"name": task},
        "data": {"train": {"path": str(tmp_path / name)}},
    }
    found = inspection.inspect(config.validate(raw))
    (finding,) = found.failing(["labels"])
    assert (finding.severity, finding.advice) == ("error", "Training would stop at this.")
    assert message in finding.text
    assert inspection.text(found)
    assert inspection.page(found, "x")

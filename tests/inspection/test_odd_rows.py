"""Odd rows and unknown tokens: each kind is found by its line, and clean texts are of none."""

from collections.abc import Callable
from pathlib import Path

from inspected import grave, table

from tftransfer.inspection import Inspection

Inspect = Callable[..., Inspection]
ODD = {
    "nothing visible": "\u200b\u2060",
    "no letter": "12.5 !!!",
    "control characters": "a lamp\x1b and a book",
    "replacement character": "a caf\ufffd in the city",
    "misread UTF-8": "a café in the city, isn’t it".encode().decode("cp1252"),
    "invisible characters": "a good\u200bbook",
    "scripts mixed in a word": "p\u0430ssword",
    "HTML": "a <br /> lamp &amp; a book",
    "web address": "see https://example.org for more",
}
CLEAN = [
    "a good lamp: 5 < 6 & 7 > 3!",
    "我想退货,谢谢",
    "ÀÇÑ Ünïcödé “quoted” – fine…",
    "привет мир",
    "\U0001f469\u200d\U0001f680 in space",  # joined by a character without width, as it has to be
    "Â la carte",
]


def test_each_kind_is_found_at_its_line(inspect: Inspect, tmp_path: Path) -> None:
    rows = [(text, "ab"[i % 2]) for i, text in enumerate([*ODD.values(), *CLEAN])]
    found = inspect(rows)
    counts = {row["kind"]: row["train"] for row in table(found, "odd_rows", "Rows with")}
    assert counts == dict.fromkeys(ODD, 1) | {"no letter": 2, "invisible characters": 2}
    places: dict[str, list[str]] = {}
    for row in table(found, "odd_rows", "Such rows"):
        places.setdefault(row["kind"], []).append(row["where"])
        assert row["text"].isprintable()
    assert {kind: where[-1] for kind, where in places.items()} == {
        kind: f"{tmp_path}/train.tsv:{n + 2}" for n, kind in enumerate(ODD)
    }
    assert len(grave(found, "odd_rows")) == 4


def test_clean_texts_of_any_script_are_not_odd_and_their_scripts_are_counted(inspect: Inspect) -> None:
    found = inspect([(text, "ab"[i % 2]) for i, text in enumerate(CLEAN)])
    assert table(found, "odd_rows", "Rows with") == []
    shares = {row["script"]: row["train_share"] for row in table(found, "odd_rows", "Letters")}
    letters = {"Latin": sum(c.isalpha() for i in (0, 2, 4, 5) for c in CLEAN[i]), "Han": 6, "Cyrillic": 9}
    assert shares == {script: count / sum(letters.values()) for script, count in letters.items()}


def test_texts_far_longer_than_the_others_are_odd(inspect: Inspect) -> None:
    found = inspect([("a lamp", "a"), ("a book", "b"), ("a cup", "a"), ("a " * 200, "b")])
    assert [(row["kind"], row["train"]) for row in table(found, "odd_rows", "Rows with")] == [("very long", 1)]


def test_unknown_words_are_told_as_the_user_wrote_them(inspect: Inspect) -> None:
    rows = [("the LAMP ☃ is good", "a"), ("☃ ☃ 漢 lamp", "b"), ("a good book", "a")]
    found = inspect(rows, [("a lamp", "a"), ("a book", "b")])
    train, test = table(found, "unknown_tokens", "Unknown")
    # [CLS] and [SEP] count: 7 + 6 + 5.
    assert (train["tokens"], train["unknown"], train["texts_with_any"]) == (18, 4, 2)
    assert (test["unknown"], test["unknown_share"]) == (0, 0)
    words = {row["word"]: row["times"] for row in table(found, "unknown_tokens", "Commonest")}
    assert words == {"☃": 3, "漢": 1}
    assert found.failing(["unknown_tokens"])

"""Leakage: planted signs are found, and plain texts have none."""

import random
from collections.abc import Callable

import pytest
from inspected import grave, table

from tftransfer.inspection import Inspection

Inspect = Callable[..., Inspection]
Rows = list[tuple[str, str]]
WORDS = "lamp book cup chair key phone film bill door city color hour month price money".split()  # noqa: SIM905


def texts(count: int, seed: int, plant: Callable[[str, str], str] = lambda text, label: text) -> Rows:
    """Returns rows of random words and labels, in which the words say nothing, and what is planted by label."""
    random_ = random.Random(seed)
    rows = []
    for _ in range(count):
        label = random_.choice(["refund", "delivery_time"])
        rows.append((plant(" ".join(random_.choices(WORDS, k=random_.randint(5, 10))), label), label))
    return rows


def test_plain_texts_give_nothing_away(inspect: Inspect) -> None:
    found = inspect(texts(200, 0), texts(60, 1))
    assert not found.failing(["leakage"])
    assert {row["rule"] for row in table(found, "leakage", "Rules")} == {
        "first token",
        "last token",
        "number of tokens",
    }


def named(text: str, label: str) -> str:
    return f"{text} Delivery-Time" if label == "delivery_time" and len(text) % 2 else text


def test_a_labels_own_name_in_half_of_its_texts_is_found(inspect: Inspect) -> None:
    train = texts(200, 0, named)
    found = inspect(train, texts(60, 1, named))
    (row,) = table(found, "leakage", "Label names")
    having = sum(text.endswith("Time") for text, _ in train)
    assert (row["label"], row["rows"], row["purity_share"]) == ("delivery_time", having, 1.0)
    labelled = sum(label == "delivery_time" for _, label in train)
    assert row["share_of_label"] == pytest.approx(having / labelled)
    assert row["lift"] == pytest.approx(200 / labelled)
    assert any("the label's own name" in text for text in grave(found, "leakage"))


def test_what_is_in_the_training_data_alone_is_chance(inspect: Inspect) -> None:
    assert not inspect(texts(200, 0, named), texts(60, 1)).failing(["leakage"])


def test_a_token_that_tells_the_label_is_found(inspect: Inspect) -> None:
    def plant(text: str, label: str) -> str:
        return text.replace(" ", " tomorrow ", 1) if label == "refund" else text

    train = texts(200, 0, plant)
    # Some rows of the label go without.
    train = [(text.replace("tomorrow ", "") if i % 10 == 0 else text, label) for i, (text, label) in enumerate(train)]
    found = inspect(train, texts(60, 1, plant))
    # The vocabulary has no "tomorrow": its first piece is "to", which is in no other text.
    assert any("label 'refund'" in text and "the token 'to'" in text for text in grave(found, "leakage"))
    best = table(found, "leakage", "Single tokens")[0]
    having = sum("tomorrow" in text for text, _ in train)
    assert (best["label"], best["rows"], best["purity_share"]) == ("refund", having, 1.0)


def test_a_first_token_and_a_length_that_tell_the_label_are_found(inspect: Inspect) -> None:
    def begin(text: str, label: str) -> str:
        return f"{'to' if label == 'refund' else 'up'} {text} to up"

    found = inspect(texts(200, 0, begin), texts(60, 1, begin))
    assert grave(found, "leakage") == ["The first token alone tells the label of 100.0% of test."]

    def lengthen(text: str, label: str) -> str:
        return " ".join(text.split()[:4] * (2 if label == "refund" else 1))

    found = inspect(texts(200, 0, lengthen), texts(60, 1, lengthen))
    assert "The number of tokens alone tells the label of 100.0% of test." in grave(found, "leakage")


def test_labels_of_several_are_counted_one_by_one(inspect: Inspect) -> None:
    rows = [
        (f"{text} anger" if label == "refund" else text, "joy,anger" if label == "refund" else "joy")
        for text, label in texts(200, 0)
    ]
    found = inspect(rows, task="multi_label_classification")
    anger = sum(label == "joy,anger" for _, label in rows)
    assert table(found, "leakage", "Label names")[0] == {
        "label": "anger",
        "rows": anger,
        "share_of_label": 1.0,
        "purity_share": 1.0,
        "lift": 200 / anger,
    }
    assert [(r["label"], r["train"]) for r in table(found, "labels", "Labels")] == [("joy", 200), ("anger", anger)]
    # Every row has "joy": every token is pure, and none says anything.
    assert all("'anger'" in text for text in grave(found, "leakage"))

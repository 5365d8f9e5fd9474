"""Token classification: targets, windows, metrics and answers, against plain searches, seqeval and the graph."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import seqeval.metrics
import tensorflow as tf
import torch
import transformers

from tftransfer import registry
from tftransfer.data import read
from tftransfer.errors import ConfigError, DataError
from tftransfer.tags import tags_of
from tftransfer.tasks import TokenClassification
from tftransfer.tasks.token_classification import TaggedWords
from tftransfer.token_rows import IGNORED
from tftransfer.tokenizers import FastTokenizer
from tftransfer.tokenizers.in_graph import in_graph

CORPORA = Path(os.environ.get("TFTRANSFER_DATA", Path(__file__).parents[3] / "shared" / "data"))
LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
TASK = TokenClassification(LABELS)
# Characters of two UTF-16 units, marks, none of width, ideographs, and all kinds of white space.
TEXTS = [
    "Ann-Lee wants the parcel in New York, please",
    "\U0001f600 book \U0001f44d\U0001f3fd\U0001f468\u200d\U0001f469 the\tlamp\n\nnow \U0001f600",
    "\ufeffcafe\u0301 \u200bthe na\u0308ive\u200b \u0301ab",
    "\u4e2d\u6587book\uff0c\u6771\u4eac the",
    "",
    " \n\t ",
    "\u200b",
    "the lamp was delivered very late, and it was broken; " * 4,
    "\x00 a\r\nb \u3000 c",
]
SPANS = [
    [(0, 7, "PER"), (28, 36, "LOC")],
    [(0, 1, "LOC"), (7, 12, "PER")],
    [(1, 6, "LOC"), (8, 11, "PER")],  # without what the tokenizer leaves out, but for marks
    [(0, 2, "LOC"), (2, 6, "PER"), (7, 9, "LOC")],
    [],
    [],
    [],
    [(0, 8, "PER"), (34, 51, "LOC"), (57, 61, "LOC"), (98, 128, "PER")],
    [(2, 3, "LOC")],
]


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> FastTokenizer:
    return FastTokenizer.from_directory(tiny_checkpoint)


@pytest.fixture
def encode(tokenizer: FastTokenizer) -> Callable[..., Any]:
    def encode(texts: list[str], max_length: int = 64, task: TokenClassification = TASK) -> Any:
        return tokenizer.encode(texts, max_length=max_length, options=task.row_options)

    return encode


def certain(targets: np.ndarray, rows: Any, labels: int = len(LABELS)) -> list[np.ndarray]:
    """Returns logits that are sure of the targets."""
    return np.split(20 * np.eye(labels, dtype="float32")[np.maximum(targets, 0)], rows.offsets[1:-1])


def spans_of(answer: dict[str, Any]) -> list[tuple[int, int, str]]:
    return [(e["start"], e["end"], e["type"]) for e in answer["entities"]]


@pytest.mark.parametrize("max_length", [12, 20, 64])
def test_what_is_learned_is_what_is_answered(encode: Callable[..., Any], max_length: int) -> None:
    task = TokenClassification(LABELS, stride=4)
    columns, rows = {"text": TEXTS, "spans": SPANS}, encode(TEXTS, max_length, task)
    assert len(rows) > len(TEXTS) or max_length == 64
    targets = task.targets(columns, rows)
    answers = task.decode(task.scores(task.gather(certain(targets, rows), rows)), columns)
    for text, spans, answer in zip(TEXTS, SPANS, answers, strict=True):
        assert spans_of(answer) == spans, text
        assert [e["text"] for e in answer["entities"]] == [text[start:end] for start, end, _ in spans]
        assert all(e["score"] == pytest.approx(1) and type(e["score"]) is float for e in answer["entities"])


def test_the_first_token_of_a_word_has_its_tag(encode: Callable[..., Any], tokenizer: FastTokenizer) -> None:
    text = "refunds Anna-Lee!"
    rows = encode([text])
    targets = TASK.targets({"text": [text], "spans": [[(8, 16, "PER")]]}, rows)
    tokens = [tokenizer.rust.id_to_token(n) for n in rows.input_ids]
    assert tokens == ["[CLS]", "refund", "##s", "an", "##n", "##a", "-", "l", "##e", "##e", "!", "[SEP]"]
    shown = [LABELS[n] if n >= 0 else "" for n in targets]
    assert shown == ["", "O", "", "B-PER", "", "", "I-PER", "I-PER", "", "", "O", ""]
    assert targets[0] == IGNORED
    # A part of a word makes it all of the span.
    assert np.array_equal(TASK.targets({"text": [text], "spans": [[(9, 15, "PER")]]}, rows), targets)
    (answer,) = TASK.decode(TASK.gather(certain(targets, rows), rows), {"text": [text]})
    assert spans_of(answer) == [(8, 16, "PER")]


def test_of_spans_within_one_word_the_first_counts(encode: Callable[..., Any]) -> None:
    rows = encode(["parcels now"])
    targets = TASK.targets({"text": ["parcels now"], "spans": [[(0, 3, "LOC"), (3, 7, "PER"), (8, 11, "PER")]]}, rows)
    assert [LABELS[n] for n in targets if n >= 0] == ["B-LOC", "B-PER"]


def test_a_word_is_taken_from_the_window_with_most_context(encode: Callable[..., Any]) -> None:
    # A word a token; windows of 4 tokens between the special ones, which share 2.
    task, text = TokenClassification(LABELS, stride=2), "a b c d e f g"
    rows = encode([text], 6, task)
    assert np.diff(rows.offsets).tolist() == [6, 6, 5]
    logits = [np.full((n, 5), row, "float32") for row, n in enumerate(np.diff(rows.offsets))]
    (words,) = task.gather(logits, rows)
    # "c" and "d", places 3 and 4 of the first window, are 1 and 2 of the second; "e" and "f" are 3 and 4, then 1 and 2.
    assert words.scores[:, 0].tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert words.starts.tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert words.ends.tolist() == [1, 3, 5, 7, 9, 11, 13]


def test_a_word_cut_by_a_window_is_whole(encode: Callable[..., Any]) -> None:
    task, text = TokenClassification(LABELS, stride=0), "xyzxyz book"
    rows = encode([text], 5, task)
    (words,) = task.gather([np.zeros((n, 5), "float32") for n in np.diff(rows.offsets)], rows)
    assert list(zip(words.starts.tolist(), words.ends.tolist(), strict=True)) == [(0, 6), (7, 11)]


def test_texts_without_words(encode: Callable[..., Any]) -> None:
    rows = encode(["", "\u200b"])
    assert (TASK.targets({"spans": [[], []]}, rows) == IGNORED).all()
    scores = TASK.scores(TASK.gather([np.zeros((2, 5), "float32")] * 2, rows))
    assert TASK.decode(scores, {"text": ["", "\u200b"]}) == [{"entities": []}] * 2
    assert TASK.margins(scores).tolist() == [np.inf, np.inf]


@pytest.fixture(scope="module")
def graph(tokenizer: FastTokenizer) -> Any:
    return in_graph(tokenizer, 16, options=TokenClassification(stride=6).row_options)


@pytest.mark.parametrize("scheme", ["BIO", "POS"])
def test_the_graph_answers_the_same(tokenizer: FastTokenizer, graph: Any, scheme: Any) -> None:
    task = TokenClassification(LABELS, scheme=scheme, stride=6)
    rows, tokens = tokenizer.encode(TEXTS, max_length=16, options=task.row_options), graph(tf.constant(TEXTS))
    shape, rng = tokens["input_ids"].shape, np.random.default_rng(0)
    logits = 3 * rng.normal(size=(*shape, 5)).astype("float32")
    flat = [row[:n] for row, n in zip(logits, np.diff(rows.offsets), strict=True)]
    expected = task.decode(task.scores(task.gather(flat, rows)), {"text": TEXTS})
    assert max(len(answer["entities"]) for answer in expected) > 9
    served = tf.function(task.serve)(tf.constant(logits), {**tokens, "text": tf.constant(TEXTS)})
    assert {key: value.dtype.name for key, value in served.items()} == {
        "entities": "string",
        "texts": "string",
        "starts": "int32",
        "ends": "int32",
        "scores": "float32",
    }
    lists = {key: decoded(value.numpy().tolist()) for key, value in served.items()}
    assert lists["starts"][4] == [-1] * len(lists["starts"][0])
    for one, other, text in zip(task.read_served(lists), expected, TEXTS, strict=True):
        assert spans_of(one) == spans_of(other), text
        for found, wanted in zip(one["entities"], other["entities"], strict=True):
            assert found["text"] == wanted["text"] == text[wanted["start"] : wanted["end"]]
            assert found["score"] == pytest.approx(wanted["score"], abs=1e-6)


def decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [decoded(part) for part in value]
    return value.decode() if isinstance(value, bytes) else value


def test_the_graph_without_any_entity(graph: Any) -> None:
    texts = tf.constant(["the", "", b"\xff the"])
    tokens = graph(texts)
    none = TASK.serve(tf.one_hot(tf.zeros_like(tokens["input_ids"]), 5), {**tokens, "text": texts})
    assert {key: tuple(value.shape) for key, value in none.items()} == dict.fromkeys(none, (3, 0))
    every = TASK.serve(tf.one_hot(tf.ones_like(tokens["input_ids"]), 5), {**tokens, "text": texts})
    # What is not UTF-8 counts as a character.
    assert every["starts"].numpy().tolist() == [[0], [-1], [2]]
    assert decoded(every["texts"].numpy().tolist()) == [["the"], [""], ["the"]]


def random_batches(rng: np.random.Generator, labels: int) -> list[tuple[np.ndarray, np.ndarray]]:
    batches = []
    for length in (1, 7, 30):
        targets = rng.integers(0, labels, (6, length))
        targets[rng.random(targets.shape) < 0.3] = IGNORED
        predicted = np.where(
            rng.random(targets.shape) < 0.7, np.maximum(targets, 0), rng.integers(0, labels, (6, length))
        )
        batches.append((targets, np.eye(labels, dtype="float32")[predicted]))
    return batches


@pytest.mark.parametrize("scheme", ["IO", "BIO", "IOBES"])
def test_the_metrics_are_those_of_seqeval(scheme: Any) -> None:
    task = TokenClassification(scheme=scheme).resolve({"spans": [[(0, 1, "LOC"), (2, 3, "PER")]]})
    batches, (f1, accuracy) = random_batches(np.random.default_rng(3), len(task.labels)), task.metrics()
    truth: list[list[list[str]]] = [[], []]
    for targets, logits in batches:
        f1.update_state(targets, logits)
        accuracy.update_state(targets, logits)
        for row, predicted in zip(targets, logits.argmax(-1), strict=True):
            for names, values in zip(truth, (row, predicted), strict=True):
                names.append([task.labels[n] for n in values[row >= 0]])
    wanted, found = ([row for row in side if row] for side in truth)
    assert 0.2 < float(f1.result()) < 0.9
    assert float(f1.result()) == pytest.approx(seqeval.metrics.f1_score(wanted, found), abs=1e-6)
    assert float(accuracy.result()) == pytest.approx(seqeval.metrics.accuracy_score(wanted, found), abs=1e-6)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(f1))
    for batch in batches:
        tf.function(copy.update_state)(*map(tf.constant, batch))
    assert float(copy.result()) == float(f1.result())
    f1.reset_state()
    assert float(f1.result()) == 0.0


def test_metrics_have_the_names_that_a_run_may_monitor() -> None:
    assert {metric.name for metric in TASK.metrics()} | {"loss"} == set(TASK.monitors)


def test_the_loss_passes_over_tokens_without_a_tag() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 9, 5)).astype("float32"), rng.integers(0, 5, (4, 9))
    targets[rng.random((4, 9)) < 0.5] = IGNORED
    for smoothing in (0.0, 0.1):
        truth = torch.nn.CrossEntropyLoss(label_smoothing=smoothing, ignore_index=IGNORED)(
            torch.tensor(logits).flatten(0, 1), torch.tensor(targets).flatten()
        )
        weights = (targets >= 0) * (targets.size / (targets >= 0).sum())
        loss = TokenClassification(LABELS, label_smoothing=smoothing).loss()(targets, logits, weights)
        assert float(loss) == pytest.approx(truth.item(), rel=1e-5)


def test_a_files_token_has_the_tag_of_its_first_word() -> None:
    # Words: U . S . Ann met; tokens: "U.S." "Ann" "met", and "x", in which no word begins.
    starts = np.array([0, 1, 2, 3, 5, 9])
    tags = [LABELS.index(tag) for tag in ("B-LOC", "I-LOC", "O", "B-PER", "I-LOC", "O")]
    words = TaggedWords(starts, np.array([1, 2, 3, 4, 8, 12]), np.eye(5, dtype="float32")[tags])
    columns = {"text": ["U.S. Ann met x"], "words": [[(0, 4), (5, 8), (9, 12), (13, 14)]], "spans": [[(0, 8, "LOC")]]}
    evidence = TASK.evidence([words], columns)
    assert evidence["predictions"] == evidence["targets"] == [[(0, 8, "LOC")]]
    assert (evidence["labels"], evidence["texts"], evidence["scores"]) == (["LOC", "PER"], columns["text"], [[1.0]])
    # A word of several tokens of the file, as in Chinese files, is not begun twice.
    columns |= {"words": [[(0, 4), *((n, n + 1) for n in (5, 6, 7, 9, 10, 11))]]}
    words.scores[4] = np.eye(5)[LABELS.index("B-PER")]
    assert TASK.evidence([words], columns)["predictions"] == [[(0, 4, "LOC"), (5, 8, "PER")]]
    del columns["words"]
    assert TASK.evidence([words], columns)["predictions"] == [[(0, 2, "LOC"), (3, 4, "PER"), (5, 8, "PER")]]


def test_of_a_files_token_the_first_piece_is_learned_as_with_transformers(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """A URL is one token of the file and many words; it is not to count as many times."""
    lines = ["See\tO", "http://t.co/xy1\tB-LOC", "o'brien\tB-PER", "a-z\tI-PER", "good-by\tO", "!\tO", "", "to\tO"]
    path = tmp_path / "toy.conll"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns, tokenizer = read(path).columns, FastTokenizer.from_directory(tiny_checkpoint)
    task = TokenClassification().resolve(columns)
    rows = tokenizer.encode(columns["text"], max_length=64, options=task.row_options)
    ours = task.targets(columns, rows)
    reference = transformers.BertTokenizerFast.from_pretrained(tiny_checkpoint)
    for row, sentence in enumerate((lines[:6], lines[7:])):
        tokens, tags = zip(*(line.split("\t") for line in sentence), strict=True)
        encoded = reference(list(tokens), is_split_into_words=True)
        numbers = encoded.word_ids()
        first = [n is not None and n not in numbers[:place] for place, n in enumerate(numbers)]
        theirs = [task.labels.index(tags[n]) if f else IGNORED for n, f in zip(numbers, first, strict=True)]
        part = slice(rows.offsets[row], rows.offsets[row + 1])
        assert rows.input_ids[part].tolist() == encoded["input_ids"]
        assert ours[part].tolist() == theirs
    alone = task.targets({role: columns[role] for role in ("text", "spans")}, rows)  # texts with spans have no tokens
    assert (alone != IGNORED).sum() > (ours != IGNORED).sum()


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not there")
def test_a_real_corpus_is_judged_as_seqeval_judges_it(tokenizer: FastTokenizer) -> None:
    columns = read(CORPORA / "wnut17" / "dev.conll").take(np.arange(400)).columns
    task = TokenClassification().resolve(columns)
    rows = tokenizer.encode(columns["text"], max_length=24, options=task.row_options)
    logits, rng = certain(task.targets(columns, rows), rows, len(task.labels)), np.random.default_rng(0)
    evidence = task.evidence(task.scores(task.gather(logits, rows)), columns)
    assert evidence["predictions"] == evidence["targets"]
    # Where tags are at random, spans that are equal in characters are those that are equal in tags of tokens.
    noisy = [row + 20 * rng.normal(size=row.shape) * (rng.random((len(row), 1)) < 0.2) for row in logits]
    evidence = task.evidence(task.scores(task.gather(noisy, rows)), columns)
    wanted, found = ([*map(set, evidence[key])] for key in ("targets", "predictions"))
    right = sum(len(a & b) for a, b in zip(wanted, found, strict=True))
    tags = [in_tokens(evidence[key], columns["words"]) for key in ("targets", "predictions")]
    precision, recall = right / sum(map(len, found)), right / sum(map(len, wanted))
    assert 0.1 < precision < 0.95
    assert precision == pytest.approx(seqeval.metrics.precision_score(*tags))
    assert recall == pytest.approx(seqeval.metrics.recall_score(*tags))


def in_tokens(spans: list[Any], tokens: list[Any]) -> list[list[str]]:
    rows = []
    for some, places in zip(spans, tokens, strict=True):
        begins, ends = ({place[side]: n for n, place in enumerate(places)} for side in (0, 1))
        in_places = [(begins[start], ends[end] + 1, kind.replace("-", "")) for start, end, kind in some]
        rows.append(tags_of(in_places, len(places), "BIO"))
    return rows


def test_labels_come_from_the_spans_sorted() -> None:
    columns = {"text": ["x", "y"], "spans": [[(0, 1, "PER")], [(0, 1, "LOC")]]}
    assert TokenClassification().resolve(columns) == TASK
    assert TokenClassification(scheme="POS").resolve(columns).labels == ("LOC", "PER")
    given = TokenClassification(["O", "I-LOC", "I-PER", "I-X"], "IO")
    assert given.resolve(columns) is given
    assert not TokenClassification().is_resolved


def test_a_file_without_spans_is_nothing_to_learn() -> None:
    for task in (TokenClassification(), TASK):
        with pytest.raises(DataError, match="Expected spans in the training data; none of its 2 texts has one"):
            task.resolve({"text": ["x", "y"], "spans": [[], []]})


def test_problems_name_the_rows_and_suggest() -> None:
    problems = TASK.problems({"spans": [[(0, 1, "LOC")], [(0, 1, "LOC"), (2, 3, "PEER")], [], [(0, 1, "X")]]})
    assert problems == {
        1: "unknown label 'PEER'. Did you mean 'PER'? Known: LOC, PER",
        3: "unknown label 'X'. Known: LOC, PER",
    }


def test_a_checkpoints_labels_tell_the_scheme() -> None:
    adopted = TokenClassification(stride=5).adopt(["S-A", "B-A", "I-A", "E-A", "O"])
    assert adopted == TokenClassification(("S-A", "B-A", "I-A", "E-A", "O"), "IOBES", stride=5)
    with pytest.raises(ConfigError, match="labels are not known"):
        TokenClassification().adopt([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["O", "B-A", "O"]}, "labels: expected distinct labels; received O more than once"),
        ({"labels": ["LOC", "PER"]}, r"tags of the scheme BIO, such as O, B-PER, I-PER; received 'LOC'"),
        ({"label_smoothing": 1.0}, r"label_smoothing: expected a number in \[0, 1\); received 1.0"),
        ({"dropout": -0.1}, r"dropout: expected a number in \[0, 1\); received -0.1"),
        ({"stride": -1}, "stride: expected a number >= 0; received -1"),
        ({"focal_gamma": -1.0}, "focal_gamma: expected a number >= 0; received -1.0"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    for build in (lambda: TokenClassification(**options), lambda: registry.tasks.build(TASK.name, options)):
        with pytest.raises(ConfigError, match=message):
            build()

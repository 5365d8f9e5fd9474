"""Question answering: loss, metrics, answers and thresholds against PyTorch and hand-made cases, and a toy to learn."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

import tftransfer
from tftransfer import Examples
from tftransfer.errors import ConfigError, DataError
from tftransfer.model import TransferModel
from tftransfer.tasks import QuestionAnswering
from tftransfer.tasks.answer_spans import IMPOSSIBLE, BestSpans
from tftransfer.tokenizers.in_graph import in_graph

THINGS = ["lamp", "book", "cup", "chair", "key", "phone", "film", "bill"]
CONTEXT = "héllo 👍🏽\tworld"
COLUMNS: dict[str, Any] = {"text": ["what?"], "text_pair": [CONTEXT], "answers": [[("world", 9)]]}


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def toy(count: int, no_answer: bool = True) -> Examples:
    """Returns questions on what is late and what is good, a third of them, if so asked, without an answer."""
    columns: dict[str, list[Any]] = {"text": [], "text_pair": [], "answers": [], "id": []}
    for n in range(count):
        late, good = THINGS[n % 8], THINGS[(n // 8 + n + 1) % 8]
        context = f"the {late} 👍 is late, {'and ' * (n % 3)}the {good} is good"
        asked = ["late", "good", "broken"][n % (2 + no_answer)]
        answers = {"late": [(late, 4)], "good": [(good, context.rindex(good + " is"))], "broken": []}[asked]
        for role, value in zip(columns, (f"what is {asked}", context, answers, str(n)), strict=True):
            columns[role].append(value)
    return Examples(columns, "toy.json", np.arange(1, count + 1))


def spans(*rows: tuple[float, ...]) -> BestSpans:
    starts, ends, *floats = np.asarray(rows).T
    return BestSpans(starts.astype(int), ends.astype(int), *floats)


@pytest.fixture(scope="module")
def model(make_checkpoint: Callable[..., Path]) -> TransferModel:
    """A model that has learned the toy, in rows too short for most of its contexts."""
    keras.utils.set_random_seed(0)
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    # As of a checkpoint that was a classifier, whose labels are not this task's.
    checkpoint = make_checkpoint({**still, "id2label": {"0": "a", "1": "b", "2": "c"}})
    train = toy(160)
    model = tftransfer.build(str(checkpoint), QuestionAnswering(stride=4).resolve(train.columns), max_length=18)
    options = {"learning_rate": 5e-3, "epochs": 6, "batch_size": 16, "show_progress": False}
    trained = tftransfer.fine_tune(model, train, toy(48), **options)
    assert trained.history["val_span_accuracy"][-1] == 1.0
    return model


def test_the_loss_is_that_of_pytorch() -> None:
    logits, targets = 3 * normal(20, 7, 2), np.random.default_rng(0).integers(7, size=(20, 2)).astype("int32")
    parts = [
        torch.nn.functional.cross_entropy(torch.tensor(logits[..., n]), torch.tensor(targets[:, n]).long())
        for n in range(2)
    ]
    truth, loss = (parts[0] + parts[1]).item() / 2, QuestionAnswering().loss()
    assert float(loss(targets, logits)) == pytest.approx(truth, rel=1e-6)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    padded = np.concatenate([logits, np.full((20, 5, 2), IMPOSSIBLE, "float32")], axis=1)
    assert float(copy(targets, padded)) == pytest.approx(truth, rel=1e-6)


def test_a_span_is_right_if_both_its_ends_are() -> None:
    (metric,) = QuestionAnswering().metrics()
    logits = np.zeros((4, 6, 2), "float32")
    for row, (start, end) in enumerate([(1, 2), (1, 2), (3, 3), (0, 0)]):
        logits[row, start, 0] = logits[row, end, 1] = 1
    metric.update_state(np.array([[1, 2], [1, 3]]), logits[:2])
    metric.update_state(np.array([[2, 3], [0, 0]]), logits[2:])
    assert float(metric.result()) == 0.5
    assert {metric.name, "loss"} == set(QuestionAnswering.monitors)


def test_it_learns_and_answers_in_the_users_characters(model: TransferModel) -> None:
    held_out = toy(400).take(np.arange(300, 400))
    answers = model.predict_text(held_out.columns["text"], held_out.columns["text_pair"])
    rows = zip(answers, held_out.columns["text_pair"], held_out.columns["answers"], strict=True)
    for answer, context, expected in rows:
        ((text, start),) = expected or [("", -1)]
        assert (answer["answer"], answer["start"]) == (text, start)
        assert context[answer["start"] : answer["end"]] == text if expected else answer["end"] == -1
        assert answer["no_answer_score"] < 0.5 if expected else answer["no_answer_score"] == answer["score"]
        assert 0 < answer["score"] <= 1


def test_an_answer_does_not_depend_on_the_rest_of_its_batch(model: TransferModel) -> None:
    question, context = "what is late", "the lamp is late"
    alone = model.predict_text([question], [context])
    many = model.predict_text([question, "what is good " * 4], [context, context * 9])
    assert many[0]["score"] == pytest.approx(alone[0]["score"], abs=1e-6)
    logits = model.predict_logits(model.encode(toy(8)))
    assert isinstance(logits, BestSpans)


@pytest.mark.parametrize(("question", "context"), [("what is late", ""), ("", ""), ("what is late", " \u200b\n")])
def test_there_is_no_answer_in_nothing(model: TransferModel, question: str, context: str) -> None:
    (answer,) = model.predict_text([question], [context])
    expected = {"answer": "", "start": -1, "end": -1, "score": 1.0, "no_answer_score": 1.0}
    assert answer == expected


def test_a_long_question_leaves_half_a_row_to_the_context(model: TransferModel) -> None:
    rows = model.encode(Examples({"text": ["what is late " * 50], "text_pair": [CONTEXT * 9]}, "x", np.array([1])))
    assert (np.diff(rows.tokens.offsets) <= 18).all()
    assert all((rows.tokens.texts[a:b] == 1).sum() >= 7 for a, b in zip(*_bounds(rows.tokens.offsets), strict=True))


def _bounds(offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return offsets[:-2], offsets[1:-1]  # without the last window, which may be a short one


def test_answers_of_hand() -> None:
    found = spans((0, 5, 4.0, 0.9, 2.0, 1.0), (6, 8, 3.0, 0.5, 0.1, 4.0), (-1, -1, IMPOSSIBLE, 0, 0, 2.0))
    columns = {"text": ["?"] * 3, "text_pair": [CONTEXT, CONTEXT, ""]}
    task = QuestionAnswering(no_answer=True)
    first, second, third = task.decode(task.scores(found), columns)
    likely = 1 / (1 + np.exp(-3.0)), 1 / (1 + np.exp(1.0))
    assert first == pytest.approx(
        {"answer": "héllo", "start": 0, "end": 5, "score": 0.9, "no_answer_score": 1 - likely[0]}
    )
    assert second == {
        "answer": "",
        "start": -1,
        "end": -1,
        "score": pytest.approx(1 - likely[1]),
        "no_answer_score": second["score"],
    }
    assert (third["answer"], third["score"]) == ("", 1.0)
    assert task.margins(task.scores(found))[1] == pytest.approx(0.5)
    lenient = QuestionAnswering(no_answer=True, null_threshold=1.5)
    assert [a["answer"] for a in lenient.decode(lenient.scores(found), columns)] == ["héllo", "👍🏽", ""]
    always = QuestionAnswering(no_answer=False)
    answers = always.decode(always.scores(found), columns)
    assert answers[1] == {"answer": "👍🏽", "start": 6, "end": 8, "score": 0.5}
    assert answers[2] == {"answer": "", "start": -1, "end": -1, "score": 0.0}


def test_the_threshold_is_chosen_for_the_best_f1() -> None:
    # Nulls above the spans' logits: by -1 with the right answer, 2 with a word too many, 3 where there is no answer.
    found = spans((0, 5, 1, 0, 0, 0.0), (0, 8, 0, 0, 0, 2.0), (0, 5, 0, 0, 0, 3.0))
    columns = {"text_pair": [CONTEXT] * 3, "answers": [[("héllo", 0)], [("world", 9), ("héllo", 0)], []]}
    task = QuestionAnswering(no_answer=True, null_threshold="tuned")
    assert task.scores(found)["start"].tolist() == [0, -1, -1]
    assert task.tuned(found, columns).null_threshold == pytest.approx(2.5)
    answered = {**columns, "answers": [*columns["answers"][:2], [("world", 9)]]}
    assert task.tuned(found, answered) is task
    assert QuestionAnswering(no_answer=True, null_threshold=1.0).tuned(found, columns).null_threshold == 1.0


def test_what_is_left_open_comes_from_the_training_data() -> None:
    task = QuestionAnswering(null_threshold="tuned")
    assert not task.is_resolved
    english = task.resolve(COLUMNS)
    assert (english.no_answer, english.characters, english.null_threshold) == (False, False, 0.0)
    chinese = task.resolve({"answers": [[("北京2008", 0)], [], [("中国", 3)]]})
    assert (chinese.no_answer, chinese.characters, chinese.null_threshold) == (True, False, "tuned")
    assert task.resolve({"answers": [[("北京", 0)], [("OK", 3)], [("中国", 3)]]}).characters
    given = QuestionAnswering(no_answer=True, characters=True)
    assert given.resolve(COLUMNS) == given
    with pytest.raises(DataError, match="none of them has one"):
        task.resolve({"answers": [[], []]})
    with pytest.raises(ConfigError, match="no_answer=True or no_answer=False"):
        task.adopt(())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": -1}, "stride: expected a number of tokens >= 0; received -1"),
        ({"max_answer_length": 0}, "max_answer_length: expected a number of tokens > 0; received 0"),
        ({"dropout": 1.0}, r"dropout: expected a number in \[0, 1\); received 1.0"),
        ({"no_answer": False, "null_threshold": "tuned"}, "null_threshold: expected none where every question has"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        QuestionAnswering(**options)


def test_an_answer_that_is_not_there_is_named_by_file_and_line(model: TransferModel) -> None:
    answers = [[("world", 9)], [("world", 8)], [], [("", 3)], [("w", -6)], [("world!", 9)]]
    columns = {"text": ["?"] * 6, "text_pair": [CONTEXT] * 6, "answers": answers}
    problems = QuestionAnswering().problems(columns)
    assert sorted(problems) == [1, 3, 4, 5]
    assert problems[1] == "expected the answer 'world' at character 8 of the context; found '\\tworl'"
    with pytest.raises(DataError, match="squad.json:8: expected the answer 'world' at character 8"):
        model.encode(Examples(columns, "squad.json", np.arange(7, 13)))
    with pytest.raises(DataError, match="Expected a context beside each question"):
        model.predict_text(["what is late"])


def test_pytorch_has_the_same_logits(model: TransferModel, tmp_path: Path) -> None:
    folder = tftransfer.export_huggingface(model, tmp_path / "hub")
    theirs = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    (inputs,) = model.encode(
        Examples({k: v for k, v in toy(6).columns.items() if k != "answers"}, "", np.arange(6))
    ).batch(np.arange(6))
    with torch.no_grad():
        expected = theirs(**{key: torch.tensor(value).long() for key, value in inputs.items()})
    logits, real = np.asarray(model(inputs)), inputs["attention_mask"] > 0
    np.testing.assert_allclose(logits[real][:, 0], expected.start_logits[real], atol=1e-5)
    np.testing.assert_allclose(logits[real][:, 1], expected.end_logits[real], atol=1e-5)
    assert (logits[~real] == IMPOSSIBLE).all()
    assert theirs.config.num_labels == 2
    again = tftransfer.build(str(folder), QuestionAnswering(no_answer=True, stride=4), max_length=18)
    assert again.load_report.head == "the checkpoint's question answering head was loaded"
    columns = toy(8).columns["text"], toy(8).columns["text_pair"]
    assert [a["answer"] for a in again.predict_text(*columns)] == [a["answer"] for a in model.predict_text(*columns)]


def test_the_graph_answers_as_the_model_does(model: TransferModel) -> None:
    task, examples = model.task, toy(60)
    texts = ["the lamp 👍🏽\tand the\u200b book " * 9, "", "\n", *examples.columns["text_pair"]]
    columns = {"text": ["what is late", "", "?", *examples.columns["text"]], "text_pair": texts}
    module = in_graph(model.tokenizer, model.max_length, pair=True, options=task.row_options)
    strings = [tf.constant(columns[role]) for role in ("text", "text_pair")]
    for given in (task, dataclasses.replace(task, null_threshold=3.0), dataclasses.replace(task, no_answer=False)):
        tokens = module(*strings)
        served = given.serve(model({key: tokens[key] for key in model.input}), {**tokens, "context": strings[1]})
        read = given.read_served({key: value.numpy().tolist() for key, value in served.items()})
        expected = given.decode(given.scores(model.predict_logits(Examples(columns, "", np.arange(63)))), columns)
        for one, other in zip(read, expected, strict=True):
            assert one.pop("answer").decode() == other.pop("answer")
            assert one == pytest.approx(other, abs=1e-5)


def test_the_head_has_no_dropout_where_pytorchs_has_none(make_checkpoint: Callable[..., Path]) -> None:
    checkpoint = str(make_checkpoint({"hidden_dropout_prob": 0.3}))
    for task, rate in (
        (QuestionAnswering(no_answer=False), 0.0),
        (QuestionAnswering(no_answer=False, dropout=0.2), 0.2),
    ):
        assert tftransfer.build(checkpoint, task, max_length=16).get_layer("head").dropout == rate

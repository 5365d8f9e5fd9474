"""Question answering from files of questions to a run, its report and its artefacts, on a tiny checkpoint."""

import json
from pathlib import Path

import pytest

from tftransfer import config, experiment
from tftransfer.export.verification import answers_of

THINGS = ["lamp", "book", "cup", "chair", "key", "phone", "film", "bill"]
ASKED = {
    "question": ["what is late", "what is good", "what is broken", "what is late", ""],
    "context": ["the lamp 👍 is late, the cup is good"] * 3 + ["", "the\tkey\u200b is late, " * 9],
}


def squad(count: int) -> str:
    """Returns questions in SQuAD's JSON, a third of them without an answer."""
    paragraphs = []
    for n in range(count):
        late, good = THINGS[n % 8], THINGS[(n // 8 + n + 1) % 8]
        context = f"the {late} 👍 is late, {'and ' * (n % 3)}the {good} is good"
        asked = ["late", "good", "broken"][n % 3]
        places = {"late": [(late, 4)], "good": [(good, context.rindex(good + " is"))], "broken": []}[asked]
        answers = [{"text": text, "answer_start": start} for text, start in places]
        question = {"id": n, "question": f"what is {asked}", "answers": answers, "is_impossible": not answers}
        paragraphs.append({"context": context, "qas": [question]})
    return json.dumps({"version": "v2.0", "data": [{"title": "toy", "paragraphs": paragraphs}]})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("questions")
    data = {}
    for name, count in (("train", 64), ("validation", 24)):
        data[name] = {"path": str(folder / f"{name}.json"), "format": "squad"}
        (folder / f"{name}.json").write_text(squad(count), encoding="utf-8")
    raw = {
        "model": {"checkpoint": str(tiny_checkpoint), "max_length": 18},
        "task": {"name": "question_answering", "stride": 4, "null_threshold": "tuned"},
        "data": data,
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3},
    }
    summary = experiment.fit(config.validate(raw), folder / "run")
    assert summary["metrics"]["validation"]["exact_match"] >= 1 / 3  # as many questions have no answer
    assert set(summary["metrics"]["validation"]["answerable"]) == {"has_answer", "no_answer"}
    return folder / "run"


def test_the_run_keeps_what_it_has_found(run: Path) -> None:
    task = json.loads((run / "task.json").read_text())
    assert (task["no_answer"], task["characters"]) == (True, False)
    assert isinstance(task["null_threshold"], float)
    kept = json.loads((run / "metrics.json").read_text())["validation"]
    assert experiment.evaluate(run) == kept
    assert "exact match" in (run / "report" / "validation" / "report.md").read_text().lower()


def test_predict_answers_a_file_without_answers(run: Path, tmp_path: Path) -> None:
    document = json.loads((run.parent / "validation.json").read_text())
    for paragraph in document["data"][0]["paragraphs"]:
        for question in paragraph["qas"]:
            del question["answers"], question["is_impossible"]
    (tmp_path / "asked.json").write_text(json.dumps(document), encoding="utf-8")
    answers = list(experiment.predict(run, tmp_path / "asked.json"))
    assert [answer["id"] for answer in answers] == [str(n) for n in range(24)]
    for answer in answers:
        part = answer["text_pair"][answer["start"] : answer["end"]] if answer["start"] >= 0 else ""
        assert answer["answer"] == part


def test_the_artefact_takes_questions_and_contexts(run: Path) -> None:
    report = json.loads((run / "export" / "1" / "assets.extra" / "export_report.json").read_text())
    assert sorted(report["signature"]["inputs"]) == ["context", "question"]
    assert sorted(report["signature"]["outputs"]) == ["answer", "end", "no_answer_score", "score", "start"]
    assert (report["scores_compared_on"], report["token_differences"]) == (25, 0)  # and the empty text


@pytest.mark.slow  # the export itself has compared the two, on other texts
def test_the_savedmodel_answers_like_the_model_in_a_fresh_process(run: Path) -> None:
    served = answers_of(run / "export" / "1", ASKED)["outputs"]
    expected = experiment.load(run).predict_text(ASKED["question"], ASKED["context"])
    assert set(served) == {"answer", "start", "end", "score", "no_answer_score"}
    for n, answer in enumerate(expected):
        assert {key: values[n] for key, values in served.items()} == pytest.approx(answer, abs=1e-5)

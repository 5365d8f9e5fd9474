"""The same examples through every source: what another library wrote is read as it was told."""

import dataclasses
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from prepared import prepare

from tftransfer import registry
from tftransfer.data import read
from tftransfer.data.shards import build_source
from tftransfer.data.source import read_source
from tftransfer.errors import ConfigError, DataError

datasets = pytest.importorskip("datasets")
tfds = pytest.importorskip("tensorflow_datasets")

CLASSES = ["late", "refund"]
TEXTS = [f'Where is "parcel" {i}, of Zoë?' if i % 2 else f"Refund, please: 退款 {i}" for i in range(50)]
LABELS = [i % 2 for i in range(50)]
NAMES = [CLASSES[label] for label in LABELS]
EXPECTED = {"text": TEXTS, "label": NAMES}
# Of tokens: a sentence a row, its tags as numbers of classes.
TAGS = ["O", "B-PER", "I-PER"]
TOKENS = [["Ada", "Lovelace", "wrote", f"it{i}"] for i in range(6)]
NUMBERS = [[1, 2, 0, 0]] * 6
SPANS = [[(0, 12, "PER")]] * 6
CONTEXT = "It was Ada Lovelace, in 1843."
ANSWERS = [[("Ada Lovelace", 7)], [], [("1843", 24), ("in 1843", 21)]]


def features(**chosen: Any) -> Any:
    """Returns Hugging Face's description of the columns."""
    return datasets.Features(chosen)


def labelled() -> Any:
    """Returns the examples as a data set of Hugging Face."""
    described = features(text=datasets.Value("string"), label=datasets.ClassLabel(names=CLASSES))
    return datasets.Dataset.from_dict({"text": TEXTS, "label": LABELS}, features=described)


def tagged() -> Any:
    described = features(
        tokens=datasets.List(datasets.Value("string")), ner_tags=datasets.List(datasets.ClassLabel(names=TAGS))
    )
    return datasets.Dataset.from_dict({"tokens": TOKENS, "ner_tags": NUMBERS}, features=described)


def questions() -> Any:
    listed = [{"text": [a for a, _ in x], "answer_start": [n for _, n in x]} for x in ANSWERS]
    columns = {"id": ["a", "b", "c"], "question": ["Who?", "Why?", "When?"], "context": [CONTEXT] * 3}
    return datasets.Dataset.from_dict({**columns, "answers": listed})


def prepare_labelled(folder: Path, file_format: str = "array_record") -> None:
    described = tfds.features.FeaturesDict(
        {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=CLASSES)}
    )
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    prepare(folder, described, {"train": rows, "test": rows[:10]}, file_format)


def as_jsonl(start: int = 0, end: int = 50) -> bytes:
    rows = [{"text": t, "label": n} for t, n in list(zip(TEXTS, NAMES, strict=True))[start:end]]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_jsonl(folder: Path) -> dict[str, Any]:
    (folder / "a.jsonl").write_bytes(as_jsonl())
    return {"path": str(folder / "a.jsonl"), "format": "jsonl"}


def write_shards(folder: Path) -> dict[str, Any]:
    for number in (1, 0, 2, 10):  # 10 rows in the last one; names sort as the rows do
        part = as_jsonl(20 * number, 20 * number + 20) if number < 10 else b""
        if part:
            (folder / f"train-{number:02}.jsonl.gz").write_bytes(gzip.compress(part))
    return {"path": str(folder / "train-*.jsonl.gz"), "format": "jsonl"}


def write_list(folder: Path) -> dict[str, Any]:
    (folder / "z.jsonl").write_bytes(as_jsonl(0, 25))
    (folder / "a.jsonl").write_bytes(as_jsonl(25, 50))
    return {"path": [str(folder / "z.jsonl"), str(folder / "a.jsonl")], "format": "jsonl"}


def write_plain_parquet(folder: Path) -> dict[str, Any]:
    table = pa.table({"text": TEXTS, "label": pa.array(NAMES).dictionary_encode()})
    pq.write_table(table, folder / "a.parquet", row_group_size=7)
    return {"path": str(folder / "a.parquet"), "format": "parquet"}


def write_parquet_of_datasets(folder: Path) -> dict[str, Any]:
    labelled().to_parquet(folder / "a.parquet")
    return {"path": str(folder / "a.parquet"), "format": "parquet"}


def write_parquet_shards(folder: Path) -> dict[str, Any]:
    for number in range(2):
        labelled().shard(2, number, contiguous=True).to_parquet(folder / f"part-{number:05}.parquet")
    return {"path": str(folder / "part-?????.parquet"), "format": "parquet"}


def write_arrow_stream(folder: Path) -> dict[str, Any]:
    labelled().save_to_disk(folder / "saved")
    (file,) = (folder / "saved").glob("*.arrow")
    return {"path": str(file), "format": "arrow"}


def write_feather(folder: Path) -> dict[str, Any]:
    pyarrow.feather.write_feather(pa.table(EXPECTED), folder / "a.feather", chunksize=9)
    return {"path": str(folder / "a.feather"), "format": "arrow"}


def write_bytes(folder: Path) -> dict[str, Any]:
    table = pa.table({"text": [text.encode() for text in TEXTS], "label": NAMES})
    with pa.ipc.new_stream(folder / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    return {"path": str(folder / "a.arrow"), "format": "arrow"}


def write_saved(folder: Path) -> dict[str, Any]:
    labelled().save_to_disk(folder / "saved", num_shards=3)
    return {"path": str(folder / "saved"), "format": "huggingface"}


def write_saved_splits(folder: Path) -> dict[str, Any]:
    both = datasets.DatasetDict({"train": labelled(), "test": labelled().select(range(5))})
    both.save_to_disk(folder / "saved")
    return {"path": str(folder / "saved"), "format": "huggingface", "split": "train"}


def write_array_record(folder: Path) -> dict[str, Any]:
    prepare_labelled(folder)
    return {"name": "letters:1.0.0", "format": "tfds", "split": "train", "data_dir": str(folder)}


def write_tfrecord(folder: Path) -> dict[str, Any]:
    prepare_labelled(folder, "tfrecord")
    return {"name": "letters", "format": "tfds", "split": "train", "data_dir": str(folder)}


WRITERS: list[Any] = [
    write_jsonl,
    write_shards,
    write_list,
    write_plain_parquet,
    write_parquet_of_datasets,
    write_parquet_shards,
    write_arrow_stream,
    write_feather,
    write_bytes,
    write_saved,
    write_saved_splits,
    write_array_record,
    pytest.param(write_tfrecord, marks=pytest.mark.slow),  # TensorFlow writes and reads it
]


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_examples_through_every_source(write: Callable[[Path], dict[str, Any]], tmp_path: Path) -> None:
    options = write(tmp_path)
    name = options.pop("format")
    source = build_source(name, options)
    examples, bad = read_source(source)
    assert not bad
    assert {role: list(values) for role, values in examples.columns.items()} == EXPECTED
    assert list(source.without_answers().roles()) == ["text"]
    asked, _ = read_source(source.without_answers())
    assert list(asked.columns["text"]) == TEXTS
    assert source.fingerprint() == build_source(name, options).fingerprint() is not None


def test_a_changed_file_changes_the_fingerprint_of_a_data_set(tmp_path: Path) -> None:
    for write in (write_saved, write_array_record, write_shards):
        options = write(tmp_path)
        name = options.pop("format")
        before = build_source(name, options).fingerprint()
        written = next(
            path for path in sorted(tmp_path.rglob("*")) if path.is_file() and path.suffix not in (".json", "")
        )
        written.write_bytes(written.read_bytes() + b" ")
        assert build_source(name, options).fingerprint() != before
        for path in sorted(tmp_path.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


SENTENCES = {"words": "tokens", "tags": "ner_tags"}


def test_tokens_with_tags_become_what_the_conll_source_makes_of_them(tmp_path: Path) -> None:
    sentence = "{} B-PER\n{} I-PER\n{} O\n{} O\n\n"
    (tmp_path / "a.conll").write_text("".join(sentence.format(*words) for words in TOKENS))
    expected = read(tmp_path / "a.conll")
    assert list(map(list, expected.columns["spans"])) == SPANS
    tagged().to_parquet(tmp_path / "a.parquet")
    tagged().save_to_disk(tmp_path / "saved")
    kinds = tfds.features
    described = kinds.FeaturesDict(
        {"tokens": kinds.Sequence(kinds.Text()), "ner_tags": kinds.Sequence(kinds.ClassLabel(names=TAGS))}
    )
    rows = [{"tokens": tokens, "ner_tags": numbers} for tokens, numbers in zip(TOKENS, NUMBERS, strict=True)]
    prepare(tmp_path / "tfds", described, {"train": rows}, "array_record")
    found = [
        read(tmp_path / "a.parquet", **SENTENCES),
        read(tmp_path / "saved", format="huggingface", **SENTENCES),
        read(format="tfds", name="letters", split="train", data_dir=str(tmp_path / "tfds"), **SENTENCES),
    ]
    assert {examples.fingerprint for examples in found} == {expected.fingerprint}
    asked = read(tmp_path / "a.parquet", label=None, **SENTENCES)
    assert list(asked.columns) == ["text", "words"]


def test_the_scheme_and_the_joiner_show_in_all_rows_together(tmp_path: Path) -> None:
    # The first row alone could be BIO; the second says that it is BIOES.
    words, marks = [["张", "三"], ["李", "四"]], [["O", "O"], ["B-PER", "E-PER"]]
    pq.write_table(pa.table({"tokens": words, "ner_tags": marks}), tmp_path / "a.parquet")
    examples = read(tmp_path / "a.parquet", **SENTENCES)
    assert list(examples.columns["text"]) == ["张三", "李四"]
    assert list(examples.columns["spans"]) == [[], [(0, 2, "PER")]]
    spaced = read(tmp_path / "a.parquet", joiner=" ", scheme="BIO", on_bad_rows="skip", **SENTENCES)
    assert list(spaced.columns["text"]) == ["张 三"]  # the other's tags do not follow BIO
    pq.write_table(pa.table({"tokens": words, "ner_tags": [["I-X", "B-Y"], ["E-X", "S-X"]]}), tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match=r"a.parquet: the tags of all sentences together follow none .*\n.*\n.*a.parquet, row 1: "
    ):
        read(tmp_path / "a.parquet", **SENTENCES)


QUESTIONS = {"text": "question", "text_pair": "context", "answers": "answers"}


def test_questions_with_answers(tmp_path: Path) -> None:
    questions().to_parquet(tmp_path / "lists.parquet")
    structs = pa.table(
        {
            **{name: questions()[name][:] for name in ("id", "question", "context")},
            "answers": [[{"text": text, "answer_start": start} for text, start in listed] for listed in ANSWERS],
        }
    )
    pq.write_table(structs, tmp_path / "structs.parquet")
    kinds = tfds.features
    described = kinds.FeaturesDict(
        {
            **{name: kinds.Text() for name in ("id", "question", "context")},
            "answers": kinds.Sequence({"text": kinds.Text(), "answer_start": np.int32}),
        }
    )
    prepare(tmp_path / "tfds", described, {"train": list(questions())}, "array_record")
    found = [
        read(tmp_path / "lists.parquet", **QUESTIONS),
        read(tmp_path / "structs.parquet", **QUESTIONS),
        read(format="tfds", name="letters", split="train", data_dir=str(tmp_path / "tfds"), **QUESTIONS),
    ]
    assert list(map(list, found[0].columns["answers"])) == ANSWERS
    assert list(found[0].columns["id"]) == ["a", "b", "c"]
    assert {examples.fingerprint for examples in found} == {found[0].fingerprint}
    asked = read(tmp_path / "lists.parquet", label=None, **QUESTIONS)
    assert set(asked.columns) == {"text", "text_pair", "id"}


def test_an_answer_that_stands_elsewhere_makes_its_row_bad_or_is_repaired(tmp_path: Path) -> None:
    columns = {"id": [1], "question": ["When?"], "context": [CONTEXT]}
    pq.write_table(pa.table({**columns, "answers": [[{"text": "1843", "answer_start": 20}]]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet, row 1: expected the answer '1843' at character 20.* repair: true"):
        read(tmp_path / "a.parquet", **QUESTIONS)
    repaired = read(tmp_path / "a.parquet", repair=True, **QUESTIONS)
    assert list(repaired.columns["answers"]) == [[("1843", 24)]]
    assert list(repaired.columns["id"]) == ["1"]


def test_slices_of_splits(tmp_path: Path) -> None:
    write_saved_splits(tmp_path)
    prepare_labelled(tmp_path)
    for spec, count in {"train[:10%]": 5, "train[40:]": 10, "test[:2]+train[-1:]": 3, "train": 50}.items():
        saved = read(tmp_path / "saved", format="huggingface", split=spec)
        prepared = read(format="tfds", name="letters", split=spec, data_dir=str(tmp_path))
        assert len(saved) == count
        assert saved.fingerprint == prepared.fingerprint


def test_where_a_row_of_a_data_set_stands(tmp_path: Path) -> None:
    options = write_array_record(tmp_path)
    del options["format"]
    assert read(format="tfds", **options).where(11) == "letters:1.0.0 train, row 12"
    write_saved(tmp_path)
    assert read(tmp_path / "saved", format="huggingface").where(1) == f"{tmp_path / 'saved'}, row 2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tran"}, r"there is no split 'tran'.* Splits: train, test"),
        ({}, r"expected 'split' to say which of its splits to read: train, test"),
        ({"split": "train", "label": "lable"}, r"There is no column 'lable' for label. Did you mean 'label'"),
        ({"split": "train", "config": "plain"}, r"config: expected none"),
        ({"split": "train", "name": "a/b"}, r"found both"),
    ],
)
def test_what_is_wrong_with_a_saved_data_set(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_saved_splits(tmp_path)
    with pytest.raises((DataError, ConfigError), match=message):
        read(tmp_path / "saved", format="huggingface", **options)


def test_a_folder_that_holds_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a folder that save_to_disk wrote"):
        read(tmp_path, format="huggingface")
    with pytest.raises(ConfigError, match=r"name: required"):
        read(format="huggingface")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "letters", "split": "tran"}, r"letters: there is no split 'tran'. Did you mean 'train'.*train, test"),
        ({"name": "leters", "split": "train"}, r"leters: there is no such data set in .*leters not found"),
        ({"name": "letters:3.0.0", "split": "train"}, r"letters:3.0.0: there is no such data set"),
        ({"name": "someone:letters", "split": "train"}, r"code of their own, which is not run"),
        ({"name": "letters", "split": "train", "text": "txt"}, r"no column 'txt' for text. Did you mean 'text'"),
        ({"name": "letters"}, r"split: required"),
        ({"split": "train"}, r"name: required"),
    ],
)
def test_what_is_wrong_with_a_prepared_data_set(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    prepare_labelled(tmp_path)
    with pytest.raises((DataError, ConfigError), match=message):
        read(format="tfds", data_dir=str(tmp_path), **options)


def test_a_data_set_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the name is that of a folder of Parquet files, which is what the Hub has too."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "hub" / "data").mkdir(parents=True)
    labelled().to_parquet(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    labelled().select(range(4)).to_parquet(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet")
    name = str(tmp_path / "hub")
    examples = read(format="huggingface", name=name, split="train[10:12]")
    assert dict(examples.columns) == {"text": TEXTS[10:12], "label": NAMES[10:12]}
    assert examples.where(1) == f"{name} train[10:12], row 2"
    source = build_source("huggingface", {"name": name, "split": "train[10:12]"})
    assert source.fingerprint() == source.without_answers().fingerprint() is not None
    with pytest.raises(
        DataError, match=r"expected 'split' to say which of its splits to read: (train, test|test, train)"
    ):
        read(format="huggingface", name=name)
    with pytest.raises(DataError, match=r"hub tran: cannot be loaded from the Hub: Unknown split .tran"):
        read(format="huggingface", name=name, split="tran")


def test_real_entities_and_questions_as_tables(corpora: Path, tmp_path: Path) -> None:
    """What CoNLL and SQuAD files hold is the same behind Hugging Face's columns."""
    blocks = (corpora / "wnut17" / "dev.conll").read_text(encoding="utf-8").strip().split("\n\n")
    pairs = [[line.split("\t") for line in block.strip("\n").split("\n")] for block in blocks]
    names = sorted({tag for rows in pairs for _, tag in rows})
    described = features(
        tokens=datasets.List(datasets.Value("string")), ner_tags=datasets.List(datasets.ClassLabel(names=names))
    )
    columns = {
        "tokens": [[token for token, _ in rows] for rows in pairs],
        "ner_tags": [[names.index(tag) for _, tag in rows] for rows in pairs],
    }
    datasets.Dataset.from_dict(columns, features=described).to_parquet(tmp_path / "entities.parquet")
    entities = read(tmp_path / "entities.parquet", **SENTENCES)
    assert entities.fingerprint == read(corpora / "wnut17" / "dev.conll").fingerprint

    questions = read(corpora / "squad" / "dev.json.gz", format="squad")
    answers = [[{"text": text, "answer_start": start} for text, start in row] for row in questions.columns["answers"]]
    table = {"id": "id", "question": "text", "context": "text_pair"}
    texts = {name: list(questions.columns[role]) for name, role in table.items()}
    pq.write_table(pa.table({**texts, "answers": answers}), tmp_path / "questions.parquet")
    assert read(tmp_path / "questions.parquet", **QUESTIONS).fingerprint == questions.fingerprint


def test_a_data_set_with_code_is_refused_and_the_code_is_not_run(tmp_path: Path) -> None:
    script = tmp_path / "coded" / "coded.py"
    script.parent.mkdir()
    script.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(DataError, match=r"comes as a script, which is not run .*Use a copy of it as Parquet"):
        read(format="huggingface", name=str(script.parent))
    assert not (tmp_path / "ran").exists()


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    code = "from tftransfer.data import read; read(format='huggingface', name='no-body/no-thing', split='train')"
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "DataError: no-body/no-thing train: the Hub cannot be reached" in done.stderr
    assert "HF_HUB_OFFLINE" in done.stderr


@pytest.mark.parametrize(
    ("package", "name", "wanted"),
    [
        ("datasets", "huggingface", r"'tftransfer\[datasets\]'"),
        ("tensorflow_datasets", "tfds", "tensorflow-datasets"),
    ],
)
def test_a_missing_library_is_named(package: str, name: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=rf"format: {name} needs .*pip install {wanted}"):
        read(format=name, name="imdb_reviews", split="train")


def test_reading_a_data_set_loads_no_tensorflow(tmp_path: Path) -> None:
    prepare_labelled(tmp_path)
    write_saved(tmp_path)
    code = """
import sys; from tftransfer.data import read
read(format="tfds", name="letters", split="train", data_dir=sys.argv[1])
read(sys.argv[1] + "/saved", format="huggingface")
print([name for name in ("tensorflow", "keras", "torch") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_labels_of_other_types(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for values, labels in [
        (pa.array([3.8, 5.0], pa.float32()), ["3.8", "5.0"]),
        (pa.array([3.8, 5.0], pa.float64()), ["3.8", "5.0"]),
        (pa.array([1, -2], pa.int8()), ["1", "-2"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([[1, 2], []], pa.list_(pa.int64())), [["1", "2"], []]),
        (pa.array([["a"], ["b", "c"]]), [["a"], ["b", "c"]]),
    ]:
        found = list(read(write(path, text=pa.array([1, 2]), label=values)).columns["label"])
        assert found == labels
    assert list(read(path).columns["text"]) == ["1", "2"]


def test_scores_of_narrow_floats_are_written_as_short_as_they_are(tmp_path: Path) -> None:
    described = tfds.features.FeaturesDict({"text": tfds.features.Text(), "label": tfds.features.Scalar(np.float32)})
    prepare(tmp_path, described, {"train": [{"text": "a", "label": 3.8}]}, "array_record")
    assert list(read(format="tfds", name="letters", split="train", data_dir=str(tmp_path)).columns["label"]) == ["3.8"]
    path = write(tmp_path / "a.parquet", text=["a"], label=pa.array([3.8], pa.float32()))
    assert list(read(path).columns["label"]) == ["3.8"]


@pytest.mark.parametrize(
    ("columns", "options", "reason"),
    [
        ({"text": ["a", None], "label": ["x", "y"]}, {}, "expected a string or a number for text, found null"),
        ({"text": ["a", " "], "label": ["x", "y"]}, {}, "empty text"),
        ({"text": ["a", "b"], "label": ["x", ""]}, {}, "empty label"),
        ({"text": ["a", "b"], "label": [["x"], ["y", "y"]]}, {}, "a label appears twice in"),
        ({"text": [b"a", b"\xff"], "label": ["x", "y"]}, {}, "not UTF-8 (byte 0xff at byte 1)"),
        ({"text": [["a"], ["b"]], "label": ["x", "y"]}, {}, "expected a string or a number for text, found a list"),
        ({"tokens": [["a"], ["b", ""]], "ner_tags": [["O"], ["O", "O"]]}, SENTENCES, "word 2 of 2 is empty"),
        ({"tokens": [["a"], ["b"]], "ner_tags": [["O"], ["O", "O"]]}, SENTENCES, "each of the 1 words, found 2"),
        ({"tokens": [["a"], ["b"]], "ner_tags": [[0], [1]]}, SENTENCES, "do not say what such numbers mean"),
    ],
)
def test_bad_rows(tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], reason: str) -> None:
    path = write(tmp_path / "a.parquet", **columns)
    source = registry.sources.build("parquet", {"path": str(path), **options})
    *_, last = source.rows()
    assert (last.line, reason in last.reason) == (2, True)
    assert json.loads(last.raw).keys() == columns.keys()


def test_a_number_that_no_class_has_makes_a_bad_row(tmp_path: Path) -> None:
    labels = pa.array([0, -1])
    described = features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["x"]))
    table = pa.table({"text": ["a", "b"], "label": labels}, schema=described.arrow_schema)
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet, row 2: expected the number of one of 1 classes.*-1, which"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["parquet", "arrow"])
@pytest.mark.parametrize("content", [b"", b"text,label\na,b\n", b"PAR1broken", b"ARROW1broken", b"\xff" * 4])
def test_files_that_are_not_tables(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "a.data").write_bytes(content)
    with pytest.raises(DataError, match=r"a.data: expected (a Parquet|an Arrow) file .* but it cannot be read"):
        read(tmp_path / "a.data", format=name)


def test_a_table_under_the_name_of_a_text_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", text=["a"], label=["b"])
    with pytest.raises(DataError, match=r"looks like Parquet; set format: parquet"):
        read(tmp_path / "a.csv")


def test_options_that_need_others() -> None:
    for name in ("parquet", "arrow"):
        with pytest.raises(ConfigError, match=r"tags: expected 'words' beside it"):
            registry.sources.build(name, {"path": "a", "tags": "ner_tags"})
        with pytest.raises(ConfigError, match=r"answers: expected 'text_pair' beside it"):
            registry.sources.build(name, {"path": "a", "answers": "answers"})


def test_every_source_is_frozen_data() -> None:
    """Options are what a run keeps of a source."""
    for name in ("parquet", "arrow", "huggingface", "tfds", "folder"):
        options = {"path": "a"} if name != "tfds" else {"name": "a", "split": "train"}
        source = registry.sources.build(name, options)
        assert dataclasses.replace(source) == source
        assert json.dumps(dataclasses.asdict(source.without_answers()))

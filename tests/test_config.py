"""Configs: every problem at once, each with its place; overrides; round trips."""

from pathlib import Path

import pytest

from tftransfer import config, yaml_file
from tftransfer.errors import ConfigError

GOOD = """\
model: {checkpoint: some/model}
task: {name: sequence_classification, labels: [no, yes]}
data:
  train: {path: a.tsv, text: sentence}
  validation: {split: 0.1}
training:
  learning_rate: 2e-5
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_and_values(tmp_path: Path) -> None:
    experiment = config.load(write(tmp_path, GOOD))
    assert experiment.training.learning_rate == 2e-5
    assert experiment.training.batch_size == 32
    assert experiment.strategy == {"name": "full"}
    assert experiment.task["labels"] == ["no", "yes"]


def test_overrides_are_typed_and_win(tmp_path: Path) -> None:
    overrides = ["training.seed=7", "training.warmup=100", "data.test.path=t.csv", "export.enabled=false"]
    experiment = config.load(write(tmp_path, GOOD), overrides)
    assert (experiment.training.seed, experiment.training.warmup) == (7, 100)
    assert experiment.data.test == {"path": "t.csv"}
    assert not experiment.export.enabled


def test_formats_of_the_export(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert config.load(path).export.formats == ["savedmodel"]
    assert config.load(path, ["export.formats=[huggingface]"]).export.formats == ["huggingface"]
    for wrong in ("[pytorch]", "[]", "huggingface"):
        with pytest.raises(ConfigError, match=r"export\.formats"):
            config.load(path, [f"export.formats={wrong}"])


def test_the_resolved_config_reads_back_as_itself(tmp_path: Path) -> None:
    experiment = config.load(write(tmp_path, GOOD))
    again = config.load(write(tmp_path, yaml_file.dump(config.to_dict(experiment))))
    assert again == experiment


def test_all_problems_come_at_once_with_places(tmp_path: Path) -> None:
    bad = GOOD.replace("learning_rate: 2e-5", "learning_rate: fast\n  epoch: 3\n  monitor: acuracy\n  warmup: lots")
    bad = bad.replace("sentence}", "sentence, lable: x}").replace("some/model}", "some/model, max_lenght: 9}")
    path = write(tmp_path, bad)
    with pytest.raises(ConfigError) as error:
        config.load(path, ["training.seed=-1"])
    text, lines = str(error.value), bad.splitlines()
    for expected in (
        f"{path}:1:{lines[0].index('max_lenght') + 1}: model.max_lenght: unknown key. Did you mean 'max_length'?",
        f"{path}:4:{lines[3].index('lable') + 1}: data.train.lable: unknown option of 'tsv'. Did you mean 'label'?",
        f"{path}:7:3: training.learning_rate: ",
        f"{path}:8:3: training.epoch: unknown key. Did you mean 'epochs'?",
        f"{path}:9:3: training.monitor: unknown metric. Did you mean 'accuracy'?",
        f"{path}:10:3: training.warmup",
        "override 'training.seed=-1': training.seed: ",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("replace", "by", "message"),
    [
        ("name: sequence_classification, ", "", "task: required, but missing: name"),
        ("sequence_classification", "sequence_clasification", "Did you mean 'sequence_classification'"),
        ("path: a.tsv, ", "", "data.train.path: required"),
        ("a.tsv", "a.xyz", "data.train.path: .*tells no format"),
        ("split: 0.1", "split: 1.5", "data.validation.split: "),
        ("model: {checkpoint: some/model}", "model: {}", "model.checkpoint: required, but missing"),
        ("[no, yes]", "[no, no]", "task.labels: expected distinct labels"),
        ("2e-5", ".inf", "learning_rate"),
    ],
)
def test_single_problems(tmp_path: Path, replace: str, by: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.load(write(tmp_path, GOOD.replace(replace, by)))


@pytest.mark.parametrize("override", ["training.seed", "=1", "training.seed.more=1", "training.seed=[1"])
def test_malformed_overrides(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="[Oo]verride"):
        config.load(write(tmp_path, GOOD.replace("learning_rate", "seed: 1\n  learning_rate")), [override])


def test_a_missing_file_and_a_file_that_is_a_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is none of that name"):
        config.load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="expected keys such as model"):
        config.load(write(tmp_path, "- a\n- b\n"))


def test_every_training_field_is_read_by_the_code() -> None:
    source = "".join(
        path.read_text() for path in Path(config.__file__).parent.rglob("*.py") if path.name != "config.py"
    )
    for section in (config.Training, config.Model, config.Distribution, config.Export, config.Data):
        for field in section.model_fields:
            assert f".{field}" in source or f'"{field}"' in source, f"{section.__name__}.{field} is read by nothing"


def test_a_folder_stands_before_the_paths(tmp_path: Path) -> None:
    overrides = ["data.folder=corpora", "data.test.path=/elsewhere/test.tsv"]
    loaded = config.load(write(tmp_path, GOOD), overrides)
    assert loaded.data.train["path"] == "corpora/a.tsv"
    assert loaded.data.validation == {"split": 0.1}
    assert loaded.data.test["path"] == "/elsewhere/test.tsv"
    assert config.validate(config.to_dict(loaded)) == loaded  # and not twice


def test_a_folder_stands_before_every_path_but_those_elsewhere(tmp_path: Path) -> None:
    overrides = ["data.folder=corpora", "data.train.path=[a.tsv, gs://b/c.tsv]"]
    prepared = "data.test={format: tfds, name: imdb_reviews, split: test, data_dir: prepared}"
    loaded = config.load(write(tmp_path, GOOD), [*overrides, prepared])
    assert loaded.data.train["path"] == ["corpora/a.tsv", "gs://b/c.tsv"]
    assert loaded.data.test["data_dir"] == "corpora/prepared"
    assert config.validate(config.to_dict(loaded)) == loaded
    elsewhere = config.load(write(tmp_path, GOOD), ["data.folder=gs://b/", "data.test.path=/here/t.csv"])
    assert (elsewhere.data.train["path"], elsewhere.data.test["path"]) == ("gs://b/a.tsv", "/here/t.csv")
    hub = "data.train={format: huggingface, name: stanfordnlp/imdb, split: train}"
    assert "path" not in config.load(write(tmp_path, GOOD), ["data.folder=corpora", hub]).data.train


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{path: []}", "data.train.path: required: the path of a file, a pattern"),
        ("{path: [a.tsv, 3]}", "data.train.path: expected a path, or a list of at least one; received"),
        ("{path: [], format: tsv}", "data.train.path: expected a path, or a list of at least one"),
        ("{path: 3, format: tsv}", "data.train.path: Input should be a valid string"),
        ("{format: tsv}", "data.train.path: required, but missing"),
        ("{path: a.tsv, format: tvs}", "data.train.format: Unknown data format 'tvs'. Did you mean 'tsv'"),
        ("{format: tfds, split: train}", "data.train.name: required, but missing"),
        ("{format: tfds, name: imdb_reviews}", "data.train.split: required, but missing"),
        ("{format: tfds, name: imdb_reviews, split: train, path: a}", "data.train.path: unknown option of 'tfds'"),
        ("{format: huggingface}", "data.train.name: required: the name of a data set on the Hub"),
        ("{path: 'a-*.parquet', tags: ner_tags}", "data.train.tags: expected 'words' beside it"),
    ],
)
def test_what_is_wrong_with_a_data_block(tmp_path: Path, block: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.load(write(tmp_path, GOOD), [f"data.train={block}"])


def test_a_sample_is_a_number_of_rows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.train\.sample: expected a number of rows >= 1; received 0"):
        config.load(write(tmp_path, GOOD), ["data.train.sample=0"])

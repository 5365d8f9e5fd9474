"""Run directories come to be whole or not at all, and never at the cost of another run."""

from pathlib import Path

import pytest

from tftransfer.errors import RunDirectoryError
from tftransfer.run_directory import RunDirectory


def finish(run: RunDirectory) -> None:
    """Does what a training does to a run directory."""
    run.config.write_text("{}")
    run.weights.mkdir()
    (run.weights / "manifest.json").write_text("{}")


def make(path: Path) -> None:
    with RunDirectory.create(path) as run:
        finish(run)


def test_a_complete_run_says_so(tmp_path: Path) -> None:
    make(tmp_path / "run")
    assert RunDirectory.open(tmp_path / "run").read("status")["status"] == "complete"


def test_a_run_that_ends_before_weights_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RunDirectory.create(tmp_path / "deep" / "run"):
        raise KeyboardInterrupt
    assert not (tmp_path / "deep" / "run").exists()


def test_a_run_that_ends_with_weights_stays_and_tells(tmp_path: Path) -> None:
    for kind, status in ((KeyboardInterrupt, "interrupted"), (ValueError, "failed")):
        path = tmp_path / status
        with pytest.raises(kind), RunDirectory.create(path) as run:
            finish(run)
            raise kind
        assert RunDirectory.open(path).read("status")["status"] == status


def test_another_run_is_in_the_way_unless_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run"
    make(path)
    (path / "mark").write_text("first")
    with pytest.raises(RunDirectoryError, match="--overwrite"), RunDirectory.create(path):
        pass
    with pytest.raises(KeyboardInterrupt), RunDirectory.create(path, overwrite=True):
        assert not (path / "mark").exists()
        raise KeyboardInterrupt
    assert (path / "mark").read_text() == "first"  # the earlier run is back
    with RunDirectory.create(path, overwrite=True) as run:
        finish(run)
    assert not (path / "mark").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_overwrite_never_takes_what_is_not_a_run(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunDirectoryError, match="not a run directory"), RunDirectory.create(tmp_path, overwrite=True):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "run"):
        with pytest.raises(RunDirectoryError, match="it is a file|cannot be written"), RunDirectory.create(path):
            pass
    with pytest.raises(RunDirectoryError, match="cannot be written"), RunDirectory.create("/proc/none/run"):
        pass


def test_opening_what_is_not_a_finished_run(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="made by `tftransfer fit`"):
        RunDirectory.open(tmp_path)
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(RunDirectoryError, match="status.json"):
        RunDirectory.open(tmp_path)

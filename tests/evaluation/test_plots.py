"""Pictures: files that open, of a size that fits, with something on them and no warning on the way."""

import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from tftransfer.evaluation import plots, ticks


def _matrix(size: int, largest: int = 50) -> np.ndarray:
    random = np.random.default_rng(size)
    return random.poisson(1.0, (size, size)) + np.diag(random.integers(1, largest, size))


def _pixels(path: Path) -> np.ndarray:
    """Returns the colours float (height, width, 3) of a PNG after asserting that it is not blank."""
    pixels = np.asarray(matplotlib.image.imread(path))[..., :3]
    assert pixels.std() > 0.05
    assert len(np.unique(pixels.sum(axis=-1))) > 10
    return pixels


def _drawn(path: Path, labels: list[str], matrix: np.ndarray) -> np.ndarray:
    plots.confusion_matrix(path, labels, matrix)
    return _pixels(path)


def test_the_picture_grows_with_the_labels(tmp_path: Path) -> None:
    sizes = {}
    for count in (2, 8, 30, 60):
        pixels = _drawn(tmp_path / f"{count}.png", [f"label {i}" for i in range(count)], _matrix(count))
        sizes[count] = pixels.shape
    heights = [sizes[count][0] for count in (2, 8, 30)]
    assert heights == sorted(heights)
    assert 250 < heights[0] < 500
    # 60 labels: a cell has 0.22 inches at 120 dots an inch, and the names stand beside it.
    assert 60 * 0.22 * 120 < sizes[60][0] < 60 * 0.22 * 120 + 400
    assert sizes[60][1] == pytest.approx(sizes[60][0], rel=0.15)


def test_hundreds_of_labels_stay_within_bounds(tmp_path: Path) -> None:
    pixels = _drawn(tmp_path / "many.png", [f"label {i}" for i in range(400)], np.eye(400, dtype=int) * 3)
    assert max(pixels.shape) < 24 * 120 + 500


def test_a_cell_has_the_colour_of_its_share_of_the_row(tmp_path: Path) -> None:
    """One row is right in all of its few examples, the other wrong in all of its many; the counts must not matter."""
    pixels = _drawn(tmp_path / "rows.png", ["a", "b"], np.array([[3, 0], [90000, 0]]))
    dark = (np.abs(pixels - matplotlib.colormaps["Blues"](1.0)[:3]) < 0.01).all(axis=-1)
    cell = int(1.1 * 120)
    columns = np.flatnonzero(dark.sum(axis=0) > 1.5 * cell)
    assert len(columns) == pytest.approx(cell, abs=25)


def test_counts_only_up_to_thirty_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(plots, "_write_counts", lambda axes, matrix, share, cell: calls.append(len(matrix)))
    for count in (30, 31):
        plots.confusion_matrix(tmp_path / "x.png", [str(i) for i in range(count)], _matrix(count))
    assert calls == [30]


def test_rows_without_examples_and_a_single_label(tmp_path: Path) -> None:
    _drawn(tmp_path / "empty_row.png", ["a", "b"], np.array([[5, 1], [0, 0]]))
    _drawn(tmp_path / "one.png", ["a"], np.array([[5]]))


@pytest.mark.parametrize(
    "label",
    ["数学", "スポーツ", "경제", "🙂", "", "two\nlines", "$x^$", r"\frac{", "a\x07b", "x" * 500, "ру́сский", "العربية"],
)
def test_any_label_can_be_drawn(tmp_path: Path, label: str) -> None:
    _drawn(tmp_path / "x.png", [label, "other"], _matrix(2))


def test_a_label_that_no_font_has_is_shown_by_its_number() -> None:
    assert ticks.names(["plain", "\U0001fabf goose", "", "naïve\ncafé"]) == ["plain", "#1", "#2", "naïve café"]


def test_a_font_of_the_system_is_used_when_it_has_the_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib import font_manager

    own, other = (
        font_manager.get_font(font_manager.findfont(name)).get_charmap() for name in ("DejaVu Sans", "STIXGeneral")
    )
    label = chr(min(set(other) - set(own)))
    assert ticks.names([label]) == ["#0"]
    monkeypatch.setattr(ticks, "_WIDE_FONTS", ("STIXGeneral", "No Such Font"))
    ticks.families.cache_clear()
    ticks._characters.cache_clear()
    try:
        assert ticks.families() == ("DejaVu Sans", "STIXGeneral")
        assert ticks.names([label]) == [label]
        _drawn(tmp_path / "x.png", [label, "other"], _matrix(2))
    finally:
        ticks.families.cache_clear()
        ticks._characters.cache_clear()


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    short = ticks.shortened("get_disposable_virtual_card_limits", 20)
    assert (short, len(short)) == ("get_disposabl…limits", 20)
    assert ticks.shortened("short", 20) == "short"
    assert ticks.shortened("体" * 20, 11) == "体体体体…体"


@pytest.mark.parametrize("shape", [(2, 3), (3, 3), (2,)])
def test_a_matrix_that_does_not_fit_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="square matrix with a row for each of 2 labels"):
        plots.confusion_matrix(tmp_path / "x.png", ["a", "b"], np.ones(shape, dtype=int))
    assert not list(tmp_path.iterdir())


_FIVE = {
    "loss": [0.7, 0.5, 0.3, 0.2, 0.1],
    "val_loss": [0.6, 0.5, 0.5, 0.55, float("nan")],
    "accuracy": [0.5, 0.6, 0.7, 0.8, 0.9],
    "val_accuracy": [0.55, 0.6, 0.6, 0.6, 0.6],
    "learning_rate": [1e-5] * 5,
}


@pytest.mark.parametrize(
    "course",
    [
        _FIVE,
        {name: values[:1] for name, values in _FIVE.items()},
        {"loss": [0.7, float("inf"), 0.5]},
        {"accuracy": [0.5]},
        {"start_loss": [1.0, 0.9], "end_loss": [1.1, 0.8], "val_exact_match": [0.2, 0.3]},
        {"loss": [float("nan")]},
    ],
)
def test_history(tmp_path: Path, course: dict[str, list[float]]) -> None:
    plots.history(tmp_path / "history.png", course)
    height, width, _ = np.asarray(matplotlib.image.imread(tmp_path / "history.png")).shape
    assert 1.8 < width / height < 4
    assert 1000 < width < 1500


def test_history_draws_losses_left_and_metrics_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panels: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(plots, "_draw_curves", lambda axes, title, curves: panels.append((title, list(curves))))
    plots.history(tmp_path / "history.png", _FIVE)
    assert panels == [("loss", ["loss", "val_loss"]), ("metrics", ["accuracy", "val_accuracy"])]


@pytest.mark.parametrize("course", [{}, {"loss": []}, {"learning_rate": [1e-5]}])
def test_a_history_without_an_epoch_is_refused(tmp_path: Path, course: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="a history of one epoch at least"):
        plots.history(tmp_path / "history.png", course)
    assert not list(tmp_path.iterdir())


def test_pyplot_is_never_loaded_and_the_settings_of_the_user_are_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    loaded = "matplotlib.pyplot" in sys.modules
    _drawn(tmp_path / "x.png", ["a", "b"], _matrix(2))
    plots.history(tmp_path / "history.png", _FIVE)
    assert ("matplotlib.pyplot" in sys.modules) == loaded
    assert dict(matplotlib.rcParams) == before

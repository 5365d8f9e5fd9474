"""Pictures of numbers: what they draw, on data that strains them."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from tftransfer.evaluation import diagrams


def _pixels(path: Path) -> np.ndarray:
    """Returns the colours float (height, width, 3) of a PNG after asserting that it is not blank."""
    pixels = np.asarray(matplotlib.image.imread(path))[..., :3]
    assert pixels.std() > 0.03
    return pixels


def _share(pixels: np.ndarray, color: str) -> float:
    wanted = np.array(matplotlib.colors.to_rgb(color))
    return float((np.abs(pixels - wanted) < 0.02).all(axis=-1).mean())


def test_the_bars_of_a_reliability_diagram_are_the_shares_that_are_right(tmp_path: Path) -> None:
    shares = {}
    for right in (0.25, 0.75):
        correct = np.arange(600) % 100 < 100 * right
        diagrams.reliability(tmp_path / "x.png", np.repeat((np.arange(15) + 0.5) / 15, 40), correct)
        shares[right] = _share(_pixels(tmp_path / "x.png"), "#9ec5e8")
    assert shares[0.75] == pytest.approx(3 * shares[0.25], rel=0.2)


@pytest.mark.parametrize("confidences", [[0.0], [1.0], [0.5, 0.5]])
def test_few_answers(tmp_path: Path, confidences: list[float]) -> None:
    diagrams.reliability(tmp_path / "x.png", confidences, [True] * len(confidences))
    _pixels(tmp_path / "x.png")


@pytest.mark.parametrize("count", [1, 30, 150])
def test_bars_grow_with_the_labels_up_to_a_hundred(tmp_path: Path, count: int) -> None:
    labels = ["体育 $x^", *(f"label {i}" for i in range(count - 1))]
    diagrams.bars(tmp_path / "x.png", labels, {"precision": np.ones(count), "f1": np.full(count, 0.5)})
    height = len(_pixels(tmp_path / "x.png"))
    assert height == pytest.approx(120 * (1.2 + 0.14 * min(count, 100) * 2.6), abs=60)


@pytest.mark.parametrize("count", [1, 5000])
@pytest.mark.parametrize("diagonal", [True, False])
def test_points(tmp_path: Path, count: int, diagonal: bool) -> None:
    numbers = np.random.default_rng(0).random(count)
    diagrams.scatter(tmp_path / "x.png", numbers, numbers * 1e6, ("true", "predicted"), diagonal)
    _pixels(tmp_path / "x.png")


def test_curves(tmp_path: Path) -> None:
    for points in (1, 1000):
        x = np.linspace(0, 1, points)
        diagrams.curves(tmp_path / "x.png", x, {"one": x, "two": x**2}, "share")
        _pixels(tmp_path / "x.png")

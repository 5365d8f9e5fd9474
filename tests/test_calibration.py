"""Calibration and thresholds on data whose right answer is known."""

import numpy as np
import pytest
import scipy.special
import sklearn.metrics  # type: ignore[import-untyped]

from tftransfer.calibration import best_temperature, expected_calibration_error, reliability
from tftransfer.errors import DataError
from tftransfer.thresholds import best_thresholds


def test_the_error_by_hand() -> None:
    """Two bins: (0.25 + 0.5) / 2 sure and one of two right; (0.75 + 1 + 1) / 3 sure and one of three right."""
    confidences, correct = [0.25, 0.5, 0.75, 1.0, 1.0], [True, False, True, False, False]
    assert expected_calibration_error(confidences, correct, bins=2) == pytest.approx(
        2 / 5 * (1 / 2 - 0.375) + 3 / 5 * (2.75 / 3 - 1 / 3)
    )


def test_a_bin_holds_its_upper_end() -> None:
    count, confidence, accuracy = reliability([0.0, 0.2, 0.21, 0.4, 1.0], [1, 0, 1, 1, 1], bins=5)
    assert count.tolist() == [2, 2, 0, 0, 1]
    assert confidence.tolist() == pytest.approx([0.1, 0.305, 0, 0, 1])
    assert accuracy.tolist() == [0.5, 1, 0, 0, 1]


def test_fifteen_bins_are_the_default() -> None:
    values = np.linspace(0.001, 1, 1000)
    bins = np.ceil(values * 15 - 1e-9)
    right = np.random.default_rng(0).random(1000) < values**2
    inside = [bins == number for number in range(1, 16)]
    expected = sum(abs(values[rows].mean() - right[rows].mean()) * rows.mean() for rows in inside)
    assert expected_calibration_error(values, right) == pytest.approx(expected)


def test_answers_that_mean_what_they_say_have_no_error() -> None:
    random = np.random.default_rng(1)
    confidences = random.random(200_000)
    assert expected_calibration_error(confidences, random.random(200_000) < confidences) < 0.005
    assert expected_calibration_error(np.ones(10), np.ones(10)) == 0.0
    assert expected_calibration_error(np.ones(10), np.zeros(10)) == 1.0


@pytest.mark.parametrize(
    ("confidences", "correct", "message"),
    [
        ([], [], "a confidence and a mark for each answer"),
        ([0.5], [1, 0], r"got \(1,\) and \(2,\)"),
        ([1.5, 0.5], [1, 0], "from 0 to 1, got 0.5 to 1.5"),
        ([np.nan], [1], "from 0 to 1"),
    ],
)
def test_what_cannot_be_binned_is_refused(confidences: list[float], correct: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        expected_calibration_error(confidences, correct)


@pytest.mark.parametrize("known", [0.4, 1.0, 2.5])
def test_the_temperature_of_a_softmax_is_found(known: float) -> None:
    """Targets are drawn from the softmax of the logits; the model is handed them times the known temperature."""
    random = np.random.default_rng(2)
    logits = random.normal(0, 2, (40_000, 4))
    targets = (scipy.special.softmax(logits, axis=1).cumsum(axis=1) < random.random((40_000, 1))).sum(axis=1)
    found = best_temperature((logits * known).astype(np.float32), targets)
    assert found == pytest.approx(known, rel=0.03)

    def loss(value: float) -> float:
        return float(sklearn.metrics.log_loss(targets, scipy.special.softmax(logits * known / value, axis=1)))

    assert loss(found) < min(loss(found * 1.01), loss(found / 1.01))


@pytest.mark.parametrize("known", [0.4, 2.5])
def test_the_temperature_of_sigmoids_is_found(known: float) -> None:
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (20_000, 3))
    targets = random.random(logits.shape) < scipy.special.expit(logits)
    assert best_temperature(logits * known, targets) == pytest.approx(known, rel=0.03)
    assert best_temperature(logits * known, targets.astype(int)) == pytest.approx(known, rel=0.03)


def test_temperatures_have_bounds() -> None:
    assert 0.01 <= best_temperature(np.eye(2) * 1000, np.array([0, 1])) <= 100
    assert best_temperature(np.eye(2), np.array([0, 1])) < 0.05  # all right
    assert best_temperature(np.eye(2)[::-1] * 1000, np.array([0, 1])) == pytest.approx(100, rel=0.1)  # all wrong


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), "finite logits"),
        ([[np.inf, 0]], [0], "finite logits"),
        ([[1.0, 2.0]], [0, 1], r"shape \(1,\) or \(1, 2\), got \(2,\)"),
        ([[1.0, 2.0]], [2], "whole numbers from 0 to 1, got 2 to 2"),
        ([[1.0, 2.0]], [[0, -1]], "whole numbers from 0 to 1, got -1 to 0"),
        ([[1.0, 2.0]], [0.5], "whole numbers"),
    ],
)
def test_logits_and_targets_that_do_not_fit_are_refused(logits: object, targets: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        best_temperature(logits, targets)


def test_thresholds_by_hand() -> None:
    scores = np.array([[0.2, 0.1, 0.6, 0.3, 0.0], [0.4, 0.7, 0.6, 0.2, 0.9], [0.7, 0.9, 0.6, 0.1, 0.8]])
    targets = np.array([[0, 0, 1, 1, 1], [1, 1, 0, 1, 1], [1, 0, 1, 0, 1]])
    # between 0.2 and 0.4; between 0.1 and 0.7; under the only score; under 0.2 and over 0.1; at the lowest score
    assert best_thresholds(targets, scores).tolist() == pytest.approx([0.3, 0.4, 0.3, 0.15, 0.0])


def test_of_equal_thresholds_the_one_nearest_to_a_half_wins() -> None:
    scores = np.array([[0.05], [0.3], [0.4], [0.8], [0.9]])
    # From 0.85 on, 1 of 1 is right and 1 of 2 found; from 0.175 on, 2 of 4 and 2 of 2: both have an F1 of 2 / 3.
    assert best_thresholds(np.array([[0], [1], [0], [0], [1]]), scores).tolist() == pytest.approx([0.175])


def test_a_label_without_a_positive_keeps_a_half() -> None:
    assert best_thresholds(np.zeros((4, 2), int), np.random.default_rng(0).random((4, 2))).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_is_better(seed: int) -> None:
    """Against every threshold there is, tried one by one with scikit-learn."""
    random = np.random.default_rng(seed)
    scores = random.integers(0, 21, (40, 3)) / 20  # with many ties, zeros and ones
    targets = random.random((40, 3)) < 0.2 + 0.5 * scores
    for label, threshold in enumerate(best_thresholds(targets, scores)):

        def f1(cut: float, label: int = label) -> float:
            return float(sklearn.metrics.f1_score(targets[:, label], scores[:, label] >= cut, zero_division=0))

        edges = np.concatenate([[0], np.unique(scores[:, label]), [1]])
        cuts = (edges[1:] + edges[:-1]) / 2
        best = max(map(f1, cuts))
        assert f1(threshold) == best
        assert abs(threshold - 0.5) == min(abs(cut - 0.5) for cut in cuts if f1(cut) == best)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(DataError, match=r"alike, got \(2, 2\) and \(2, 3\)"):
        best_thresholds(np.zeros((2, 2)), np.zeros((2, 3)))

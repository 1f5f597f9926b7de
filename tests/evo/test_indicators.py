"""Hypervolume and IGD+ of fronts whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

import evo
from evo.indicators import hypervolume, igd_plus


def test_the_hypervolume_of_two_points_is_two_rectangles_less_what_they_share() -> None:
    assert hypervolume([[1.0, 2.0], [2.0, 1.0]], [3.0, 3.0]) == pytest.approx(2.0 + 2.0 - 1.0)


def test_points_beyond_the_reference_and_dominated_ones_count_for_nothing() -> None:
    assert hypervolume([[1.0, 1.0, 1.0], [1.5, 1.5, 1.5], [0.0, 0.0, 2.0]], [2.0, 2.0, 2.0]) == pytest.approx(1.0)
    assert hypervolume(np.zeros((0, 2)), [1.0, 1.0]) == 0.0


def test_igd_plus_counts_only_how_much_worse_a_point_is() -> None:
    optimum = [[0.0, 1.0], [1.0, 0.0]]
    assert igd_plus(optimum, optimum) == 0.0
    # (0, 1) is met by a point that is 0.5 worse in one objective; (1, 0) by one that is better nowhere it is worse.
    assert igd_plus([[0.5, 1.0], [1.0, 0.0]], optimum) == pytest.approx((0.5 + 0.0) / 2)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(evo.UsageError, match=r"front: expected an array of shape \(m, k\)"):
        hypervolume([1.0, 2.0], [3.0, 3.0])
    with pytest.raises(evo.UsageError, match=r"reference: expected 2 numbers, found an array of shape \(3,\)"):
        hypervolume([[1.0, 2.0]], [3.0, 3.0, 3.0])
    with pytest.raises(evo.UsageError, match="front, optimum: expected points of one kind"):
        igd_plus([[1.0, 2.0]], [[1.0, 2.0, 3.0]])

"""Ranks, copies and crowding beside slow versions that are obviously right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.dominance import copies, crowding_distance, pareto_ranks


def slow_ranks(objective: np.ndarray, violation: np.ndarray) -> np.ndarray:
    """Front after front is taken away."""

    def dominates(i: int, j: int) -> bool:
        if violation[i] > 0 or violation[j] > 0:
            return bool(violation[i] < violation[j])
        return bool((objective[i] <= objective[j]).all() and (objective[i] < objective[j]).any())

    rank, left, front = np.full(len(violation), -1), set(range(len(violation))), 0
    while left:
        first = {j for j in left if not any(dominates(i, j) for i in left)}
        rank[list(first)] = front
        left, front = left - first, front + 1
    return rank


def slow_crowding(objective: np.ndarray, rank: np.ndarray) -> np.ndarray:
    distance = np.zeros(len(rank))
    for front in set(rank.tolist()):
        rows = np.flatnonzero(rank == front)
        for values in objective.T:
            order = rows[np.argsort(values[rows], kind="stable")]
            width = values[order[-1]] - values[order[0]]
            distance[order[0]] = distance[order[-1]] = np.inf
            for before, row, after in zip(order, order[1:], order[2:], strict=False):
                distance[row] += (values[after] - values[before]) / width if width > 0 else 0.0
    return distance


@st.composite
def pools(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Few different values, so that there are ties and copies; some infeasible."""
    rows, objectives = draw(st.integers(1, 24)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    objective = rng.integers(0, draw(st.integers(1, 9)), size=(rows, objectives)).astype(np.float64)
    violation = np.where(rng.random(rows) < draw(st.floats(0.0, 1.0)), rng.integers(0, 3, rows), 0).astype(np.float64)
    return objective, violation


@given(pools())
def test_ranks_are_those_of_taking_away_front_after_front(pool: tuple[np.ndarray, np.ndarray]) -> None:
    objective, violation = pool
    assert np.array_equal(pareto_ranks(objective, violation), slow_ranks(objective, violation))


@given(pools())
def test_crowding_is_measured_on_each_front_by_itself(pool: tuple[np.ndarray, np.ndarray]) -> None:
    objective, violation = pool
    rank = pareto_ranks(objective, violation)
    assert crowding_distance(objective, rank) == pytest.approx(slow_crowding(objective, rank))


@given(pools(), st.integers(0, 2**32))
def test_copies_are_all_but_the_first_of_equals(pool: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    objective = pool[0]
    genome = np.random.default_rng(seed).integers(0, 2, size=(len(objective), 2))
    seen, expected = set(), []
    for row in range(len(objective)):
        key = (*genome[row].tolist(), *objective[row].tolist())
        expected += [row] if key in seen else []
        seen.add(key)
    assert sorted(copies(genome, objective).tolist()) == expected


def test_what_could_not_be_evaluated_is_last_and_harms_no_distance() -> None:
    objective = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [np.inf, np.inf], [np.inf, np.inf]])
    violation = np.array([0.0, 0.0, 0.0, np.inf, np.inf])
    rank = pareto_ranks(objective, violation)
    assert rank.tolist() == [0, 0, 0, 1, 1]
    assert not np.isnan(crowding_distance(objective, rank)).any()
    assert crowding_distance(objective, rank)[1] == 2.0

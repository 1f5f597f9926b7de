"""Ranks, copies and survivors beside slow versions that are obviously right."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evo.dominance import pareto_ranks, survivors


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


def slow_survivors(
    genome: np.ndarray, objective: np.ndarray, rank: np.ndarray, count: int, updated: bool
) -> tuple[list[int], np.ndarray]:
    """Front after front; the last one loses its most crowded row, of equals the last, until it fits."""
    rank, last, seen = rank.copy(), rank.max() + 1, set()
    for row in range(len(rank)):
        key = (*genome[row].tolist(), *objective[row].tolist())
        rank[row] = last if key in seen else rank[row]
        seen.add(key)
    chosen: list[int] = []
    for front in sorted(set(rank.tolist())):
        rows = np.flatnonzero(rank == front)
        distance = slow_crowding(objective, rank)[rows]
        width = np.ptp(objective[rows], axis=0)
        while updated and 0 < count - len(chosen) < len(rows):
            worst = len(rows) - 1 - int(np.argmin(distance[::-1]))
            rows = np.delete(rows, worst)
            # The front's width is that of the whole front, whoever is gone.
            shares = objective / np.where(width > 0, width, np.inf)
            distance = np.zeros(len(rows))
            for values in shares.T:
                order = np.argsort(values[rows], kind="stable")
                distance[order[0]] = distance[order[-1]] = np.inf
                distance[order[1:-1]] += values[rows][order[2:]] - values[rows][order[:-2]]
        chosen += rows[np.argsort(-distance, kind="stable")].tolist()
    return chosen[:count], rank


@settings(deadline=None)  # the first call compiles
@given(pools(), st.integers(0, 2**32), st.floats(0.01, 1.0), st.booleans())
def test_survivors_come_front_by_front_and_copies_last(
    pool: tuple[np.ndarray, np.ndarray], seed: int, share: float, updated: bool
) -> None:
    objective, violation = pool
    genome = np.random.default_rng(seed).integers(0, 2, size=(len(objective), 2))
    rank, count = pareto_ranks(objective, violation), max(1, int(share * len(objective)))
    expected, expected_rank = slow_survivors(genome, objective, rank, count, updated)
    found = survivors(genome, objective, rank, count, updated=updated)
    assert np.array_equal(rank, expected_rank)
    assert len(set(found.tolist())) == count
    assert rank[found].tolist() == expected_rank[expected].tolist()


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(2, 4), st.floats(0.01, 1.0), st.booleans())
def test_on_a_front_the_least_crowded_survive(
    seed: int, rows: int, objectives: int, share: float, updated: bool
) -> None:
    objective = np.random.default_rng(seed).random((rows, objectives))  # no ties, but for the ends
    genome, count = np.arange(rows)[:, None], max(1, int(share * rows))
    rank = pareto_ranks(objective, np.zeros(rows))
    expected, _ = slow_survivors(genome, objective, rank, count, updated)
    assert survivors(genome, objective, rank, count, updated=updated).tolist() == expected


def test_the_most_crowded_is_left_out_and_its_neighbours_are_measured_anew() -> None:
    # Of either pair both are crowded, as long as both are there.
    first = np.array([0.0, 1.0, 1.1, 2.0, 2.1, 3.0, 4.0])
    objective, genome = np.column_stack((first, -first)), np.arange(7)[:, None]
    once = survivors(genome, objective, np.zeros(7, dtype=np.int64), 5, updated=False)
    anew = survivors(genome, objective, np.zeros(7, dtype=np.int64), 5, updated=True)
    assert first[once].tolist() == [0.0, 4.0, 3.0, 1.0, 1.1]
    assert first[anew].tolist() == [0.0, 4.0, 1.0, 2.0, 3.0]


def test_what_could_not_be_evaluated_is_last() -> None:
    objective = np.array([[np.inf, np.inf], [1.0, 3.0], [np.inf, np.inf], [2.0, 2.0], [3.0, 1.0]])
    violation = np.array([np.inf, 0.0, np.inf, 0.0, 0.0])
    rank = pareto_ranks(objective, violation)
    assert rank.tolist() == [1, 0, 1, 0, 0]
    order = survivors(np.arange(5)[:, None], objective, rank, 5, updated=True)
    assert sorted(order[:3].tolist()) == [1, 3, 4]

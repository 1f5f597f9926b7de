"""Split: against all ways to cut a tour."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routes_reference import cases

from evo.problems.cvrp.kernels_split import split_tours


def cuts(length, most_routes):
    """All ways to cut 0 … length into at most so many consecutive parts, none of them empty."""
    for count in range(1, min(most_routes, length) + 1):
        for inner in itertools.combinations(range(1, length), count - 1):
            yield [0, *inner, length]


def run_split(case, tour, most_routes):
    offsets = np.full((1, most_routes + 1), -1, np.int32)
    distance, excess = np.zeros(1), np.zeros(1, np.int64)
    demand = case.demand.astype(np.int64)
    split_tours(tour[None], case.matrix, demand, case.capacity, case.penalty, offsets, distance, excess)
    return offsets[0], distance[0], excess[0]


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_split_is_the_best_of_all_cuts(dtype, data):
    case = data.draw(cases(dtype, most=9))
    most_routes = data.draw(st.integers(1, case.n - 1))
    tour, _ = case.tour_and_offsets()
    offsets, distance, excess = run_split(case, tour, most_routes)

    assert offsets[0] == 0
    assert offsets[-1] == case.n - 1
    assert (np.diff(offsets) >= 0).all()
    routes = [tour[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    assert distance == pytest.approx(case.distance(routes))
    assert excess == case.excess(routes)
    best = min(
        case.cost([tour[a:b].tolist() for a, b in itertools.pairwise(cut)]) for cut in cuts(case.n - 1, most_routes)
    )
    assert distance + case.penalty * excess == pytest.approx(best)


def test_a_limited_fleet_pays_for_its_excess_and_an_unlimited_one_has_none():
    matrix = np.array([[0, 1, 1, 1], [1, 0, 2, 2], [1, 2, 0, 2], [1, 2, 2, 0]], np.int32)
    tours = np.array([[1, 2, 3]], np.int32)
    demand = np.array([0, 2, 2, 2])
    for most_routes, expected in ((1, 4), (2, 2), (3, 0)):
        offsets, distance, excess = np.zeros((1, most_routes + 1), np.int32), np.zeros(1), np.zeros(1, np.int64)
        split_tours(tours, matrix, demand, 2, 100.0, offsets, distance, excess)
        assert excess[0] == expected
        assert np.count_nonzero(np.diff(offsets[0])) == most_routes

"""What a trajectory is given: distances, near customers, the order along a curve, the first solution."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evo.problems.cvrp.instance import Instance
from evo.problems.cvrp.kernels_distance import CeilPoints, NearestPoints, RealPoints, fill_matrix
from evo.problems.cvrp.kernels_neighbours import nearest_by_grid
from evo.problems.cvrp.trajectory_data import TrajectoryData, hilbert

COORDINATES = st.one_of(
    st.integers(-50, 50).map(float), st.floats(-1000, 1000).map(lambda x: round(x, 3)), st.floats(-1e6, 1e6)
)


def points(least=2, most=40):
    return st.integers(least, most).flatmap(lambda n: arrays(np.float64, (n, 2), elements=COORDINATES))


@pytest.mark.parametrize(("rounding", "kind"), [("nearest", NearestPoints), ("ceil", CeilPoints), ("none", RealPoints)])
@settings(deadline=None)
@given(xy=points())
def test_distances_on_the_fly_are_the_instances_bit_for_bit(rounding, kind, xy):
    demands = np.array([0] + [1] * (len(xy) - 1))
    expected = Instance(name="x", demands=demands, capacity=1, coordinates=xy, rounding=rounding).distance_matrix()
    found = np.empty_like(expected)
    fill_matrix(kind(np.ascontiguousarray(xy).ravel()), found)
    np.testing.assert_array_equal(found, expected)


@settings(deadline=None)
@given(xy=points(least=3), share=st.floats(0, 1))
def test_the_grid_finds_the_nearest_customers(xy, share):
    n = len(xy)
    near = 1 + int(share * (n - 3))
    found = np.zeros((n, near), np.int32)
    nearest_by_grid(xy, found)
    dx, dy = (xy[:, None] - xy).transpose(2, 0, 1)
    squares = dx * dx + dy * dy
    for u in range(n):
        others = sorted((v for v in range(1, n) if v != u), key=lambda v: (squares[u, v], v))
        assert found[u].tolist() == others[:near]


def test_the_curve_keeps_near_customers_near():
    side = 32
    grid = np.array(list(itertools.product(range(side), range(side))), float)
    walked = grid[np.argsort(hilbert(grid), kind="stable")]
    steps = np.abs(np.diff(walked, axis=0)).sum(axis=1)
    assert steps.mean() < 1.5  # in rows' order it is nearly 2, at random more than 20
    assert len(set(hilbert(grid))) == side * side


def slow_savings(matrix, demand, capacity, near):
    """Clarke and Wright, pairs of near customers only, as lists."""
    n = len(demand)
    pairs = {frozenset((u, int(v))) for u in range(1, n) for v in near[u]}
    saved = {pair: int(sum(matrix[0, c] for c in pair) - matrix[min(pair), max(pair)]) for pair in pairs}
    routes = [[c] for c in range(1, n)]
    return pairs, saved, routes


@pytest.mark.parametrize("seed", range(5))
def test_the_start_joins_routes_as_long_as_a_near_pair_saves(seed):
    rng = np.random.default_rng(seed)
    n = 50
    demands = np.append(0, rng.integers(1, 10, n - 1))
    instance = Instance(name="x", demands=demands, capacity=40, coordinates=rng.integers(0, 100, (n, 2)))
    data = TrajectoryData.of(instance, 15)
    tour, offsets = data.start
    routes = [part.tolist() for part in np.split(tour, offsets[1:-1])]
    assert sorted(c for route in routes for c in route) == list(range(1, n))
    loads = [data.demand[route].sum() for route in routes]
    assert max(loads) <= 40
    pairs, saved, _ = slow_savings(data.metric, data.demand, 40, data.neighbours)
    for a, b in itertools.combinations([r for r in range(len(routes)) if routes[r]], 2):
        if loads[a] + loads[b] > 40:
            continue
        for u, v in itertools.product({routes[a][0], routes[a][-1]}, {routes[b][0], routes[b][-1]}):
            assert frozenset((u, v)) not in pairs or saved[frozenset((u, v))] <= 0
    # The first two to be joined are those that save most.
    most = max(saved.values())
    assert any(saved.get(frozenset(pair)) == most for route in routes for pair in itertools.pairwise(route))


def test_customers_keep_their_names_through_the_order():
    rng = np.random.default_rng(3)
    instance = Instance(
        name="x", demands=np.append(0, np.arange(1, 30)), capacity=60, coordinates=rng.integers(0, 100, (30, 2))
    )
    data = TrajectoryData.of(instance, 5)
    assert data.order[0] == 0
    assert (data.order[data.number] == np.arange(30)).all()
    assert (data.demand == instance.demands[data.order]).all()
    np.testing.assert_array_equal(data.metric, instance.distance_matrix()[np.ix_(data.order, data.order)])

"""The parts of a trajectory: journal, ruin, recreate, guides, the best solution kept; and a whole epoch."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_probes import routes_of
from routes_reference import cases
from test_kernels_exchange import assert_state_is_rebuilt
from trajectory_probes import probe_best, probe_impose, probe_load, probe_ruin, probe_undo, touched, visible_state

from evo.problems import cvrp
from evo.problems.cvrp import kernels_trajectory
from evo.problems.cvrp.instance import Instance
from evo.problems.cvrp.kernels_ruin import CONCENTRIC, PLACES, SEQUENTIAL
from evo.problems.cvrp.trajectory import MEMORY, SOLUTION, Course, TrajectoryEpoch, no_guides
from evo.problems.cvrp.trajectory_data import TrajectoryData

DTYPES = [np.int32, np.float64]
# Compiling falls into the first example.
SLOW_START = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_undo_goes_back_to_the_solution_at_the_beginning_of_the_iteration(dtype, data):
    case = data.draw(cases(dtype, most=16))
    room = probe_undo(case, data.draw(st.permutations(range(1, case.n))))
    assert routes_of(room, case.n) == case.routes
    assert visible_state(room, case) == visible_state(probe_load(case), case)


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_ruin_takes_out_what_it_says_and_recreate_puts_all_back_where_it_is_cheapest(dtype, data):
    case = data.draw(cases(dtype))
    kind = data.draw(st.sampled_from([CONCENTRIC, SEQUENTIAL]))
    centre, size = data.draw(st.integers(1, case.n - 1)), data.draw(st.integers(1, case.n - 2))
    places = data.draw(st.sampled_from([1, PLACES]))
    taken, room = probe_ruin(case, kind, centre, size, places, data.draw(st.integers(0, 99)))
    routes = routes_of(room, case.n)
    if kind == CONCENTRIC:
        others = sorted((c for c in range(1, case.n) if c != centre), key=lambda c: (case.matrix[centre, c], c))
        assert taken == [centre, *others[: size - 1]]
    else:
        route = next(route for route in case.routes if centre in route)
        i = route.index(centre)
        assert taken == (route[i:] + route[:i])[:size]
    assert sorted(c for route in routes for c in route) == list(range(1, case.n))
    assert_state_is_rebuilt(room, case, routes)
    assert set(taken) <= touched(room, case)
    if size == 1:
        left = [[c for c in route if c != centre] for route in case.routes]
        # Beside a near customer, on either side; of empty routes only where nobody else is in any.
        options = [
            [*left[:r], [*route[:k], centre, *route[k:]], *left[r + 1 :]]
            for r, route in enumerate(left)
            for k in range(len(route) + 1)
            if route
        ]
        if places == PLACES:
            assert case.distance(routes) == pytest.approx(min(map(case.distance, options)))
        else:
            nearest = min((c for c in range(1, case.n) if c != centre), key=lambda c: (case.matrix[centre, c], c))
            beside = [
                option
                for option in options
                if any({a, b} == {centre, nearest} for route in option for a, b in itertools.pairwise(route))
            ]
            assert case.distance(routes) == pytest.approx(min(map(case.distance, beside)))


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_a_guide_imposes_one_of_its_routes_and_nobody_is_lost(dtype, data):
    case = data.draw(cases(dtype))
    guide = data.draw(cases(dtype).filter(lambda other: other.n == case.n)).routes
    guide = (guide + [[]] * len(case.routes))[: max(len(case.routes), len(guide))]
    case = dataclasses.replace(case, routes=case.routes + [[]] * (len(guide) - len(case.routes)))
    listed, room = probe_impose(case, guide, data.draw(st.integers(0, 99)))
    routes = routes_of(room, case.n)
    assert sorted(c for route in routes for c in route) == list(range(1, case.n))
    assert not room.tally.any()

    def edges(solution):
        return {frozenset(edge) for route in solution for edge in itertools.pairwise([0, *route, 0]) if route}

    if listed < 0:
        assert routes == case.routes
        return
    assert edges(guide) != edges(case.routes)
    assert_state_is_rebuilt(room, case, routes)
    if listed == 0:
        assert any(route in routes for route in guide if route)


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_the_best_solution_is_kept_as_it_was_when_it_is_left(dtype, data):
    case = data.draw(cases(dtype, most=16))
    customers = st.lists(st.integers(1, case.n - 1), min_size=1, max_size=8)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    order = rng.permutation(case.n - 1) + 1
    old_best = [part.tolist() for part in np.array_split(order, len(case.routes))]
    kept, written, routes = probe_best(case, data.draw(customers), data.draw(customers), old_best)
    assert sorted(c for route in routes for c in route) == list(range(1, case.n))
    assert written == pytest.approx(kept)
    assert case.distance(routes) == pytest.approx(kept)


# -- epochs -----------------------------------------------------------------------------------------------------------


def example(rounding="nearest", n=60, **fields):
    rng = np.random.default_rng(5)
    demands = rng.integers(1, 20, n)
    demands[0] = 0
    return Instance(
        name="example",
        demands=demands,
        capacity=80,
        coordinates=rng.integers(0, 1000, (n, 2)) + rng.random((n, 2)).round(2),
        rounding=rounding,
        **fields,
    )


def begun(evaluator, count, epochs=1, guided=False, seed=1):
    """Solutions after some epochs, each with the next one's best as its guide where `guided`."""
    data = evaluator.data
    members = {
        "tour": np.zeros((count, data.n - 1), np.int32),
        "offsets": np.zeros((count, data.routes + 1), np.int32),
        "memory": np.zeros((count, MEMORY)),
    }
    for generation in range(epochs):
        members = step(evaluator, members, generation, guided, seed)
    return members


def step(evaluator, members, generation, guided=False, seed=1, rows=None):
    count = len(members["tour"])
    guides = no_guides(count)
    if guided and generation > 0:
        guides = {
            "guide_tour": np.roll(members["best_tour"], 1, axis=0),
            "guide_offsets": np.roll(members["best_offsets"], 1, axis=0),
            "guided": np.ones(count, bool),
        }
    columns = {
        **{name: members[name] for name in SOLUTION},
        **guides,
        "limit": np.full(count, members["offsets"].shape[1] - 1),
        "begin": np.full(count, generation / 4),
        "end": np.full(count, (generation + 1) / 4),
        "row": np.arange(count),
    }
    rows = slice(None) if rows is None else rows
    return evaluator.evaluate(
        {name: column[rows] for name, column in columns.items()}, {"seed": seed, "generation": generation}
    )


def routes_in(members, i, which=""):
    tour, offsets = members[f"{which}tour"][i], members[f"{which}offsets"][i]
    return [part.tolist() for part in np.split(tour[: offsets[-1]], offsets[1:-1])]


@pytest.mark.parametrize("rounding", ["nearest", "ceil", "none"])
def test_an_epoch_ends_with_solutions_that_the_checker_accepts(rounding):
    instance = example(rounding)
    members = begun(TrajectoryEpoch(instance, Course(200)), 2, epochs=3, guided=True)
    for i, (which, cost) in itertools.product(range(2), enumerate(["", "best_"])):
        kind = int if instance.integral else float
        cvrp.check(instance, cvrp.Solution(routes_in(members, i, cost), kind(members["costs"][i, which])))
    # Of one solution, summed in another order, real distances may differ in the last bit.
    assert (members["costs"][:, 1] <= members["costs"][:, 0] * (1 + 1e-12)).all()
    assert (members["overload"] == 0).all()


@pytest.mark.parametrize("rounding", ["nearest", "none"])
def test_points_and_a_matrix_give_the_same_trajectory_bit_for_bit(rounding, monkeypatch):
    instance = example(rounding)
    by_matrix = begun(TrajectoryEpoch(instance, Course(200)), 1, epochs=2)
    monkeypatch.setattr("evo.problems.cvrp.trajectory_data.MATRIX_LIMIT", 0)
    by_points = begun(TrajectoryEpoch(instance, Course(200)), 1, epochs=2)
    for name in by_matrix:
        np.testing.assert_array_equal(by_matrix[name], by_points[name])


def test_a_row_of_an_epoch_depends_on_nothing_but_itself_and_its_position():
    evaluator = TrajectoryEpoch(example(), Course(100))
    members = begun(evaluator, 3)
    together = step(evaluator, members, 1, guided=True)
    for i in range(3):
        alone = step(TrajectoryEpoch(example(), Course(100)), members, 1, guided=True, rows=slice(i, i + 1))
        for name, column in together.items():
            np.testing.assert_array_equal(column[i : i + 1], alone[name])
    other = step(evaluator, members, 1, guided=True, seed=2)
    assert (other["tour"] != together["tour"]).any()
    assert len({tuple(tour) for tour in together["tour"]}) == 3


def test_a_part_of_a_solution_is_searched_as_if_there_was_nothing_else():
    instance = example()
    evaluator = TrajectoryEpoch(instance, Course(300))
    whole = begun(evaluator, 1)
    routes = [route for route in routes_in(whole, 0) if route]
    parts = [routes[::2], routes[1::2]]
    most = max(sum(map(len, part)) for part in parts)
    limits = [len(part) + 1 for part in parts]
    members = {
        "tour": np.zeros((2, most), np.int32),
        "offsets": np.zeros((2, max(limits) + 1), np.int32),
        "memory": np.repeat(whole["memory"], 2, axis=0),
    }
    for i, part in enumerate(parts):
        tour = np.concatenate(part)
        members["tour"][i, : len(tour)] = tour
        members["offsets"][i, 1 : len(part) + 1] = np.cumsum([len(route) for route in part])
        members["offsets"][i, len(part) + 1 :] = len(tour)
    rows = {
        **members,
        **no_guides(2),
        "limit": np.array(limits),
        "begin": np.zeros(2),
        "end": np.ones(2),
        "row": np.arange(2),
    }
    found = evaluator.evaluate(rows, {"seed": 1, "generation": 1})
    assert (found["tour"] != members["tour"]).any()
    for prefix in ("", "best_"):
        together = [route for i in range(2) for route in routes_in(found, i, prefix)]
        cost = int(found["costs"][:, 1 if prefix else 0].sum())
        cvrp.check(instance, cvrp.Solution([route for route in together if route], cost))
        for i, part in enumerate(parts):
            own = [route for route in routes_in(found, i, prefix) if route]
            assert sorted(itertools.chain(*own)) == sorted(itertools.chain(*part))
            assert len(own) <= limits[i]
    assert (found["costs"][:, 1] <= found["costs"][:, 0]).all()


def test_an_epoch_leaves_what_it_is_given_alone():
    evaluator = TrajectoryEpoch(example(), Course(50))
    members = begun(evaluator, 2)
    before = {name: column.copy() for name, column in members.items()}
    after = step(evaluator, members, 1, guided=True)
    assert (after["tour"] != before["tour"]).any()
    for name in SOLUTION:
        np.testing.assert_array_equal(members[name], before[name])


def test_a_fleet_too_small_for_the_savings_is_filled_without_overload():
    instance = example(max_vehicles=int(-(-example().demands.sum() // 80)) + 1)
    data = TrajectoryData.of(instance, 20)
    assert data.routes == instance.max_vehicles
    evaluator = TrajectoryEpoch(instance, Course(500))
    members = begun(evaluator, 1, epochs=3)
    assert members["overload"][0] == 0
    cvrp.check(instance, cvrp.Solution(routes_in(members, 0, "best_"), int(members["costs"][0, 1])))


@pytest.mark.parametrize(
    ("demands", "capacity"),
    [([0, 3], 5), ([0, 3, 3], 5), ([0, 0, 0, 0], 1), ([0, 1, 1, 1, 1], 1), ([0, 1, 1, 1, 1], 100)],
)
def test_the_smallest_and_the_most_extreme_instances_are_solved(demands, capacity):
    n = len(demands)
    points = np.array([[0, 0], [0, 10], [10, 0], [10, 10], [20, 10]])[:n]
    instance = Instance(name="tiny", demands=np.array(demands), capacity=capacity, coordinates=points)
    members = begun(TrajectoryEpoch(instance, Course(30)), 2, epochs=2, guided=True)
    for i in range(2):
        cvrp.check(instance, cvrp.Solution(routes_in(members, i, "best_"), int(members["costs"][i, 1])))


def test_an_instance_with_a_matrix_and_no_coordinates_is_searched():
    plain = example(n=30)
    instance = Instance(
        name="matrix", demands=plain.demands, capacity=plain.capacity, distances=plain.distance_matrix()
    )
    members = begun(TrajectoryEpoch(instance, Course(50)), 1, epochs=2)
    cvrp.check(instance, cvrp.Solution(routes_in(members, 0, "best_"), int(members["costs"][0, 1])))


def test_the_memory_has_the_length_that_the_kernels_expect():
    assert MEMORY == kernels_trajectory.ADAPTIVE

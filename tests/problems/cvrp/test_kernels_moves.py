"""Every move: its delta is the recomputed change of cost, and the state after it is a rebuilt one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_probes import probe_load, probe_local_search, probe_move, probe_swap_star, routes_of, visible_state
from routes_reference import MOVES, all_moves, best_swap_star, cases, reference_move

DTYPES = [np.int32, np.float64]
# Compiling falls into the first example.
SLOW_START = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])


def assert_state_is_rebuilt(room, case, routes):
    expected = probe_load(dataclasses.replace(case, routes=routes))
    found, wanted = visible_state(room, case), visible_state(expected, case)
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], err_msg=name, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_every_delta_is_the_recomputed_change_and_every_state_a_rebuilt_one(dtype, data):
    case = data.draw(cases(dtype))
    for name, u, v in all_moves(case.routes):
        if v < 0 and name not in ("relocate", "relocate_pair", "relocate_pair_reversed") and "star" not in name:
            continue  # no such move to a depot
        if "star" in name and reference_move(name, case.routes, u, v) is None:
            continue  # asked for two different routes only
        if name == "two_opt" and reference_move("two_opt_star", case.routes, u, v) is not None:
            continue  # asked for one route only
        expected = reference_move(name, case.routes, u, v)
        delta, made, room = probe_move(case, name, u, v)
        assert made == (expected is not None), (name, u, v)
        if expected is None:
            continue
        assert routes_of(room, case.n) == expected, (name, u, v)
        assert delta == pytest.approx(case.distance(expected) - case.distance(case.routes), abs=1e-9), (name, u, v)
        assert_state_is_rebuilt(room, case, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_a_move_is_made_exactly_where_the_penalised_cost_falls(dtype, data):
    case = data.draw(cases(dtype))
    before = case.cost(case.routes)
    for name, u, v in all_moves(case.routes):
        expected = reference_move(name, case.routes, u, v)
        if expected is None:
            continue
        change = case.cost(expected) - before
        if abs(change) < 1e-7:
            continue  # a tie but for rounding
        _, made, _ = probe_move(case, name, u, v, tolerance=1e-9)
        assert made == (change < 0), (name, u, v, change)


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_swap_star_finds_the_best_exchange_of_two_routes(dtype, data):
    case = data.draw(cases(dtype))
    if not case.routes[0] or not case.routes[1]:
        return
    made, room = probe_swap_star(case, 0, 1)
    routes = routes_of(room, case.n)
    best = best_swap_star(case, case.routes, 0, 1)
    assert case.cost(routes) == pytest.approx(best, abs=1e-7)
    assert made == (best < case.cost(case.routes) - 1e-7)
    assert_state_is_rebuilt(room, case, routes)


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_swap_star_repeated_uses_no_outdated_insertion(dtype, data):
    case = data.draw(cases(dtype))
    if not case.routes[0] or not case.routes[1]:
        return
    made, room = probe_swap_star(case, 0, 1, times=3)
    routes = case.routes
    for _ in range(made):
        _, step = probe_swap_star(dataclasses.replace(case, routes=routes), 0, 1)
        routes = routes_of(step, case.n)
    assert case.cost(routes_of(room, case.n)) == pytest.approx(case.cost(routes), abs=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_local_search_ends_where_no_move_and_no_swap_star_gains(dtype, data):
    case = data.draw(cases(dtype))
    order = np.array(data.draw(st.permutations(range(1, case.n))))
    room = probe_local_search(case, order)
    routes = routes_of(room, case.n)
    assert sorted(c for route in routes for c in route) == list(range(1, case.n))
    cost = case.cost(routes)
    assert cost <= case.cost(case.routes) + 1e-7
    assert_state_is_rebuilt(room, case, routes)
    empty = next((r for r, route in enumerate(routes) if not route), None)
    for name, u, v in all_moves(routes):
        if v < 0 and routes[-1 - v] == [] and -1 - v != empty:
            continue  # one empty route is as good as another
        better = reference_move(name, routes, u, v)
        assert better is None or case.cost(better) >= cost - 1e-6, (name, u, v, routes)
    for a in range(len(routes)):
        for b in range(a + 1, len(routes)):
            if routes[a] and routes[b]:
                assert best_swap_star(case, routes, a, b) >= cost - 1e-6, (a, b, routes)


def test_the_reference_knows_every_move():
    routes = [[1, 2, 3], [4, 5, 6]]
    expected = {
        "relocate": [[2, 3], [4, 5, 1, 6]],
        "relocate_pair": [[3], [4, 5, 1, 2, 6]],
        "relocate_pair_reversed": [[3], [4, 5, 2, 1, 6]],
        "swap": [[5, 2, 3], [4, 1, 6]],
        "swap_pair_with_one": [[5, 3], [4, 1, 2, 6]],
        "swap_pairs": [[5, 6, 3], [4, 1, 2]],
        "two_opt_star": [[1, 6], [4, 5, 2, 3]],
        "two_opt_star_reversed": [[1, 5, 4], [3, 2, 6]],
    }
    for name, result in expected.items():
        assert reference_move(name, routes, 1, 5) == result, name
    assert reference_move("two_opt", routes, 4, 6) == [[1, 2, 3], [4, 6, 5]]
    assert {*expected, "two_opt"} == set(MOVES)

"""Moves that join two customers: what they say that they change is what changes; the state after is a rebuilt one."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_probes import routes_of
from routes_reference import cases, where
from trajectory_probes import (
    probe_exchange,
    probe_improve,
    probe_load,
    probe_opening,
    probe_reconnection,
    visible_state,
)

from evo.problems.cvrp.kernels_exchange import LONGEST
from evo.problems.cvrp.kernels_trajectory_state import NEXT, PREVIOUS

DTYPES = [np.int32, np.float64]
# Compiling falls into the first example.
SLOW_START = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])


def assert_state_is_rebuilt(room, case, routes):
    expected = visible_state(probe_load(dataclasses.replace(case, routes=routes)), case)
    found = visible_state(room, case)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], err_msg=name, rtol=1e-12)


def nodes_of(routes, place):
    """A customer's route as a list that begins and ends with the depot, and its index there."""
    r, i = where(routes, place)
    return r, [0, *routes[r], 0], i + 1


def joinable(routes):
    """All ordered pairs of customers that are not neighbours."""
    for h, a in itertools.permutations([c for route in routes for c in route], 2):
        (rh, _, i), (ra, _, j) = nodes_of(routes, h), nodes_of(routes, a)
        if rh != ra or abs(i - j) > 1:
            yield h, a


def reference_exchanges(routes, h, a, along, turn):
    """The routes after every exchange, by cutting lists: H from h on the side `along`, Z from beyond a on `turn`."""
    (rh, line_h, i), (ra, line_a, j) = nodes_of(routes, h), nodes_of(routes, a)
    step_h, step_a = (1 if side == NEXT else -1 for side in (along, turn))
    for size, taken in itertools.product(range(1, LONGEST + 1), range(3)):
        if taken > 0 and size > 2:
            continue
        at_h = [i + step_h * k for k in range(size)]
        at_z = [j + step_a * (k + 1) for k in range(taken)]
        if not all(0 < k < len(line_h) - 1 for k in at_h) or not all(0 < k < len(line_a) - 1 for k in at_z):
            continue
        if rh == ra:
            if j in at_h or (j + step_a) in at_h:
                continue
            if at_z and min(abs(k - m) for k in at_h for m in at_z) < 2:
                continue  # H and Z touch or overlap
        block = [line_h[k] for k in at_h]
        for back in ([line_a[k] for k in at_z], [line_a[k] for k in at_z][::-1]):
            # `back` is named from h's outer end on; both are laid out in the direction of their route.
            lines = {r: list(line) for r, line in ((rh, line_h), (ra, line_a))}
            in_h = back if step_h == 1 else back[::-1]
            in_a = block if step_a == 1 else block[::-1]
            new = {}
            for r, line in lines.items():
                laid = []
                for k, node in enumerate(line):
                    if r == ra and step_a == -1 and k == j:
                        laid += in_a
                    if r == rh and k == min(at_h):
                        laid += in_h
                    gone = (r == rh and k in at_h) or (r == ra and k in at_z)
                    if not gone:
                        laid.append(node)
                    if r == ra and step_a == 1 and k == j:
                        laid += in_a
                new[r] = [node for node in laid if node != 0]
            yield size, taken, [new.get(r, list(route)) for r, route in enumerate(routes)]


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_the_best_exchange_costs_what_it_says_and_leaves_a_rebuilt_state(dtype, data):
    case = data.draw(cases(dtype, most=9))
    before = case.cost(case.routes)
    for (h, a), along, turn in itertools.product(joinable(case.routes), (NEXT, PREVIOUS), (NEXT, PREVIOUS)):
        possible = list(reference_exchanges(case.routes, h, a, along, turn))
        # Of one customer both directions are the same: they are looked at in one.
        looked_at = [(size, taken, routes) for size, taken, routes in possible if size > 1 or along == NEXT]
        change, room = probe_exchange(case, h, a, along, turn)
        routes = routes_of(room, case.n)
        if np.isinf(change):
            assert not [move for move in looked_at if move[1] == 0]
            assert routes == case.routes
            continue
        assert routes in [r for _, _, r in looked_at], (h, a, along, turn)
        assert change == pytest.approx(case.cost(routes) - before, abs=1e-7)
        assert_state_is_rebuilt(room, case, routes)
        # Exchanges that promise little are not looked at; no relocation is left out.
        assert change >= min(case.cost(r) for _, _, r in looked_at) - before - 1e-7
        assert change <= min(case.cost(r) for _, taken, r in looked_at if taken == 0) - before + 1e-7


def reference_reconnections(routes, u, v):
    """The routes after each 2-opt or 2-opt* that makes the edge (u, v)."""
    (ru, _, _), (rv, _, _) = nodes_of(routes, u), nodes_of(routes, v)
    i, j = routes[ru].index(u), routes[rv].index(v)
    if ru == rv:
        i, j = min(i, j), max(i, j)
        route = routes[ru]
        options = [
            {ru: route[: i + 1] + route[i + 1 : j + 1][::-1] + route[j + 1 :]},
            {ru: route[:i] + route[i:j][::-1] + route[j:]},
        ]
    else:
        a, b = routes[ru], routes[rv]
        options = [
            {ru: a[: i + 1] + b[: j + 1][::-1], rv: a[i + 1 :][::-1] + b[j + 1 :]},
            {ru: a[:i] + b[:j][::-1], rv: a[i:][::-1] + b[j:]},
            {ru: a[: i + 1] + b[j:], rv: b[:j] + a[i + 1 :]},
            {ru: a[:i] + b[j + 1 :], rv: b[: j + 1] + a[i:]},
        ]
    return [[option.get(r, list(route)) for r, route in enumerate(routes)] for option in options]


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_the_best_reconnection_costs_what_it_says_and_leaves_a_rebuilt_state(dtype, data):
    case = data.draw(cases(dtype))
    before = case.cost(case.routes)
    for u, v in joinable(case.routes):
        possible = reference_reconnections(case.routes, u, v)
        change, room = probe_reconnection(case, u, v)
        routes = routes_of(room, case.n)
        if np.isinf(change):  # no edge that it could remove is longer than the one it makes
            continue
        assert routes in possible, (u, v)
        assert change == pytest.approx(case.cost(routes) - before, abs=1e-7)
        assert change >= min(map(case.cost, possible)) - before - 1e-7
        assert_state_is_rebuilt(room, case, routes)


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_opening_a_route_costs_what_it_says_and_is_the_better_of_two(dtype, data):
    case = data.draw(cases(dtype))
    case = dataclasses.replace(case, routes=[*case.routes, []])
    before = case.cost(case.routes)
    empty = case.routes.index([])
    for r, route in enumerate(list(case.routes)):
        for i, u in enumerate(route):
            alone, split = [list(x) for x in case.routes], [list(x) for x in case.routes]
            alone[r].remove(u)
            alone[empty] = [u]
            split[r], split[empty] = route[: i + 1], route[i + 1 :]
            options = [alone, split] if i + 1 < len(route) else [alone]
            change, room = probe_opening(case, u)
            assert change == pytest.approx(min(map(case.cost, options)) - before, abs=1e-7)
            assert case.cost(routes_of(room, case.n)) - before == pytest.approx(change, abs=1e-7)
            assert_state_is_rebuilt(room, case, routes_of(room, case.n))


@pytest.mark.parametrize("dtype", DTYPES)
@SLOW_START
@given(data=st.data())
def test_improving_customers_lowers_the_penalised_cost_by_what_the_journal_says(dtype, data):
    case = data.draw(cases(dtype, most=16))
    order = data.draw(st.permutations(range(1, case.n)))
    made, distance, excess, edges_gone, room = probe_improve(case, order)
    routes = routes_of(room, case.n)
    assert_state_is_rebuilt(room, case, routes)
    assert distance == pytest.approx(case.distance(routes) - case.distance(case.routes), abs=1e-7)
    assert excess == case.excess(routes) - case.excess(case.routes)
    if made:
        assert case.cost(routes) < case.cost(case.routes)
    else:
        assert routes == case.routes

    def edges(solution):
        found = [frozenset(e) for route in solution for e in itertools.pairwise([0, *route, 0]) if route]
        return [(e, found[:k].count(e)) for k, e in enumerate(found)]  # a customer alone has two edges to the depot

    assert edges_gone <= len(set(edges(case.routes)) - set(edges(routes)))
    assert edges_gone >= len({e for e, _ in edges(case.routes)} - {e for e, _ in edges(routes)})

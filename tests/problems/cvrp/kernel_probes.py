"""Compiled doors to single kernels, for the tests: load a solution, do one thing, and give the state back."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from routes_reference import MOVES, Case, Routes

from evo.problems.cvrp import kernels_moves as moves
from evo.problems.cvrp.kernels_education import Room, education_room, make_search
from evo.problems.cvrp.kernels_local_search import local_search
from evo.problems.cvrp.kernels_memory import pointer_to
from evo.problems.cvrp.kernels_state import NEXT, NODE_RECORD, POSITION, PREVIOUS, ROUTE, load_routes
from evo.problems.cvrp.kernels_swap_star import improve_by_swap_star

NO_LIMIT = -np.inf  # as tolerance: every move that makes sense "gains"


@numba.njit
def _probe_move(move, u, v, room, matrix, neighbours, capacity, penalty, tolerance, tour, offsets):  # type: ignore[no-untyped-def]
    s = make_search(room, matrix, neighbours, capacity, penalty, tolerance)
    load_routes(s, pointer_to(tour), offsets)
    o = moves.origin(s, u)
    t = moves.target(s, o, v)
    delta = 0.0
    gains = False
    if move == 0:
        delta += moves.relocate_delta(o, t)
        gains = moves.relocate_gains(s, o, t)
        if gains:
            moves.apply_relocate(s, o, t)
    elif move == 1:
        delta += moves.relocate_pair_delta(o, t)
        gains = moves.relocate_pair_gains(s, o, t)
        if gains:
            moves.apply_relocate_pair(s, o, t)
    elif move == 2:
        delta += moves.relocate_pair_reversed_delta(o, t)
        gains = moves.relocate_pair_reversed_gains(s, o, t)
        if gains:
            moves.apply_relocate_pair_reversed(s, o, t)
    elif move == 3:
        delta += moves.swap_delta(o, t)
        gains = moves.swap_gains(s, o, t)
        if gains:
            moves.apply_swap(s, o, t)
    elif move == 4:
        delta += moves.swap_pair_with_one_delta(o, t)
        gains = moves.swap_pair_with_one_gains(s, o, t)
        if gains:
            moves.apply_swap_pair_with_one(s, o, t)
    elif move == 5:
        delta += moves.swap_pairs_delta(o, t)
        gains = moves.swap_pairs_gains(s, o, t)
        if gains:
            moves.apply_swap_pairs(s, o, t)
    elif move == 6:
        delta += moves.two_opt_delta(o, t)
        gains = moves.two_opt_gains(s, o, t)
        if gains:
            moves.apply_two_opt(s, o, t)
    elif move == 7:
        delta += moves.two_opt_star_delta(o, t)
        gains = moves.two_opt_star_gains(s, o, t)
        if gains:
            moves.apply_two_opt_star(s, o, t)
    else:
        delta += moves.two_opt_delta(o, t)
        gains = moves.two_opt_star_reversed_gains(s, o, t)
        if gains:
            moves.apply_two_opt_star_reversed(s, o, t)
    return delta, gains


@numba.njit
def _probe_load(room, matrix, neighbours, capacity, penalty, tolerance, tour, offsets):  # type: ignore[no-untyped-def]
    load_routes(make_search(room, matrix, neighbours, capacity, penalty, tolerance), pointer_to(tour), offsets)


@numba.njit
def _probe_swap_star(a, b, times, room, matrix, neighbours, capacity, penalty, tolerance, tour, offsets):  # type: ignore[no-untyped-def]
    s = make_search(room, matrix, neighbours, capacity, penalty, tolerance)
    load_routes(s, pointer_to(tour), offsets)
    made = 0
    for _ in range(times):
        if improve_by_swap_star(s, a, b):
            made += 1
    return made


@numba.njit
def _probe_local_search(order, room, matrix, neighbours, capacity, penalty, tolerance, tour, offsets):  # type: ignore[no-untyped-def]
    s = make_search(room, matrix, neighbours, capacity, penalty, tolerance)
    load_routes(s, pointer_to(tour), offsets)
    route_order = np.arange(len(room.route)).astype(np.int32)
    local_search(s, order, route_order, pointer_to(room.adjacent))


def everyone(n: int) -> np.ndarray:
    """Neighbour lists that hold every other customer."""
    neighbours = np.zeros((n, n - 2), np.int32)
    for c in range(1, n):
        neighbours[c] = [d for d in range(1, n) if d != c]
    return neighbours


def _common(case: Case, tolerance: float) -> tuple[Room, tuple[Any, ...]]:
    room = education_room(case.matrix, case.demand.astype(np.int64), len(case.routes))
    tour, offsets = case.tour_and_offsets()
    rest = (room, case.matrix, everyone(case.n), case.capacity, case.penalty, tolerance, tour, offsets)
    return room, rest


def probe_move(case: Case, name: str, u: int, v: int, tolerance: float = NO_LIMIT) -> tuple[float, bool, Room]:
    """Delta of distance, whether the move gains, and the state after it was made if so."""
    room, rest = _common(case, tolerance)
    place = v if v > 0 else case.n - 1 - v  # the starting depot of route -1 - v
    delta, gains = _probe_move(MOVES.index(name), u, place, *rest)
    return delta, gains, room


def probe_load(case: Case) -> Room:
    room, rest = _common(case, 0.0)
    _probe_load(*rest)
    return room


def probe_swap_star(case: Case, a: int, b: int, times: int = 1) -> tuple[int, Room]:
    room, rest = _common(case, 1e-9)
    return _probe_swap_star(a, b, times, *rest), room


def probe_local_search(case: Case, order: np.ndarray) -> Room:
    room, rest = _common(case, 1e-9)
    _probe_local_search(order.astype(np.int32), *rest)
    return room


def routes_of(room: Room, n: int) -> Routes:
    """Follow the links of every route."""
    routes: Routes = []
    for r in range(len(room.route)):
        route = []
        node = room.node[n + r, NEXT]
        while node < n:
            route.append(int(node))
            node = room.node[node, NEXT]
            assert len(route) < n, "a circle"
        assert node == n + len(room.route) + r, "the route ends at another one's depot"
        routes.append(route)
    return routes


def visible_state(room: Room, case: Case) -> dict[str, Any]:
    """What the moves rely on, without times."""
    inside = [*range(1, case.n), *range(case.n + len(room.route), len(room.node))]  # customers and ending depots
    return {
        "records": room.node[inside][:, [NEXT, PREVIOUS, ROUTE, POSITION]].tolist(),
        "starts": room.node[case.n : case.n + len(room.route), [NEXT, ROUTE, POSITION]].tolist(),
        "edges": room.edge[inside].tolist(),
        "loads": room.load[inside].tolist(),
        "sizes": room.route[:, 0].tolist(),
        "route loads": room.route_load.tolist(),
        "route costs": room.route_cost.tolist(),
        "first empty": room.counter[1],
    }


assert NODE_RECORD == 8

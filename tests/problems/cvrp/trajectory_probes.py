"""Compiled doors to single kernels of the trajectory, for the tests: load a solution, do one thing, show the state."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from kernel_probes import everyone
from routes_reference import Case, Routes

from evo.problems.cvrp import kernels_exchange as exchange
from evo.problems.cvrp import kernels_ruin as ruin
from evo.problems.cvrp import kernels_trajectory_state as state
from evo.problems.cvrp.kernels_distance import pointers
from evo.problems.cvrp.kernels_memory import pointer_to
from evo.problems.cvrp.kernels_recombination import impose_route, index_guide
from evo.problems.cvrp.kernels_trajectory import (
    TrajectoryRoom,
    begin_best,
    load_solution,
    make_trajectory,
    penalise_all,
    trajectory_room,
    write_best,
)
from evo.problems.cvrp.kernels_trajectory_state import NEXT, POSITION, PREVIOUS, QUEUED, ROUTE

LOAD, EXCHANGE, RECONNECT, OPEN, IMPROVE, UNDO, RUIN, IMPOSE, KEEP = range(9)


@numba.njit
def _door(  # type: ignore[no-untyped-def]
    what,
    numbers,
    order,
    after,
    other_tour,
    other_offsets,
    room,
    matrix,
    neighbours,
    distances,
    capacity,
    penalty,
    tour,
    offsets,
):
    """One door for all: every entry point has its own copy of the kernels, and compiling one takes long enough."""
    n = len(matrix)
    s = make_trajectory(
        room, pointers(matrix), n, neighbours, distances, neighbours.shape[1], capacity, 1e-9, len(room.route)
    )
    load_solution(s, tour, offsets)
    penalise_all(s, penalty)
    state.begin_iteration(s)
    move = pointer_to(room.move)
    removed = pointer_to(room.removed)
    result = np.zeros(4)
    if what == EXCHANGE:
        h, a, along, turn = numbers
        result[0] = exchange.best_exchange(s, h, a, along, turn, state.between(s, h, a), np.inf, move)
    elif what == RECONNECT:
        u, v = numbers[0], numbers[1]
        result[0] = exchange.best_reconnection(s, u, v, state.between(s, u, v), np.inf, move)
    elif what == OPEN:
        result[0] = exchange.best_opening(s, numbers[0], np.inf, move)
    if EXCHANGE <= what <= OPEN and result[0] < np.inf:
        exchange.apply_move(s, move)
    if what in (IMPROVE, UNDO):
        for u in order:
            if exchange.improve_customer(s, u, move):
                result[0] += 1
        result[1] = state.change_of_distance(s)
        result[2] = state.change_of_excess(s)
        result[3] = state.changed_edges(s)
        if what == UNDO:
            state.undo(s)
    elif what == RUIN:
        kind, centre, size, places = numbers
        if kind == ruin.CONCENTRIC:
            count = ruin.ruin_concentric(s, centre, size, removed)
        else:
            count = ruin.ruin_sequential(s, centre, size, removed)
        result[0] = count
        order[:count] = room.removed[:count]
        ruin.recreate_all(s, removed, count, places, room.random)
    elif what == IMPOSE:
        for c in range(n - 1):
            room.customers[c] = c + 1
        index_guide(other_tour, other_offsets, room.guide_places, room.guide_routes)
        listed = impose_route(
            s,
            room.customers,
            n - 1,
            other_tour,
            other_offsets,
            room.guide_places,
            room.guide_routes,
            room.tally,
            removed,
            room.random,
        )
        result[0] = listed
        if listed >= 0:
            ruin.recreate_all(s, removed, listed, ruin.PLACES, room.random)
    elif what == KEEP:
        begin_best(s)
        for u in order:  # accepted iterations up to the best solution …
            state.begin_iteration(s)
            exchange.improve_customer(s, u, move)
            state.mark_dirty(s)
        for r in range(s.routes):
            result[0] += state.route_distance(s, r)
        for k in range(len(after)):  # … and some that leave it
            state.begin_iteration(s)
            exchange.improve_customer(s, after[k], move)
            if k == 0:
                state.keep_as_best(s)
            state.mark_dirty(s)
        result[1] = write_best(s, other_tour, other_offsets)
    return result


def _open(
    case: Case,
    what: int,
    numbers: tuple[int, ...] = (),
    order: Any = (),
    after: Any = (),
    other: Routes | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, TrajectoryRoom, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    neighbours = everyone(case.n)
    by_distance = np.argsort(np.take_along_axis(case.matrix, neighbours, 1)[1:], axis=1, kind="stable")
    neighbours[1:] = np.take_along_axis(neighbours[1:], by_distance, 1)
    distances = np.ascontiguousarray(np.take_along_axis(case.matrix, neighbours, 1))
    room = trajectory_room(case.demand.astype(np.int64), len(case.routes), case.matrix.dtype == np.int32)
    room.random[0] = seed
    tour, offsets = case.tour_and_offsets()
    guide = case.tour_and_offsets(case.routes if other is None else other)
    listed = np.zeros(case.n, np.int64) if what == RUIN else np.array(order, np.int64)
    result = _door(
        what,
        np.array([*numbers, 0, 0, 0, 0][:4]),
        listed,
        np.array(after, np.int64),
        *guide,
        room,
        case.matrix,
        neighbours,
        distances,
        case.capacity,
        case.penalty,
        tour,
        offsets,
    )
    return result, room, listed, guide


def probe_load(case: Case) -> TrajectoryRoom:
    return _open(case, LOAD)[1]


def probe_exchange(case: Case, h: int, a: int, along: int, turn: int) -> tuple[float, TrajectoryRoom]:
    """The change of cost and the state after it; infinity where there is no such exchange."""
    result, room, *_ = _open(case, EXCHANGE, (h, a, along, turn))
    return result[0], room


def probe_reconnection(case: Case, u: int, v: int) -> tuple[float, TrajectoryRoom]:
    result, room, *_ = _open(case, RECONNECT, (u, v))
    return result[0], room


def probe_opening(case: Case, u: int) -> tuple[float, TrajectoryRoom]:
    result, room, *_ = _open(case, OPEN, (u,))
    return result[0], room


def probe_improve(case: Case, order: list[int]) -> tuple[float, float, float, float, TrajectoryRoom]:
    """Moves made, the journal's word on the change of distance, of excess, and on edges gone; the state."""
    result, room, *_ = _open(case, IMPROVE, order=order)
    return result[0], result[1], result[2], result[3], room


def probe_undo(case: Case, order: list[int]) -> TrajectoryRoom:
    return _open(case, UNDO, order=order)[1]


def probe_ruin(
    case: Case, kind: int, centre: int, size: int, places: int, seed: int
) -> tuple[list[int], TrajectoryRoom]:
    """Who was taken out; the state after all were put in again."""
    result, room, taken, _ = _open(case, RUIN, (kind, centre, size, places), seed=seed)
    return taken[: int(result[0])].tolist(), room


def probe_impose(case: Case, guide: Routes, seed: int) -> tuple[int, TrajectoryRoom]:
    result, room, *_ = _open(case, IMPOSE, other=guide, seed=seed)
    return int(result[0]), room


def probe_best(case: Case, kept: list[int], after: list[int], best: Routes) -> tuple[float, float, Routes]:
    """Distance of the solution to be kept; the distance and the routes that were written as the best."""
    result, _, _, (tour, offsets) = _open(case, KEEP, order=kept, after=after, other=best)
    return result[0], result[1], [route.tolist() for route in np.split(tour, offsets[1:-1])]


def visible_state(room: TrajectoryRoom, case: Case) -> dict[str, Any]:
    """What the moves rely on."""
    count = len(room.route)
    inside = [*range(1, case.n), *range(case.n + count, len(room.node))]  # customers and ending depots
    return {
        "records": room.node[inside][:, [NEXT, PREVIOUS, ROUTE, POSITION]].tolist(),
        "starts": room.node[case.n : case.n + count, [NEXT, ROUTE, POSITION]].tolist(),
        "edges": room.edge[inside].tolist(),
        "loads": room.load[inside].tolist(),
        "sizes": room.route[:, state.SIZE].tolist(),
        "route loads": room.route_load.tolist(),
        "route costs": room.route_cost.tolist(),
        "first empty": room.counter[state.EMPTY],
    }


def touched(room: TrajectoryRoom, case: Case) -> set[int]:
    """The customers in the queue."""
    return {c for c in range(1, case.n) if room.node[c, QUEUED]}

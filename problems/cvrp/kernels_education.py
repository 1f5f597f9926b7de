"""Education of offspring: Split, local search, and repair; a pure function of each tour, penalty, and random key.

Source: Vidal (2022), DOI 10.1016/j.cor.2021.105643, section 3. What `educate` needs is gathered in flat arrays by
`education_room` and the problem; nothing that it keeps between two rows can be seen in a result.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .compilation import entry, kernel
from .kernels_local_search import local_search
from .kernels_memory import at, pointer_to
from .kernels_random import random_below, seed_random, shuffle
from .kernels_split import split
from .kernels_state import (
    COUNTERS,
    NODE_RECORD,
    ROUTE_RECORD,
    Search,
    following,
    is_customer,
    load_routes,
    penalise,
)
from .kernels_swap_star import ENTRY

REPAIR_FACTOR = 10.0  # what still exceeds the capacity is searched again at this multiple of the penalty …
REPAIR_ONE_IN = 2  # … in one of so many cases


class Room(NamedTuple):
    """Arrays to work in. Made anew for every call, so that calls from several threads never share them."""

    node: npt.NDArray[np.int32]
    edge: npt.NDArray[Any]
    load: npt.NDArray[np.int64]
    node_demand: npt.NDArray[np.int64]
    route: npt.NDArray[np.int32]
    route_load: npt.NDArray[np.int64]
    route_cost: npt.NDArray[np.float64]
    counter: npt.NDArray[np.int64]
    gain: npt.NDArray[Any]
    least: npt.NDArray[Any]
    insertion_cost: npt.NDArray[Any]
    insertion_place: npt.NDArray[np.int32]
    adjacent: npt.NDArray[np.int32]
    near_route: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]
    route_order: npt.NDArray[np.int32]
    sums: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]
    potentials: npt.NDArray[np.float64]
    predecessors: npt.NDArray[np.int32]
    queue: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]
    tour: npt.NDArray[np.int32]
    angles: npt.NDArray[np.float64]
    random: npt.NDArray[np.uint64]


def education_room(matrix: npt.NDArray[Any], demand: npt.NDArray[np.int64], routes: int) -> Room:
    """Room for searching an instance of n nodes with `routes` routes: 48 n R bytes and a little."""
    n = len(demand)
    nodes = n + 2 * routes
    wide = np.dtype(np.int64) if matrix.dtype == np.int32 else matrix.dtype  # a sum of distances
    node_demand = np.zeros(nodes, np.int64)
    node_demand[:n] = demand
    return Room(
        node=np.zeros((nodes, NODE_RECORD), np.int32),
        edge=np.zeros(nodes, wide),
        load=np.zeros(nodes, np.int64),
        node_demand=node_demand,
        route=np.zeros((routes, ROUTE_RECORD), np.int32),
        route_load=np.zeros(routes, np.int64),
        route_cost=np.zeros(routes),
        counter=np.zeros(COUNTERS, np.int64),
        gain=np.zeros(n, wide),
        least=np.zeros(n, wide),
        insertion_cost=np.zeros((n, routes, ENTRY), wide),
        insertion_place=np.zeros((n, routes, ENTRY), np.int32),
        adjacent=np.zeros((routes, routes), np.int32),
        near_route=np.zeros((n, routes), np.int32),
        order=np.zeros(n - 1, np.int32),
        route_order=np.zeros(routes, np.int32),
        sums=(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, np.int64)),
        potentials=np.zeros((2, n)),
        predecessors=np.zeros((routes + 1, n), np.int32),
        queue=np.zeros(n + 1, np.int32),
        offsets=np.zeros(routes + 1, np.int32),
        tour=np.zeros(n - 1, np.int32),
        angles=np.zeros(routes),
        random=np.zeros(1, np.uint64),
    )


@kernel
def make_search(room: Any, matrix: Any, neighbours: Any, capacity: Any, penalty: Any, tolerance: Any) -> Any:
    """The struct of pointers over the arrays of `room`."""
    return Search(
        n=len(matrix),
        routes=len(room.route),
        capacity=capacity,
        penalty=penalty,
        tolerance=tolerance,
        matrix=pointer_to(matrix),
        neighbours=pointer_to(neighbours),
        near=neighbours.shape[1],
        demand=pointer_to(room.node_demand),
        node=pointer_to(room.node),
        edge=pointer_to(room.edge),
        load=pointer_to(room.load),
        route=pointer_to(room.route),
        route_load=pointer_to(room.route_load),
        route_cost=pointer_to(room.route_cost),
        counter=pointer_to(room.counter),
        gain=pointer_to(room.gain),
        insertion_cost=pointer_to(room.insertion_cost),
        insertion_place=pointer_to(room.insertion_place),
        least=pointer_to(room.least),
        near_route=pointer_to(room.near_route),
    )


@kernel
def order_routes(s: Any, coordinates: Any, angles: Any, route_order: Any) -> None:
    """Sort routes by the polar angle of their barycentre around the depot, so that crossover keeps neighbours together.

    Empty routes come last. Without coordinates (all zero) the order stays.
    """
    for r in range(s.routes):
        x = y = 0.0
        count = 0
        node = following(s, s.n + r)
        while is_customer(s, node):
            x += coordinates[node, 0] - coordinates[0, 0]
            y += coordinates[node, 1] - coordinates[0, 1]
            count += 1
            node = following(s, node)
        angles[r] = math.atan2(y, x) if count > 0 else 4.0  # above pi
        k = r
        while k > 0 and angles[route_order[k - 1]] > angles[r]:
            route_order[k] = route_order[k - 1]
            k -= 1
        route_order[k] = r


@kernel
def write_routes(s: Any, route_order: Any, matrix: Any, tour: Any, offsets: Any) -> Any:
    """Write the solution as tour and offsets, see `split`; returns its distance and its load above the capacity."""
    i = 0
    excess = 0
    distance = matrix[0, 0] * 1  # 0, int64 or float64
    offsets[0] = 0
    for k in range(len(route_order)):
        last = 0
        load = 0
        node = following(s, s.n + route_order[k])
        while is_customer(s, node):
            tour[i] = node
            i += 1
            distance += matrix[last, node]
            load += at(s.demand, node)
            last = node
            node = following(s, node)
        distance += matrix[last, 0]
        excess += max(load - s.capacity, 0)
        offsets[k + 1] = i
    return np.float64(distance), excess


@entry
def educate(
    tours: Any,
    rows: Any,
    seed: Any,
    generation: Any,
    penalty: Any,
    matrix: Any,
    capacity: Any,
    neighbours: Any,
    coordinates: Any,
    tolerance: Any,
    room: Any,
    out_tours: Any,
    out_offsets: Any,
    out_distance: Any,
    out_excess: Any,
    out_repaired: Any,
) -> None:
    """Educate a batch of giant tours.

    Parameters
    ----------
    tours
        ``(batch, n - 1)`` int32, permutations of the customers.
    rows
        ``(batch,)`` int64, each tour's position in its generation.
    seed, generation
        uint64, int64: with the row, the key of the random numbers.
    penalty
        Cost of one unit of load above the capacity.
    matrix, capacity, neighbours, coordinates, tolerance, room
        The instance: ``(n, n)`` int32 or float64, symmetric; int; ``(n, near)`` int32; ``(n, 2)``; see `Search`.
    out_tours, out_offsets, out_distance, out_excess
        ``(batch, 2, n - 1)`` and ``(batch, 2, R + 1)`` int32, ``(batch, 2)`` float64, ``(batch, 2)`` int64, filled:
        the educated individual, and the repaired one (the same again if there was no repair).
    out_repaired
        ``(batch,)`` bool, filled: whether repair was tried and gave a feasible solution.
    """
    random = room.random
    gentle = make_search(room, matrix, neighbours, capacity, penalty, tolerance)
    harsh = make_search(room, matrix, neighbours, capacity, penalty * REPAIR_FACTOR, tolerance)
    for i in range(len(tours)):
        seed_random(random, seed, generation, rows[i])
        for k in range(len(room.order)):
            room.order[k] = k + 1
        for k in range(len(room.route_order)):
            room.route_order[k] = k
        shuffle(random, room.order)
        shuffle(random, room.route_order)
        room.tour[:] = tours[i]
        split(
            room.tour,
            len(room.route),
            matrix,
            room.node_demand,
            capacity,
            penalty,
            room.sums,
            room.potentials,
            room.predecessors,
            room.queue,
            room.offsets,
        )
        load_routes(gentle, pointer_to(room.tour), room.offsets)
        local_search(gentle, room.order, room.route_order, pointer_to(room.adjacent))
        order_routes(gentle, coordinates, room.angles, room.route_order)
        distance, excess = write_routes(gentle, room.route_order, matrix, out_tours[i, 0], out_offsets[i, 0])
        out_distance[i, 0] = distance
        out_excess[i, 0] = excess
        out_repaired[i] = False
        if excess > 0 and random_below(random, REPAIR_ONE_IN) == 0:
            shuffle(random, room.order)
            shuffle(random, room.route_order)
            penalise(harsh)
            local_search(harsh, room.order, room.route_order, pointer_to(room.adjacent))
            order_routes(harsh, coordinates, room.angles, room.route_order)
            distance, excess = write_routes(harsh, room.route_order, matrix, out_tours[i, 1], out_offsets[i, 1])
            out_repaired[i] = excess == 0
        else:
            out_tours[i, 1] = out_tours[i, 0]
            out_offsets[i, 1] = out_offsets[i, 0]
        out_distance[i, 1] = distance
        out_excess[i, 1] = excess

"""A trajectory: ruin, recreate, local search, acceptance by a threshold; some thousand iterations at a time.

Source: Máximo, Cordeau, Nascimento (2022), "AILS-II: an adaptive iterated local search heuristic for the large-scale
capacitated vehicle routing problem", arXiv 2205.12082. There, a perturbed solution is made feasible before it is
improved; here, load above the capacity is penalised so that nearly all local searches end feasible by themselves.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .compilation import entry, kernel
from .kernels_distance import distance, pointers
from .kernels_exchange import MOVE_RECORD, improve_customer
from .kernels_memory import at, pointer_to, put
from .kernels_random import random_below, seed_random
from .kernels_recombination import impose_route, index_guide
from .kernels_ruin import BY_COST, CONCENTRIC, GUIDE, PLACES, recreate_all, ruin_concentric, ruin_sequential
from .kernels_trajectory_state import (
    COUNTERS,
    DIRTY,
    DIRTY_COUNT,
    ENTRIES,
    ENTRY_RECORD,
    ENTRY_ROUTE,
    JOURNALLED,
    NEXT,
    NO_ROUTE,
    NODE_RECORD,
    POSITION,
    PREVIOUS,
    QUEUE_COUNT,
    QUEUED,
    ROUTE,
    ROUTE_RECORD,
    SIZE,
    Trajectory,
    begin_iteration,
    between,
    change_of_distance,
    change_of_excess,
    changed_edges,
    excess_cost,
    find_empty_route,
    following,
    is_customer,
    keep_as_best,
    link,
    mark_dirty,
    next_touched,
    refresh,
    route_distance,
    touch,
    undo,
)

# What a trajectory remembers of its course, (ADAPTIVE,) float64. Between epochs costs are kept as differences from the
# solution's own, so that they hold for a part of it too.
WEIGHT = 0  # cost of one unit of load above the capacity
OMEGA = 1  # how many customers to take out, by the kind of ruin: 2
CHANGED = 3  # edges changed since omega was last adapted, by the kind: 2
TRIALS = 5  # iterations since then, by the kind: 2
AVERAGE = 7  # mean cost of what the local search finds
LOWEST = 8  # the lowest such cost of late
WINDOW_LOWEST = 9  # the lowest of this window
WINDOW = 10  # iterations in this window
SEEN = 11  # iterations of this trajectory
ADAPTIVE = 12

# Parameters, by their places in the array that the kernel is given: globals would be frozen into the cached code.
GAMMA = 0  # iterations over which is averaged
ETA_FIRST, ETA_LAST = 1, 2  # how far between the lowest and the mean cost a solution is accepted
CHANGED_FIRST, CHANGED_LAST = 3, 4  # edges that an iteration should change
FEASIBLE = 5  # share of first local searches that should end feasible
WEIGHT_STEP = 6  # how fast the weight of overload follows
WEIGHT_MOST = 7
GUIDED = 8  # share of iterations that impose a route of the guide's
PARAMETERS = 9

# Counts of a batch: customers looked at, iterations not feasible at first, not feasible at last, accepted.
LOOKED, INFEASIBLE, GIVEN_UP, ACCEPTED, STATISTICS = 0, 1, 2, 3, 4

REPAIR_FACTOR = 10.0
REPAIRS = 2


class TrajectoryRoom(NamedTuple):
    """Arrays to work in, see `Trajectory`."""

    node_demand: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    node: npt.NDArray[np.int32]
    edge: npt.NDArray[Any]
    load: npt.NDArray[np.int64]
    route: npt.NDArray[np.int32]
    route_load: npt.NDArray[np.int64]
    route_cost: npt.NDArray[np.float64]
    counter: npt.NDArray[np.int64]
    queue: npt.NDArray[np.int32]
    journal: npt.NDArray[np.int32]
    journal_nodes: npt.NDArray[np.int32]
    journal_distance: npt.NDArray[Any]
    journal_excess: npt.NDArray[np.int64]
    dirty: npt.NDArray[np.int32]
    best_next: npt.NDArray[np.int32]
    best_first: npt.NDArray[np.int32]
    removed: npt.NDArray[np.int32]
    customers: npt.NDArray[np.int32]
    guide_places: npt.NDArray[np.int32]
    guide_routes: npt.NDArray[np.int32]
    tally: npt.NDArray[np.int32]
    move: npt.NDArray[np.int64]
    random: npt.NDArray[np.uint64]


def trajectory_room(demand: npt.NDArray[np.int64], routes: int, integral: bool) -> TrajectoryRoom:
    """Room for an instance of n nodes: about 100 bytes a node."""
    n = len(demand)
    nodes = n + 2 * routes
    wide = np.int64 if integral else np.float64
    node_demand = np.zeros(nodes, np.int64)
    node_demand[:n] = demand
    return TrajectoryRoom(
        node_demand=node_demand,
        weight=np.zeros(1),
        node=np.zeros((nodes, NODE_RECORD), np.int32),
        edge=np.zeros(nodes, wide),
        load=np.zeros(nodes, np.int64),
        route=np.zeros((routes, ROUTE_RECORD), np.int32),
        route_load=np.zeros(routes, np.int64),
        route_cost=np.zeros(routes),
        counter=np.zeros(COUNTERS, np.int64),
        queue=np.zeros(n, np.int32),
        journal=np.zeros((routes, ENTRY_RECORD), np.int32),
        journal_nodes=np.zeros(n, np.int32),
        journal_distance=np.zeros(routes, wide),
        journal_excess=np.zeros(routes, np.int64),
        dirty=np.zeros(routes, np.int32),
        best_next=np.zeros(n, np.int32),
        best_first=np.zeros(routes, np.int32),
        removed=np.zeros(n, np.int32),
        customers=np.zeros(n, np.int32),
        guide_places=np.zeros(n, np.int32),
        guide_routes=np.zeros(n, np.int32),
        tally=np.zeros(routes, np.int32),
        move=np.zeros(MOVE_RECORD, np.int64),
        random=np.zeros(1, np.uint64),
    )


@kernel
def make_trajectory(
    room: Any,
    metric: Any,
    n: Any,
    neighbours: Any,
    neighbour_distance: Any,
    searched: Any,
    capacity: Any,
    tolerance: Any,
    limit: Any,
) -> Any:
    """The struct of pointers over the arrays of `room`."""
    return Trajectory(
        n=n,
        routes=len(room.route),
        limit=limit,
        capacity=capacity,
        tolerance=tolerance,
        metric=metric,
        neighbours=pointer_to(neighbours),
        neighbour_distance=pointer_to(neighbour_distance),
        near=neighbours.shape[1],
        searched=min(searched, neighbours.shape[1]),
        demand=pointer_to(room.node_demand),
        weight=pointer_to(room.weight),
        node=pointer_to(room.node),
        edge=pointer_to(room.edge),
        load=pointer_to(room.load),
        route=pointer_to(room.route),
        route_load=pointer_to(room.route_load),
        route_cost=pointer_to(room.route_cost),
        counter=pointer_to(room.counter),
        queue=pointer_to(room.queue),
        journal=pointer_to(room.journal),
        journal_nodes=pointer_to(room.journal_nodes),
        journal_distance=pointer_to(room.journal_distance),
        journal_excess=pointer_to(room.journal_excess),
        dirty=pointer_to(room.dirty),
        best_next=pointer_to(room.best_next),
        best_first=pointer_to(room.best_first),
    )


# -- loading and writing ----------------------------------------------------------------------------------------------


@kernel
def load_solution(s: Any, tour: Any, offsets: Any) -> None:
    """Take a solution over: route r visits ``tour[offsets[r]:offsets[r + 1]]``; customers not named are in no route."""
    for node in range(s.n):
        put(s.node, node * NODE_RECORD + ROUTE, NO_ROUTE)
        put(s.node, node * NODE_RECORD + QUEUED, 0)
    for field in range(COUNTERS):
        put(s.counter, field, 0)
    for r in range(s.routes):
        start = s.n + r
        end = start + s.routes
        put(s.route, r * ROUTE_RECORD + SIZE, 0)
        put(s.route, r * ROUTE_RECORD + JOURNALLED, 0)
        put(s.node, start * NODE_RECORD + PREVIOUS, start)
        put(s.node, start * NODE_RECORD + POSITION, 0)
        put(s.node, start * NODE_RECORD + ROUTE, r)
        put(s.load, start, 0)
        put(s.edge, start, at(s.edge, start) * 0)
        put(s.node, end * NODE_RECORD + NEXT, end)
        last: Any = start
        for i in range(offsets[r], offsets[r + 1]):
            customer = np.int64(tour[i])
            link(s, last, customer)
            last = customer
        link(s, last, end)
        refresh(s, r)
    find_empty_route(s)


@kernel
def begin_best(s: Any) -> None:
    """Nothing is kept yet: any route may differ from the best solution's."""
    for r in range(s.routes):
        put(s.route, r * ROUTE_RECORD + DIRTY, 1)
        put(s.dirty, r, r)
    put(s.counter, DIRTY_COUNT, s.routes)


@kernel
def solution_cost(s: Any) -> Any:
    """The distance of the solution under search, and its load above the capacity."""
    total = at(s.edge, s.n) * 0
    excess = 0
    for r in range(s.routes):
        total += route_distance(s, r)
        excess += max(at(s.route_load, r) - s.capacity, 0)
    return np.float64(total), excess


@kernel
def shift_costs(memory: Any, by: Any) -> None:
    """Make the remembered costs differences from the solution's, or costs of them again."""
    memory[AVERAGE] += by
    memory[LOWEST] += by
    memory[WINDOW_LOWEST] += by


@kernel
def write_solution(s: Any, tour: Any, offsets: Any) -> Any:
    """Write the solution under search; returns its distance, summed anew, and its load above the capacity."""
    i = 0
    offsets[0] = 0
    for r in range(s.routes):
        node = following(s, s.n + r)
        while is_customer(s, node):
            tour[i] = node
            i += 1
            node = following(s, node)
        offsets[r + 1] = i
    return solution_cost(s)


@kernel
def write_best(s: Any, tour: Any, offsets: Any) -> Any:
    """Write the best solution kept; returns its distance, summed anew."""
    i = 0
    total = at(s.edge, s.n) * 0
    offsets[0] = 0
    for r in range(s.routes):
        node = at(s.best_first, r)
        total += between(s, s.n, node)
        while node != 0:
            after = at(s.best_next, node)
            total += between(s, node, after)
            tour[i] = node
            i += 1
            node = after
        offsets[r + 1] = i
    return np.float64(total)


# -- one iteration ----------------------------------------------------------------------------------------------------


@kernel
def local_search(s: Any, move: Any) -> Any:
    """Improve the touched customers, and those that a move touches, until none gains. Returns customers looked at."""
    looked = 0
    while at(s.counter, QUEUE_COUNT) > 0:
        u = next_touched(s)
        looked += 1
        if improve_customer(s, u, move):
            touch(s, u)
    return looked


@kernel
def penalise_changed(s: Any, weight: Any) -> None:
    """Put another weight on the routes that changed; customers of overloaded ones are touched."""
    put(s.weight, 0, weight)
    for k in range(at(s.counter, ENTRIES)):
        r = at(s.journal, k * ENTRY_RECORD + ENTRY_ROUTE)
        load = at(s.route_load, r)
        put(s.route_cost, r, excess_cost(s, load))
        if load > s.capacity:
            node = following(s, s.n + r)
            while is_customer(s, node):
                touch(s, node)
                node = following(s, node)


@kernel
def penalise_all(s: Any, weight: Any) -> None:
    """Put another weight on all routes."""
    put(s.weight, 0, weight)
    for r in range(s.routes):
        put(s.route_cost, r, excess_cost(s, at(s.route_load, r)))


@kernel
def adapt_omega(memory: Any, kind: Any, changed: Any, aim: Any, gamma: Any, most: Any) -> None:
    """Steer how many customers a kind of ruin takes out, so that the mean number of changed edges comes to `aim`."""
    memory[CHANGED + kind] += changed
    memory[TRIALS + kind] += 1.0
    if memory[TRIALS + kind] >= gamma:
        mean = max(memory[CHANGED + kind] / memory[TRIALS + kind], 0.1)
        memory[OMEGA + kind] = min(max(memory[OMEGA + kind] * min(max(aim / mean, 0.5), 2.0), 1.0), most)
        memory[CHANGED + kind] = 0.0
        memory[TRIALS + kind] = 0.0


@kernel
def threshold(memory: Any, cost: Any, gamma: Any, eta: Any) -> Any:
    """Take in a cost that the local search found; returns up to which cost a solution is accepted."""
    memory[SEEN] += 1.0
    share = 1.0 / min(memory[SEEN], gamma)
    memory[AVERAGE] += (cost - memory[AVERAGE]) * share
    memory[WINDOW] += 1.0
    memory[WINDOW_LOWEST] = min(memory[WINDOW_LOWEST], cost)
    memory[LOWEST] = min(memory[LOWEST], cost)
    if memory[WINDOW] >= gamma:
        memory[LOWEST] = memory[WINDOW_LOWEST]
        memory[WINDOW_LOWEST] = np.inf
        memory[WINDOW] = 0.0
    return memory[LOWEST] + eta * (memory[AVERAGE] - memory[LOWEST])


@kernel
def search(
    s: Any,
    room: Any,
    count: Any,
    guide_tour: Any,
    guide_offsets: Any,
    guided: Any,
    memory: Any,
    cost: Any,
    overload: Any,
    iterations: Any,
    begin: Any,
    end: Any,
    parameters: Any,
    statistics: Any,
) -> Any:
    """Run some iterations; returns whether the best solution is the one under search."""
    random = room.random
    removed = pointer_to(room.removed)
    move = pointer_to(room.move)
    gamma = parameters[GAMMA]
    ratio = parameters[ETA_LAST] / parameters[ETA_FIRST]
    eta = parameters[ETA_FIRST] * ratio**begin
    step = ratio ** ((end - begin) / iterations)
    best = cost
    best_is_current = True
    for i in range(iterations):
        begin_iteration(s)
        weight = memory[WEIGHT]
        put(s.weight, 0, weight)
        if overload > 0:
            penalise_all(s, weight)
        kind = GUIDE
        taken = -1
        if guided and random_below(random, 1024) < parameters[GUIDED] * 1024.0:
            taken = impose_route(
                s,
                room.customers,
                count,
                guide_tour,
                guide_offsets,
                room.guide_places,
                room.guide_routes,
                room.tally,
                removed,
                random,
            )
        by_cost = True
        if taken < 0:
            kind = random_below(random, 2)
            by_cost = random_below(random, 2) == BY_COST
            omega = memory[OMEGA + kind]
            size = np.int64(omega)
            if random_below(random, 1024) < (omega - size) * 1024.0:
                size += 1
            u = np.int64(room.customers[random_below(random, count)])
            taken = ruin_concentric(s, u, size, removed) if kind == CONCENTRIC else ruin_sequential(s, u, size, removed)
        recreate_all(s, removed, taken, PLACES if by_cost else 1, random)
        statistics[LOOKED] += local_search(s, move)
        change = change_of_excess(s)
        infeasible = change + overload > 0
        step_up = parameters[WEIGHT_STEP] * (infeasible - (1.0 - parameters[FEASIBLE]))
        memory[WEIGHT] = min(memory[WEIGHT] * math.exp(step_up), parameters[WEIGHT_MOST])
        if infeasible:
            statistics[INFEASIBLE] += 1
            for _ in range(REPAIRS):
                weight *= REPAIR_FACTOR
                penalise_changed(s, weight)
                statistics[LOOKED] += local_search(s, move)
                change = change_of_excess(s)
                if change + overload <= 0:
                    break
        found = cost + change_of_distance(s)
        accepted = False
        if overload > 0:
            accepted = change < 0 or (change == 0 and found < cost)
        elif change <= 0:
            aim = parameters[CHANGED_FIRST] + (parameters[CHANGED_LAST] - parameters[CHANGED_FIRST]) * (
                begin + (end - begin) * i / iterations
            )
            if kind != GUIDE:
                adapt_omega(memory, kind, changed_edges(s), aim, gamma, np.float64(min(s.near, count)))
            accepted = found <= threshold(memory, found, gamma, eta)
        else:
            statistics[GIVEN_UP] += 1
        eta *= step
        if not accepted:
            undo(s)
            continue
        statistics[ACCEPTED] += 1
        if overload == 0 and best_is_current and found >= best:
            keep_as_best(s)
            best_is_current = False
        mark_dirty(s)
        cost = found
        overload += change
        if overload > 0:
            best, best_is_current = cost, True
        elif found < best or change < 0:
            best, best_is_current = found, True
    return best_is_current


@entry
def run_trajectories(
    rows: Any,
    seed: Any,
    generation: Any,
    iterations: Any,
    begins: Any,
    ends: Any,
    parameters: Any,
    metric: Any,
    neighbours: Any,
    neighbour_distance: Any,
    searched: Any,
    capacity: Any,
    tolerance: Any,
    room: Any,
    limits: Any,
    tours: Any,
    offsets: Any,
    best_tours: Any,
    best_offsets: Any,
    guide_tours: Any,
    guide_offsets: Any,
    guided: Any,
    costs: Any,
    overloads: Any,
    memories: Any,
    statistics: Any,
) -> None:
    """Run every trajectory of a batch on by some iterations, in place.

    Parameters
    ----------
    rows
        ``(batch,)`` int64, each trajectory's position in its generation.
    seed, generation
        uint64, int64: with the row, the key of the random numbers.
    iterations
        How many, for each.
    begins, ends
        ``(batch,)`` float64: between which shares of its course a trajectory stands at the beginning, at the end.
    parameters
        ``(PARAMETERS,)`` float64.
    metric, neighbours, neighbour_distance, searched, capacity, tolerance, room
        The instance: see `kernels_distance`; ``(n, near)`` int32 and the distances; see `Trajectory`.
    limits
        ``(batch,)`` int64: how many routes each may have, at most R.
    tours, offsets
        ``(batch, most)`` and ``(batch, R + 1)`` int32: the solution under search. It may be a part of one: customers
        that it does not visit do not exist.
    best_tours, best_offsets
        The same: room for the best solution that is found; at least as good as the one at the beginning.
    guide_tours, guide_offsets, guided
        Another solution of the same customers, and ``(batch,)`` bool: whether there is one.
    costs
        ``(batch, 2)`` float64: room for the distances of the two solutions.
    overloads
        ``(batch,)`` int64, room for the load above the capacity in the solution under search. Where there is any,
        the best solution is that one.
    memories
        ``(batch, ADAPTIVE)`` float64.
    statistics
        ``(batch, STATISTICS)`` int64, added to.
    """
    n = neighbours.shape[0]
    for i in range(len(rows)):
        s = make_trajectory(
            room, pointers(metric), n, neighbours, neighbour_distance, searched, capacity, tolerance, limits[i]
        )
        seed_random(room.random, seed, generation, rows[i])
        memory = memories[i]
        room.weight[0] = memory[WEIGHT]
        load_solution(s, tours[i], offsets[i])
        begin_best(s)
        cost, overload = solution_cost(s)
        count = np.int64(offsets[i, -1])
        for k in range(count):
            room.customers[k] = tours[i, k]
        if guided[i]:
            index_guide(guide_tours[i], guide_offsets[i], room.guide_places, room.guide_routes)
        shift_costs(memory, cost)
        best_is_current = search(
            s,
            room,
            count,
            guide_tours[i],
            guide_offsets[i],
            guided[i],
            memory,
            cost,
            overload,
            iterations,
            begins[i],
            ends[i],
            parameters,
            statistics[i],
        )
        costs[i, 0], overloads[i] = write_solution(s, tours[i], offsets[i])
        shift_costs(memory, -costs[i, 0])
        if best_is_current:
            best_tours[i] = tours[i]
            best_offsets[i] = offsets[i]
            costs[i, 1] = costs[i, 0]
        else:
            costs[i, 1] = write_best(s, best_tours[i], best_offsets[i])


@entry
def solution_distance(metric: Any, n: Any, tour: Any, offsets: Any) -> Any:
    """The distance of a solution, float64."""
    p = pointers(metric)
    total = 0.0
    for r in range(len(offsets) - 1):
        last: Any = 0
        for i in range(offsets[r], offsets[r + 1]):
            node = np.int64(tour[i])
            total += distance(p, n, last, node)
            last = node
        total += distance(p, n, last, 0)
    return total

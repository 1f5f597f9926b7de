"""The state of a trajectory: the solution under search, a journal that undoes an iteration, a queue of touched nodes.

An iteration changes a few routes of many. Before a route is changed for the first time in it, its customers are written
to the journal: undoing, measuring the change, and keeping the best solution all cost in proportion to what changed,
never to n. Nodes and sentinels are those of `kernels_state`; a customer of no route has `NO_ROUTE`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .compilation import inlined, kernel
from .kernels_distance import distance
from .kernels_memory import at, put

# Fields of a node's record. A side is a field: what lies on the side NEXT of a node, or on the side PREVIOUS.
NEXT, PREVIOUS, ROUTE, POSITION, QUEUED = 0, 1, 2, 3, 4
NODE_RECORD = 8
NO_ROUTE = -1

# Fields of a route's record: size, the iteration in which it was last journalled, whether it differs from the best.
SIZE, JOURNALLED, DIRTY, TRIED = 0, 1, 2, 3
ROUTE_RECORD = 4

# Counters.
EMPTY, ITERATION, QUEUE_HEAD, QUEUE_COUNT, ENTRIES, JOURNAL_END, DIRTY_COUNT = 0, 1, 2, 3, 4, 5, 6
COUNTERS = 8

# Fields of a journal's entry: route, where its customers begin and end in `journal_nodes`.
ENTRY_ROUTE, ENTRY_BEGIN, ENTRY_END = 0, 1, 2
ENTRY_RECORD = 4


class Trajectory(NamedTuple):
    """One struct of pointers and scalars; `put` changes what it points to."""

    n: Any
    routes: Any
    limit: Any  # of these, how many may be used: the first ones
    capacity: Any
    tolerance: Any  # a move must gain more than this: rounding errors must not make a circle of moves
    metric: Any  # see kernels_distance
    neighbours: Any  # (n, near) int32, nearest first
    neighbour_distance: Any  # (n, near)
    near: Any
    searched: Any  # how many of them the local search looks at
    demand: Any  # (n + 2 R,) int64
    weight: Any  # (1,) float64, cost of one unit of load above the capacity
    node: Any  # (n + 2 R, NODE_RECORD) int32
    edge: Any  # (n + 2 R,) distance from the node before
    load: Any  # (n + 2 R,) int64, of the route up to and with this node
    route: Any  # (R, ROUTE_RECORD) int32
    route_load: Any  # (R,) int64
    route_cost: Any  # (R,) float64, the penalty that the route pays
    counter: Any  # (COUNTERS,) int64
    queue: Any  # (n,) int32, a ring
    journal: Any  # (R, ENTRY_RECORD) int32
    journal_nodes: Any  # (n,) int32
    journal_distance: Any  # (R,) of the route as journalled
    journal_excess: Any  # (R,) int64, of the same, load above the capacity
    dirty: Any  # (R,) int32, routes that may differ from the best solution's
    best_next: Any  # (n,) int32, in the best solution; 0 at a route's end
    best_first: Any  # (R,) int32, 0 for an empty route


@inlined
def city(s: Any, node: Any) -> Any:
    """The node of the instance: sentinels are the depot."""
    return node if node < s.n else 0


@inlined
def between(s: Any, a: Any, b: Any) -> Any:
    """The distance from node a to node b."""
    return distance(s.metric, s.n, city(s, a), city(s, b))


@inlined
def beside(s: Any, node: Any, side: Any) -> Any:
    """The node next to a node on a side."""
    return at(s.node, node * NODE_RECORD + side)


@inlined
def edge_beside(s: Any, node: Any, neighbour: Any, side: Any) -> Any:
    """The distance from a node to its neighbour on a side."""
    return at(s.edge, neighbour if side == NEXT else node)


@inlined
def following(s: Any, node: Any) -> Any:
    return at(s.node, node * NODE_RECORD + NEXT)


@inlined
def preceding(s: Any, node: Any) -> Any:
    return at(s.node, node * NODE_RECORD + PREVIOUS)


@inlined
def route_of(s: Any, node: Any) -> Any:
    return at(s.node, node * NODE_RECORD + ROUTE)


@inlined
def position(s: Any, node: Any) -> Any:
    return at(s.node, node * NODE_RECORD + POSITION)


@inlined
def is_customer(s: Any, node: Any) -> Any:
    return node < s.n


@inlined
def excess_cost(s: Any, load: Any) -> Any:
    """What a route of this load pays for exceeding the capacity."""
    return at(s.weight, 0) * max(load - s.capacity, 0)


# -- links ------------------------------------------------------------------------------------------------------------


@inlined
def link(s: Any, a: Any, b: Any) -> None:
    """Make b follow a."""
    put(s.node, a * NODE_RECORD + NEXT, b)
    put(s.node, b * NODE_RECORD + PREVIOUS, a)
    put(s.edge, b, between(s, a, b))


@inlined
def join(s: Any, a: Any, b: Any, side: Any) -> None:
    """Make b the neighbour of a on a side."""
    if side == NEXT:
        link(s, a, b)
    else:
        link(s, b, a)


@kernel
def refresh(s: Any, r: Any) -> None:
    """Walk along a route whose links changed: positions, loads, and what depends on them."""
    node = s.n + r
    end = node + s.routes
    count = 0
    load = 0
    while node != end:
        node = following(s, node)
        count += 1
        put(s.node, node * NODE_RECORD + POSITION, count)
        put(s.node, node * NODE_RECORD + ROUTE, r)
        load += at(s.demand, node)
        put(s.load, node, load)
    was_empty = at(s.route, r * ROUTE_RECORD + SIZE) == 0
    put(s.route, r * ROUTE_RECORD + SIZE, count - 1)
    put(s.route_load, r, load)
    put(s.route_cost, r, excess_cost(s, load))
    if was_empty != (count == 1):
        find_empty_route(s)


@kernel
def find_empty_route(s: Any) -> None:
    """Keep the number of the first empty route that may be used, R where there is none."""
    r = 0
    while r < s.limit and at(s.route, r * ROUTE_RECORD + SIZE) > 0:
        r += 1
    put(s.counter, EMPTY, r if r < s.limit else s.routes)


@kernel
def route_distance(s: Any, r: Any) -> Any:
    """The length of a route."""
    node = following(s, s.n + r)
    total = at(s.edge, node)
    end = s.n + s.routes + r
    while node != end:
        node = following(s, node)
        total += at(s.edge, node)
    return total


# -- queue ------------------------------------------------------------------------------------------------------------


@inlined
def touch(s: Any, node: Any) -> None:
    """Queue a customer, once, to have its moves tried; a depot has none."""
    if is_customer(s, node) and at(s.node, node * NODE_RECORD + QUEUED) == 0:
        put(s.node, node * NODE_RECORD + QUEUED, 1)
        place = at(s.counter, QUEUE_HEAD) + at(s.counter, QUEUE_COUNT)
        if place >= s.n:
            place -= s.n
        put(s.queue, place, node)
        put(s.counter, QUEUE_COUNT, at(s.counter, QUEUE_COUNT) + 1)


@inlined
def next_touched(s: Any) -> Any:
    """Take the oldest customer out of the queue."""
    head = at(s.counter, QUEUE_HEAD)
    node = at(s.queue, head)
    put(s.counter, QUEUE_HEAD, head + 1 if head + 1 < s.n else 0)
    put(s.counter, QUEUE_COUNT, at(s.counter, QUEUE_COUNT) - 1)
    put(s.node, node * NODE_RECORD + QUEUED, 0)
    return node


# -- journal ----------------------------------------------------------------------------------------------------------


@inlined
def begin_iteration(s: Any) -> None:
    """Forget what was journalled: the solution as it stands is what `undo` goes back to."""
    put(s.counter, ITERATION, at(s.counter, ITERATION) + 1)
    put(s.counter, ENTRIES, 0)
    put(s.counter, JOURNAL_END, 0)


@kernel
def journal_route(s: Any, r: Any) -> None:
    """Write a route down."""
    put(s.route, r * ROUTE_RECORD + JOURNALLED, at(s.counter, ITERATION))
    entry = at(s.counter, ENTRIES)
    place = at(s.counter, JOURNAL_END)
    put(s.counter, ENTRIES, entry + 1)
    put(s.journal, entry * ENTRY_RECORD + ENTRY_ROUTE, r)
    put(s.journal, entry * ENTRY_RECORD + ENTRY_BEGIN, place)
    node = following(s, s.n + r)
    total = at(s.edge, node)
    while is_customer(s, node):
        put(s.journal_nodes, place, node)
        place += 1
        node = following(s, node)
        total += at(s.edge, node)
    put(s.journal_distance, entry, total)
    put(s.journal_excess, entry, max(at(s.route_load, r) - s.capacity, 0))
    put(s.journal, entry * ENTRY_RECORD + ENTRY_END, place)
    put(s.counter, JOURNAL_END, place)


@inlined
def about_to_change(s: Any, r: Any) -> None:
    """Journal a route before its first change in this iteration."""
    if at(s.route, r * ROUTE_RECORD + JOURNALLED) != at(s.counter, ITERATION):
        journal_route(s, r)


@kernel
def undo(s: Any) -> None:
    """Go back to the solution at the iteration's beginning."""
    for entry in range(at(s.counter, ENTRIES)):
        r = at(s.journal, entry * ENTRY_RECORD + ENTRY_ROUTE)
        last = s.n + r
        for i in range(
            at(s.journal, entry * ENTRY_RECORD + ENTRY_BEGIN), at(s.journal, entry * ENTRY_RECORD + ENTRY_END)
        ):
            customer = at(s.journal_nodes, i)
            link(s, last, customer)
            last = customer
        link(s, last, s.n + s.routes + r)
        refresh(s, r)


@kernel
def change_of_distance(s: Any) -> Any:
    """By how much the solution is longer than at the iteration's beginning."""
    change = at(s.edge, s.n) * 0
    for entry in range(at(s.counter, ENTRIES)):
        r = at(s.journal, entry * ENTRY_RECORD + ENTRY_ROUTE)
        change += route_distance(s, r) - at(s.journal_distance, entry)
    return change


@kernel
def changed_edges(s: Any) -> Any:
    """How many edges of the iteration's beginning are gone."""
    count = 0
    for entry in range(at(s.counter, ENTRIES)):
        before = 0
        for i in range(
            at(s.journal, entry * ENTRY_RECORD + ENTRY_BEGIN), at(s.journal, entry * ENTRY_RECORD + ENTRY_END)
        ):
            customer = at(s.journal_nodes, i)
            if city(s, preceding(s, customer)) != before and city(s, following(s, customer)) != before:
                count += 1
            before = customer
        if before != 0 and is_customer(s, preceding(s, before)) and is_customer(s, following(s, before)):
            count += 1
    return count


@kernel
def change_of_excess(s: Any) -> Any:
    """By how much there is more load above the capacity than at the iteration's beginning."""
    change = 0
    for entry in range(at(s.counter, ENTRIES)):
        r = at(s.journal, entry * ENTRY_RECORD + ENTRY_ROUTE)
        change += max(at(s.route_load, r) - s.capacity, 0) - at(s.journal_excess, entry)
    return change


# -- the best solution, copied only when it is left -------------------------------------------------------------------


@kernel
def mark_dirty(s: Any) -> None:
    """The routes that this iteration changed may now differ from the best solution's."""
    for entry in range(at(s.counter, ENTRIES)):
        r = at(s.journal, entry * ENTRY_RECORD + ENTRY_ROUTE)
        if at(s.route, r * ROUTE_RECORD + DIRTY) == 0:
            put(s.route, r * ROUTE_RECORD + DIRTY, 1)
            count = at(s.counter, DIRTY_COUNT)
            put(s.dirty, count, r)
            put(s.counter, DIRTY_COUNT, count + 1)


@kernel
def keep_as_best(s: Any) -> None:
    """Copy the solution at the iteration's beginning, where it differs from the best one kept."""
    for k in range(at(s.counter, DIRTY_COUNT)):
        r = at(s.dirty, k)
        put(s.route, r * ROUTE_RECORD + DIRTY, 0)
        if at(s.route, r * ROUTE_RECORD + JOURNALLED) == at(s.counter, ITERATION):
            continue
        node = following(s, s.n + r)
        put(s.best_first, r, city(s, node))
        while is_customer(s, node):
            after = following(s, node)
            put(s.best_next, node, city(s, after))
            node = after
    put(s.counter, DIRTY_COUNT, 0)
    for entry in range(at(s.counter, ENTRIES)):
        r = at(s.journal, entry * ENTRY_RECORD + ENTRY_ROUTE)
        after = 0
        for i in range(
            at(s.journal, entry * ENTRY_RECORD + ENTRY_END) - 1,
            at(s.journal, entry * ENTRY_RECORD + ENTRY_BEGIN) - 1,
            -1,
        ):
            customer = at(s.journal_nodes, i)
            put(s.best_next, customer, after)
            after = customer
        put(s.best_first, r, after)

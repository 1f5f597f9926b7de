"""The solution under search: doubly linked routes in flat arrays, and the few operations that change them.

Customers are the nodes 1 … n-1, as in the instance. Route r has two depots of its own as sentinels, so that no move
needs a special case at a route's ends: `start` n + r and `end` n + R + r. In the matrix all of them are node 0 (their
`city`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .compilation import inlined, kernel
from .kernels_memory import at, put, shifted

# Fields of a node's record; `TESTED` is the time at which its moves were last tried.
NEXT, PREVIOUS, ROUTE, POSITION, TESTED = 0, 1, 2, 3, 4
NODE_RECORD = 8
# Fields of a route's record; times at which it last changed, and at which SWAP* was last tried from it.
SIZE, MODIFIED, SWAP_STAR_TESTED, GAINS_KNOWN = 0, 1, 2, 3
ROUTE_RECORD = 4
# Counters: the number of moves made so far is the clock; the first empty route, R where there is none.
TIME, EMPTY, PHASE = 0, 1, 2
COUNTERS = 3


class Search(NamedTuple):
    """One struct of pointers and scalars; `put` changes what it points to. Distances are int32 or float64."""

    n: Any
    routes: Any
    capacity: Any
    penalty: Any  # cost of one unit of load above the capacity
    tolerance: Any  # a move must gain more than this: rounding errors must not make a circle of moves
    matrix: Any  # (n, n)
    neighbours: Any  # (n, near) int32, nearest first
    near: Any
    demand: Any  # (n + 2 R,) int64
    node: Any  # (n + 2 R, NODE_RECORD) int32
    edge: Any  # (n + 2 R,) distance from the node before
    load: Any  # (n + 2 R,) int64, of the route up to and with this node
    route: Any  # (R, ROUTE_RECORD) int32
    route_load: Any  # (R,) int64
    route_cost: Any  # (R,) float64, the penalty that the route pays
    counter: Any  # (COUNTERS,) int64
    gain: Any  # (n,) change of distance when the node leaves its route
    insertion_cost: Any  # (n, R, 4), see kernels_swap_star
    insertion_place: Any  # (n, R, 4) int32
    near_route: Any  # (n, R) int32: the last phase of SWAP* in which the customer had a near one in the route
    least: Any  # (n,) bound per node, see kernels_swap_star


@inlined
def city(s: Any, node: Any) -> Any:
    """The node's row and column of the matrix."""
    return node if node < s.n else 0


@inlined
def distance_row(s: Any, node: Any) -> Any:
    """The matrix row of a node, as a pointer."""
    return shifted(s.matrix, city(s, node) * s.n)


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
def route_field(s: Any, route: Any, field: Any) -> Any:
    return at(s.route, route * ROUTE_RECORD + field)


@inlined
def is_customer(s: Any, node: Any) -> Any:
    return node < s.n


@inlined
def excess_cost(s: Any, load: Any) -> Any:
    """What a route of this load pays for exceeding the capacity."""
    return s.penalty * max(load - s.capacity, 0)


@kernel
def link(s: Any, a: Any, b: Any) -> None:
    """Make b follow a."""
    put(s.node, a * NODE_RECORD + NEXT, b)
    put(s.node, b * NODE_RECORD + PREVIOUS, a)
    put(s.edge, b, at(s.matrix, city(s, a) * s.n + city(s, b)))


@kernel
def take_out(s: Any, u: Any) -> None:
    """Close the gap around a customer; its own links stay as they were."""
    link(s, preceding(s, u), following(s, u))


@kernel
def put_after(s: Any, u: Any, place: Any) -> None:
    """Insert a customer that is in no route between `place` and the node that follows it."""
    after = following(s, place)
    link(s, place, u)
    link(s, u, after)


@kernel
def refresh(s: Any, r: Any) -> None:
    """Walk along a route whose links changed: positions, loads, and the time of the change."""
    node = s.n + r
    count = 0
    load = 0
    end = node + s.routes
    while node != end:
        node = following(s, node)
        count += 1
        put(s.node, node * NODE_RECORD + POSITION, count)
        put(s.node, node * NODE_RECORD + ROUTE, r)
        load += at(s.demand, node)
        put(s.load, node, load)
    was_empty = route_field(s, r, SIZE) == 0
    put(s.route, r * ROUTE_RECORD + SIZE, count - 1)
    put(s.route, r * ROUTE_RECORD + MODIFIED, at(s.counter, TIME))
    put(s.route_load, r, load)
    put(s.route_cost, r, excess_cost(s, load))
    if was_empty != (count == 1):
        find_empty_route(s)


@kernel
def find_empty_route(s: Any) -> None:
    """Keep the number of the first empty route."""
    r = 0
    while r < s.routes and route_field(s, r, SIZE) > 0:
        r += 1
    put(s.counter, EMPTY, r)


@kernel
def moved(s: Any, route_u: Any, route_v: Any) -> None:
    """Count a move that changed one or two routes."""
    put(s.counter, TIME, at(s.counter, TIME) + 1)
    refresh(s, route_u)
    if route_u != route_v:
        refresh(s, route_v)


@kernel
def load_routes(s: Any, tour: Any, offsets: Any) -> None:
    """Take a solution over: route r visits ``tour[offsets[r]:offsets[r + 1]]``; empty routes fill up to R."""
    put(s.counter, TIME, at(s.counter, TIME) + 1)
    for r in range(s.routes):
        start = s.n + r
        put(s.demand, start, 0)
        put(s.demand, start + s.routes, 0)
        put(s.node, start * NODE_RECORD + PREVIOUS, start)
        put(s.node, start * NODE_RECORD + POSITION, 0)
        put(s.node, start * NODE_RECORD + ROUTE, r)
        put(s.load, start, 0)
        put(s.edge, start, at(s.matrix, 0))
        end = start + s.routes
        put(s.node, end * NODE_RECORD + NEXT, end)
        last = start
        for i in range(offsets[r], offsets[r + 1]):
            customer = at(tour, i)
            link(s, last, customer)
            last = customer
        link(s, last, end)
        refresh(s, r)
    find_empty_route(s)


@kernel
def penalise(s: Any) -> None:
    """Apply the struct's penalty to the routes as they stand: before a search with another penalty."""
    put(s.counter, TIME, at(s.counter, TIME) + 1)
    for r in range(s.routes):
        put(s.route, r * ROUTE_RECORD + MODIFIED, at(s.counter, TIME))
        put(s.route_cost, r, excess_cost(s, at(s.route_load, r)))

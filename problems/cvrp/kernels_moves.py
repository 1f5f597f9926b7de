"""The moves between a customer u and a place v near it, each in three short parts: delta, test, apply.

The names are those of Vidal (2022, DOI 10.1016/j.cor.2021.105643, section 4): x follows u, y follows v. A delta is a
change of distance; `gains` adds the change of the routes' penalties; `apply_…` relinks. What is known of u is loaded
once and serves all of its neighbours (`Origin`): every distance of a delta is in the row of u, x or a node beside them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .compilation import inlined, kernel
from .kernels_memory import at
from .kernels_state import (
    Search,
    city,
    distance_row,
    excess_cost,
    following,
    is_customer,
    link,
    moved,
    position,
    preceding,
    put_after,
    route_of,
    take_out,
)


class Origin(NamedTuple):
    """A customer u, and x and the node after x that follow it."""

    node: Any
    before: Any
    x: Any
    after_x: Any
    pair: Any  # whether x is a customer: u and x can move together
    route: Any
    row: Any
    row_before: Any
    row_x: Any
    row_after_x: Any
    edge_before: Any
    edge: Any  # u to x
    edge_x: Any  # x to the node after it
    leave: Any  # change of distance where u leaves
    leave_pair: Any  # the same for u and x


class Target(NamedTuple):
    """A place v, a customer or a route's starting depot, and y and the node after y that follow it."""

    node: Any
    before: Any
    y: Any
    after_y: Any
    route: Any
    city: Any
    city_before: Any
    city_y: Any
    city_after_y: Any
    edge_before: Any
    edge: Any  # v to y
    edge_y: Any  # y to the node after it
    # Load goes from one of the two routes to the other, and only the one that gives it can pay less for it. So no
    # relocation gains more by load than `slack_giving`, no other move more than `slack`; both are 0 within one route.
    slack_giving: Any
    slack: Any


@inlined
def origin(s: Any, u: Any) -> Any:
    before = preceding(s, u)
    x = following(s, u)
    after_x = following(s, x)
    row_before = distance_row(s, before)
    edge_before = at(s.edge, u)
    edge = at(s.edge, x)
    edge_x = at(s.edge, after_x)
    return Origin(
        node=u,
        before=before,
        x=x,
        after_x=after_x,
        pair=is_customer(s, x),
        route=route_of(s, u),
        row=distance_row(s, u),
        row_before=row_before,
        row_x=distance_row(s, x),
        row_after_x=distance_row(s, after_x),
        edge_before=edge_before,
        edge=edge,
        edge_x=edge_x,
        leave=at(row_before, city(s, x)) - edge_before - edge,
        leave_pair=at(row_before, city(s, after_x)) - edge_before - edge_x,
    )


@inlined
def target(s: Any, u: Any, v: Any) -> Any:
    before = preceding(s, v)
    y = following(s, v)
    after_y = following(s, y)
    route = route_of(s, v)
    slack_giving = 0.0 if route == u.route else at(s.route_cost, u.route)
    return Target(
        node=v,
        before=before,
        y=y,
        after_y=after_y,
        route=route,
        city=city(s, v),
        city_before=city(s, before),
        city_y=city(s, y),
        city_after_y=city(s, after_y),
        edge_before=at(s.edge, v),
        edge=at(s.edge, y),
        edge_y=at(s.edge, after_y),
        slack_giving=slack_giving,
        slack=0.0 if route == u.route else max(slack_giving, at(s.route_cost, route)),
    )


@inlined
def gains(s: Any, u: Any, v: Any, delta: Any, slack: Any, load_to_v: Any) -> Any:
    """Whether a move gains that changes the distance by `delta` and takes `load_to_v` from u's route to v's.

    `slack` is a bound of what it gains by that, which spares most moves a look at the loads.
    """
    if delta - slack >= -s.tolerance:
        return False
    if u.route == v.route:
        return True
    load_u = at(s.route_load, u.route) - load_to_v
    load_v = at(s.route_load, v.route) + load_to_v
    paid = at(s.route_cost, u.route) + at(s.route_cost, v.route)
    return delta + excess_cost(s, load_u) + excess_cost(s, load_v) - paid < -s.tolerance


# -- relocate u after v -----------------------------------------------------------------------------------------------


@inlined
def relocate_delta(u: Any, v: Any) -> Any:
    return u.leave + at(u.row, v.city) + at(u.row, v.city_y) - v.edge


@inlined
def relocate_gains(s: Any, u: Any, v: Any) -> Any:
    delta = relocate_delta(u, v)
    return v.y != u.node and v.node != u.node and gains(s, u, v, delta, v.slack_giving, at(s.demand, u.node))


@kernel
def apply_relocate(s: Any, u: Any, v: Any) -> None:
    take_out(s, u.node)
    put_after(s, u.node, v.node)
    moved(s, u.route, v.route)


# -- relocate (u, x) after v ------------------------------------------------------------------------------------------


@inlined
def relocate_pair_delta(u: Any, v: Any) -> Any:
    return u.leave_pair + at(u.row, v.city) + at(u.row_x, v.city_y) - v.edge


@inlined
def relocate_pair_gains(s: Any, u: Any, v: Any) -> Any:
    delta = relocate_pair_delta(u, v)
    allowed = u.pair and v.y != u.node and v.node != u.x
    return allowed and gains(s, u, v, delta, v.slack_giving, at(s.demand, u.node) + at(s.demand, u.x))


@kernel
def apply_relocate_pair(s: Any, u: Any, v: Any) -> None:
    link(s, u.before, u.after_x)
    link(s, v.node, u.node)
    link(s, u.x, v.y)
    moved(s, u.route, v.route)


# -- relocate (u, x) after v as (x, u) --------------------------------------------------------------------------------


@inlined
def relocate_pair_reversed_delta(u: Any, v: Any) -> Any:
    return u.leave_pair + at(u.row_x, v.city) + at(u.row, v.city_y) - v.edge


@inlined
def relocate_pair_reversed_gains(s: Any, u: Any, v: Any) -> Any:
    delta = relocate_pair_reversed_delta(u, v)
    allowed = u.pair and v.y != u.node and v.node != u.x
    return allowed and gains(s, u, v, delta, v.slack_giving, at(s.demand, u.node) + at(s.demand, u.x))


@kernel
def apply_relocate_pair_reversed(s: Any, u: Any, v: Any) -> None:
    link(s, u.before, u.after_x)
    link(s, v.node, u.x)
    link(s, u.x, u.node)
    link(s, u.node, v.y)
    moved(s, u.route, v.route)


# -- swap u and v -----------------------------------------------------------------------------------------------------


@inlined
def swap_delta(u: Any, v: Any) -> Any:
    into_u = at(u.row_before, v.city) + at(u.row_x, v.city) - u.edge_before - u.edge
    return into_u + at(u.row, v.city_before) + at(u.row, v.city_y) - v.edge_before - v.edge


@inlined
def swap_gains(s: Any, u: Any, v: Any) -> Any:
    delta = swap_delta(u, v)
    allowed = u.node != v.before and u.node != v.y
    return allowed and gains(s, u, v, delta, v.slack, at(s.demand, u.node) - at(s.demand, v.node))


@kernel
def apply_swap(s: Any, u: Any, v: Any) -> None:
    link(s, u.before, v.node)
    link(s, v.node, u.x)
    link(s, v.before, u.node)
    link(s, u.node, v.y)
    moved(s, u.route, v.route)


# -- swap (u, x) and v ------------------------------------------------------------------------------------------------


@inlined
def swap_pair_with_one_delta(u: Any, v: Any) -> Any:
    into_u = at(u.row_before, v.city) + at(u.row_after_x, v.city) - u.edge_before - u.edge_x
    return into_u + at(u.row, v.city_before) + at(u.row_x, v.city_y) - v.edge_before - v.edge


@inlined
def swap_pair_with_one_gains(s: Any, u: Any, v: Any) -> Any:
    delta = swap_pair_with_one_delta(u, v)
    allowed = u.pair and u.node != v.before and u.x != v.before and u.node != v.y
    load_to_v = at(s.demand, u.node) + at(s.demand, u.x) - at(s.demand, v.node)
    return allowed and gains(s, u, v, delta, v.slack, load_to_v)


@kernel
def apply_swap_pair_with_one(s: Any, u: Any, v: Any) -> None:
    link(s, u.before, v.node)
    link(s, v.node, u.after_x)
    link(s, v.before, u.node)
    link(s, u.x, v.y)
    moved(s, u.route, v.route)


# -- swap (u, x) and (v, y) -------------------------------------------------------------------------------------------


@inlined
def swap_pairs_delta(u: Any, v: Any) -> Any:
    into_u = at(u.row_before, v.city) + at(u.row_after_x, v.city_y) - u.edge_before - u.edge_x
    return into_u + at(u.row, v.city_before) + at(u.row_x, v.city_after_y) - v.edge_before - v.edge_y


@inlined
def swap_pairs_gains(s: Any, u: Any, v: Any) -> Any:
    delta = swap_pairs_delta(u, v)
    apart = v.y != u.before and v.y != u.node and v.node != u.x and v.node != u.after_x
    allowed = u.pair and is_customer(s, v.y) and apart
    load_u = at(s.demand, u.node) + at(s.demand, u.x)
    load_v = at(s.demand, v.node) + at(s.demand, v.y)
    return allowed and gains(s, u, v, delta, v.slack, load_u - load_v)


@kernel
def apply_swap_pairs(s: Any, u: Any, v: Any) -> None:
    link(s, u.before, v.node)
    link(s, v.y, u.after_x)
    link(s, v.before, u.node)
    link(s, u.x, v.after_y)
    moved(s, u.route, v.route)


# -- 2-opt: (u, x) and (v, y) of one route become (u, v) and (x, y), what is between is reversed ----------------------


@inlined
def two_opt_delta(u: Any, v: Any) -> Any:
    return at(u.row, v.city) + at(u.row_x, v.city_y) - u.edge - v.edge


@inlined
def two_opt_gains(s: Any, u: Any, v: Any) -> Any:
    delta = two_opt_delta(u, v)
    return delta < -s.tolerance and v.node != u.x and position(s, u.node) < position(s, v.node)


@kernel
def apply_two_opt(s: Any, u: Any, v: Any) -> None:
    last = u.node
    node = v.node
    while node != u.node:
        before = preceding(s, node)
        link(s, last, node)
        last = node
        node = before
    link(s, last, v.y)
    moved(s, u.route, v.route)


# -- 2-opt*: two routes exchange their ends; (u, x) and (v, y) become (u, y) and (v, x) -------------------------------


@inlined
def two_opt_star_delta(u: Any, v: Any) -> Any:
    return at(u.row, v.city_y) + at(u.row_x, v.city) - u.edge - v.edge


@inlined
def two_opt_star_gains(s: Any, u: Any, v: Any) -> Any:
    delta = two_opt_star_delta(u, v)
    if delta - v.slack >= -s.tolerance:
        return False
    end_u = at(s.route_load, u.route) - at(s.load, u.node)
    end_v = at(s.route_load, v.route) - at(s.load, v.node)
    return gains(s, u, v, delta, v.slack, end_u - end_v)


@kernel
def apply_two_opt_star(s: Any, u: Any, v: Any) -> None:
    end_u = s.n + s.routes + u.route
    end_v = s.n + s.routes + v.route
    last_u = preceding(s, end_u)
    last_v = preceding(s, end_v)
    if v.y == end_v:
        link(s, u.node, end_u)
    else:
        link(s, u.node, v.y)
        link(s, last_v, end_u)
    if u.x == end_u:
        link(s, v.node, end_v)
    else:
        link(s, v.node, u.x)
        link(s, last_u, end_v)
    moved(s, u.route, v.route)


# -- 2-opt*, reversed: (u, x) and (v, y) of two routes become (u, v) and (x, y) ---------------------------------------


@inlined
def two_opt_star_reversed_gains(s: Any, u: Any, v: Any) -> Any:
    delta = two_opt_delta(u, v)
    if delta - v.slack >= -s.tolerance:
        return False
    end_u = at(s.route_load, u.route) - at(s.load, u.node)
    return gains(s, u, v, delta, v.slack, end_u - at(s.load, v.node))


@kernel
def apply_two_opt_star_reversed(s: Any, u: Any, v: Any) -> None:
    start_v = s.n + v.route
    end_u = s.n + s.routes + u.route
    last_u = preceding(s, end_u)
    last = u.node  # u's route goes on with v's beginning, backwards
    node = v.node
    while node != start_v:
        before = preceding(s, node)
        link(s, last, node)
        last = node
        node = before
    link(s, last, end_u)
    last = start_v  # v's route begins with u's end, backwards
    node = last_u
    while node != u.node:
        before = preceding(s, node)
        link(s, last, node)
        last = node
        node = before
    link(s, last, v.y)
    moved(s, u.route, v.route)


# -- all of them ------------------------------------------------------------------------------------------------------


@inlined
def improve_by_relocation(s: Any, u: Any, v: Any) -> Any:
    """Make the first relocation to v that gains; v may be a depot. Returns whether one was made."""
    if relocate_gains(s, u, v):
        apply_relocate(s, u, v)
        return True
    if relocate_pair_gains(s, u, v):
        apply_relocate_pair(s, u, v)
        return True
    if relocate_pair_reversed_gains(s, u, v):
        apply_relocate_pair_reversed(s, u, v)
        return True
    return False


@inlined
def improve_by_swap(s: Any, u: Any, v: Any) -> Any:
    """Make the first swap with customer v that gains. Returns whether one was made."""
    symmetric = u.node < v.node  # the other half is seen from v
    if symmetric and swap_gains(s, u, v):
        apply_swap(s, u, v)
        return True
    if swap_pair_with_one_gains(s, u, v):
        apply_swap_pair_with_one(s, u, v)
        return True
    if symmetric and swap_pairs_gains(s, u, v):
        apply_swap_pairs(s, u, v)
        return True
    return False


@inlined
def improve_by_reconnection(s: Any, u: Any, v: Any) -> Any:
    """Make the first 2-opt or 2-opt* that gains; v may be a depot of another route. Returns whether one was made."""
    if u.route == v.route:
        if two_opt_gains(s, u, v):
            apply_two_opt(s, u, v)
            return True
        return False
    if two_opt_star_reversed_gains(s, u, v):
        apply_two_opt_star_reversed(s, u, v)
        return True
    if two_opt_star_gains(s, u, v):
        apply_two_opt_star(s, u, v)
        return True
    return False


@inlined
def improve_pair(s: Search, u: Any, v: Any) -> Any:
    """Make the first move between customers u and v that gains, or between u and v's depot where v comes first."""
    t = target(s, u, v)
    if improve_by_relocation(s, u, t) or improve_by_swap(s, u, t) or improve_by_reconnection(s, u, t):
        return True
    if is_customer(s, t.before):
        return False
    t = target(s, u, t.before)
    if improve_by_relocation(s, u, t):
        return True
    return u.route != t.route and improve_by_reconnection(s, u, t)

"""Moves that make two near customers neighbours: exchange of short segments, 2-opt, 2-opt*; each in both directions.

A search that starts from a few touched customers must find from either end what there is to gain by joining u and v.
So a move is named by the edge it makes: (h, a), where the segment H = (h, h1, …) of 1 to 3 customers moves next to a,
on a's side `turn`, in exchange for the segment Z = (z, …) of 0 to 2 customers that was there. H extends from h on h's
side `along`. Sides are fields of a node's record, so that one function serves all mirror images. A move can only gain
if some edge that it makes is shorter than an edge next to it that it removes (the positive gain criterion of Lin and
Kernighan 1973, DOI 10.1287/opre.21.2.498): all others are not looked at.
"""

from __future__ import annotations

from typing import Any

from .compilation import inlined, kernel
from .kernels_memory import at, put
from .kernels_trajectory_state import (
    EMPTY,
    NEXT,
    about_to_change,
    beside,
    between,
    edge_beside,
    excess_cost,
    following,
    is_customer,
    join,
    link,
    position,
    preceding,
    refresh,
    route_of,
    touch,
)

LONGEST = 3  # customers of H

# What is written of the best move found: kinds beside the exchange's, whose number is its sizes and orientation.
NOTHING = -1
HEADS, TAILS, CROSS, CROSS_BACK, OPEN_ROUTE, SPLIT_ROUTE = 100, 101, 102, 103, 104, 105
# Fields of a move's record.
KIND, HEAD, ANCHOR, ALONG, TURN = 0, 1, 2, 3, 4
MOVE_RECORD = 8


@inlined
def note(move: Any, kind: Any, h: Any, a: Any, along: Any, turn: Any) -> None:
    """Write down the best move so far."""
    put(move, KIND, kind)
    put(move, HEAD, h)
    put(move, ANCHOR, a)
    put(move, ALONG, along)
    put(move, TURN, turn)


@inlined
def with_load(s: Any, delta: Any, best: Any, slack: Any, same: Any, route_h: Any, route_a: Any, load: Any) -> Any:
    """The change of the penalised cost where `load` goes from h's route to a's; above `best` it need not be exact."""
    cost = delta - slack
    if same or cost >= best:
        return cost
    cost += excess_cost(s, at(s.route_load, route_h) - load)
    return cost + excess_cost(s, at(s.route_load, route_a) + load)


@inlined
def best_exchange(s: Any, h: Any, a: Any, along: Any, turn: Any, joined: Any, best: Any, move: Any) -> Any:
    """The best exchange that makes the edge (h, a) of length `joined`, if it is below `best`; returns the less."""
    out = beside(s, h, 1 - along)
    z = beside(s, a, turn)
    route_h = route_of(s, h)
    route_a = route_of(s, a)
    same = route_h == route_a
    slack = 0.0 if same else at(s.route_cost, route_h) + at(s.route_cost, route_a)
    edge_out = edge_beside(s, h, out, 1 - along)
    edge_z = edge_beside(s, a, z, turn)
    pos_z = position(s, z)

    # What stands beyond the first and the second customer of Z.
    z2 = z
    z3 = z
    edge_z2 = edge_z
    edge_z3 = edge_z
    sizes_z = 0
    demand_z = at(s.demand, z)
    demand_z2 = demand_z
    if is_customer(s, z):
        z2 = beside(s, z, turn)
        edge_z2 = edge_beside(s, z, z2, turn)
        sizes_z = 1
        if is_customer(s, z2):
            z3 = beside(s, z2, turn)
            edge_z3 = edge_beside(s, z2, z3, turn)
            demand_z2 = demand_z + at(s.demand, z2)
            sizes_z = 2

    last = h
    load_h = at(s.demand, h)
    for size in range(1, LONGEST + 1):
        if size > 1:
            last = beside(s, last, along)
            if not is_customer(s, last) or last in (a, z):
                break
            load_h += at(s.demand, last)
        elif h == z:
            break
        beyond = beside(s, last, along)
        edge_beyond = edge_beside(s, last, beyond, along)
        removed = edge_out + edge_beyond + edge_z
        last_z = between(s, last, z)
        if size > 1 or along == NEXT:  # of one customer both directions are the same
            delta = joined + last_z + between(s, out, beyond) - removed
            cost = with_load(s, delta, best, slack, same, route_h, route_a, load_h)
            if cost < best:
                best = cost
                note(move, size, h, a, along, turn)
        if size == 3 or sizes_z == 0:
            continue
        if size == 1 and along != NEXT:
            continue
        apart = True
        apart2 = True
        if same:
            first_h = min(position(s, h), position(s, last))
            last_h = max(position(s, h), position(s, last))
            apart = pos_z + 1 < first_h or pos_z - 1 > last_h
            pos_z2 = position(s, z2)
            apart2 = apart and (pos_z2 + 1 < first_h or pos_z2 - 1 > last_h)
        if not apart:
            continue
        if joined >= edge_z + edge_out + slack or joined >= (edge_z + edge_out + edge_beyond + edge_z2) * 0.5 + slack:
            continue
        beyond_z = between(s, beyond, z)
        out_z = between(s, out, z)
        # Z of one customer.
        delta = joined + between(s, last, z2) + out_z + beyond_z - removed - edge_z2
        cost = with_load(s, delta, best, slack, same, route_h, route_a, load_h - demand_z)
        if cost < best:
            best = cost
            note(move, size + 4, h, a, along, turn)
        if sizes_z < 2 or not apart2:
            continue
        delta = joined + between(s, last, z3) - removed - edge_z3
        kept = delta + out_z + between(s, beyond, z2)
        turned = delta + beyond_z + between(s, out, z2)
        cost = with_load(s, min(kept, turned), best, slack, same, route_h, route_a, load_h - demand_z2)
        if cost < best:
            best = cost
            note(move, size + (8 if kept <= turned else 12), h, a, along, turn)
    return best


@inlined
def best_reconnection(s: Any, u: Any, v: Any, joined: Any, best: Any, move: Any) -> Any:
    """The best 2-opt or 2-opt* that makes the edge (u, v) of length `joined`, if it is below `best`."""
    route_u = route_of(s, u)
    route_v = route_of(s, v)
    same = route_u == route_v
    slack = 0.0 if same else at(s.route_cost, route_u) + at(s.route_cost, route_v)
    u_next = following(s, u)
    v_next = following(s, v)
    u_before = preceding(s, u)
    v_before = preceding(s, v)
    edge_u = at(s.edge, u_next)
    edge_v = at(s.edge, v_next)
    back_u = at(s.edge, u)
    back_v = at(s.edge, v)
    load_u = at(s.load, u)
    load_v = at(s.load, v)
    if joined < max(edge_u, edge_v) + slack:  # (u, x), (v, y) become (u, v), (x, y)
        delta = joined + between(s, u_next, v_next) - edge_u - edge_v
        # u's route keeps its head, and takes v's.
        moved = at(s.route_load, route_u) - load_u - load_v
        cost = with_load(s, delta, best, slack, same, route_u, route_v, moved)
        if cost < best:
            best = cost
            note(move, HEADS, u, v, 0, 0)
    if joined < max(back_u, back_v) + slack:  # (t, u), (w, v) become (t, w), (u, v)
        delta = joined + between(s, u_before, v_before) - back_u - back_v
        moved = at(s.route_load, route_u) - load_u + at(s.demand, u) - load_v + at(s.demand, v)
        cost = with_load(s, delta, best, slack, same, route_u, route_v, moved)
        if cost < best:
            best = cost
            note(move, TAILS, u_before, v_before, 0, 0)
    if same:
        return best
    if joined < max(edge_u, back_v) + slack:  # (u, x), (w, v) become (u, v), (w, x)
        delta = joined + between(s, v_before, u_next) - edge_u - back_v
        moved = at(s.route_load, route_u) - load_u - at(s.route_load, route_v) + load_v - at(s.demand, v)
        cost = with_load(s, delta, best, slack, same, route_u, route_v, moved)
        if cost < best:
            best = cost
            note(move, CROSS, u, v_before, 0, 0)
    if joined < max(back_u, edge_v) + slack:  # (t, u), (v, y) become (t, y), (v, u)
        delta = joined + between(s, u_before, v_next) - back_u - edge_v
        moved = at(s.route_load, route_u) - load_u + at(s.demand, u) - at(s.route_load, route_v) + load_v
        cost = with_load(s, delta, best, slack, same, route_u, route_v, moved)
        if cost < best:
            best = cost
            note(move, CROSS, u_before, v, 0, 0)
    return best


@kernel
def best_opening(s: Any, u: Any, best: Any, move: Any) -> Any:
    """The best of giving customer u, or all after it, an empty route, if it is below `best`."""
    empty = at(s.counter, EMPTY)
    if empty >= s.routes:
        return best
    r = route_of(s, u)
    before = preceding(s, u)
    after = following(s, u)
    cost = between(s, before, after) - at(s.edge, u) - at(s.edge, after) + 2 * between(s, u, s.n) - at(s.route_cost, r)
    if cost < best:
        cost += excess_cost(s, at(s.route_load, r) - at(s.demand, u)) + excess_cost(s, at(s.demand, u))
        if cost < best:
            best = cost
            note(move, OPEN_ROUTE, u, s.n + empty, 0, 0)
    if is_customer(s, after):
        cost = between(s, u, s.n) + between(s, s.n, after) - at(s.edge, after) - at(s.route_cost, r)
        if cost < best:
            cost += excess_cost(s, at(s.load, u)) + excess_cost(s, at(s.route_load, r) - at(s.load, u))
            if cost < best:
                best = cost
                note(move, CROSS, u, s.n + empty, 0, 0)
    return best


# -- apply ------------------------------------------------------------------------------------------------------------


@kernel
def apply_exchange(s: Any, kind: Any, h: Any, a: Any, along: Any, turn: Any) -> None:
    """Exchange H and Z, see the module."""
    size = kind & 3
    form = kind >> 2  # 0: Z is empty; 1: one customer; 2, 3: two, kept or turned
    route_h = route_of(s, h)
    route_a = route_of(s, a)
    out = beside(s, h, 1 - along)
    h1 = h if size < 2 else beside(s, h, along)
    h2 = h1 if size < 3 else beside(s, h1, along)
    beyond = beside(s, h2, along)
    z = beside(s, a, turn)
    w = z if form < 2 else beside(s, z, turn)
    after = z if form == 0 else beside(s, w, turn)
    # What takes H's place.
    if form == 0:
        join(s, out, beyond, along)
    else:
        first = w if form == 3 else z
        final = z if form == 3 else w
        join(s, out, first, along)
        if form >= 2:
            join(s, first, final, along)
        join(s, final, beyond, along)
    join(s, a, h, turn)
    if size > 1:
        join(s, h, h1, turn)
    if size > 2:
        join(s, h1, h2, turn)
    join(s, h2, after, turn)
    refresh(s, route_h)
    if route_a != route_h:
        refresh(s, route_a)
    touch(s, h)
    touch(s, a)
    touch(s, h2)
    touch(s, after)
    touch(s, out)
    touch(s, beyond)
    if form > 0:
        touch(s, z)
        touch(s, w)


@kernel
def apply_two_opt(s: Any, u: Any, v: Any) -> None:
    """(u, x), (v, y) of one route, u before v, become (u, v), (x, y): what is between is reversed."""
    x = following(s, u)
    y = following(s, v)
    last = u
    node = v
    while node != u:
        before = preceding(s, node)
        link(s, last, node)
        last = node
        node = before
    link(s, last, y)
    refresh(s, route_of(s, u))
    touch(s, u)
    touch(s, x)
    touch(s, v)
    touch(s, y)


@kernel
def apply_two_opt_star(s: Any, u: Any, v: Any) -> None:
    """(u, x), (v, y) of two routes become (u, y), (v, x)."""
    route_u = route_of(s, u)
    route_v = route_of(s, v)
    end_u = s.n + s.routes + route_u
    end_v = s.n + s.routes + route_v
    x = following(s, u)
    y = following(s, v)
    last_u = preceding(s, end_u)
    last_v = preceding(s, end_v)
    if y == end_v:
        link(s, u, end_u)
    else:
        link(s, u, y)
        link(s, last_v, end_u)
    if x == end_u:
        link(s, v, end_v)
    else:
        link(s, v, x)
        link(s, last_u, end_v)
    refresh(s, route_u)
    refresh(s, route_v)
    touch(s, u)
    touch(s, x)
    touch(s, v)
    touch(s, y)


@kernel
def apply_two_opt_star_reversed(s: Any, u: Any, v: Any) -> None:
    """(u, x), (v, y) of two routes become (u, v), (x, y): two heads join, and two tails."""
    route_u = route_of(s, u)
    route_v = route_of(s, v)
    start_v = s.n + route_v
    end_u = s.n + s.routes + route_u
    x = following(s, u)
    y = following(s, v)
    last_u = preceding(s, end_u)
    last = u  # u's route goes on with v's beginning, backwards
    node = v
    while node != start_v:
        before = preceding(s, node)
        link(s, last, node)
        last = node
        node = before
    link(s, last, end_u)
    last = start_v  # v's route begins with u's end, backwards
    node = last_u
    while node != u:
        before = preceding(s, node)
        link(s, last, node)
        last = node
        node = before
    link(s, last, y)
    refresh(s, route_u)
    refresh(s, route_v)
    touch(s, u)
    touch(s, x)
    touch(s, v)
    touch(s, y)


@kernel
def apply_move(s: Any, move: Any) -> None:
    """Make the move that was noted; journals the routes that it changes."""
    kind = at(move, KIND)
    h = at(move, HEAD)
    a = at(move, ANCHOR)
    route_h = route_of(s, h)
    route_a = route_of(s, a)
    about_to_change(s, route_h)
    about_to_change(s, route_a)
    if kind < HEADS:
        apply_exchange(s, kind, h, a, at(move, ALONG), at(move, TURN))
    elif kind == CROSS:
        apply_two_opt_star(s, h, a)
    elif kind == OPEN_ROUTE:
        apply_exchange(s, 1, h, a, NEXT, NEXT)
    elif route_h != route_a:
        apply_two_opt_star_reversed(s, h, a)
    elif position(s, h) < position(s, a):
        apply_two_opt(s, h, a)
    else:
        apply_two_opt(s, a, h)


# -- all of them ------------------------------------------------------------------------------------------------------


@kernel
def improve_customer(s: Any, u: Any, move: Any) -> Any:
    """Make the best move that joins customer u to a near one, if any gains. Returns whether one was made."""
    best = -s.tolerance
    put(move, KIND, NOTHING)
    u_next = following(s, u)
    u_before = preceding(s, u)
    back_u = at(s.edge, u)
    edge_u = at(s.edge, u_next)
    cost_u = at(s.route_cost, route_of(s, u))
    longest_u = max(back_u, edge_u) + cost_u
    first = u * s.near
    for k in range(first, first + s.searched):
        v = at(s.neighbours, k)
        route_v = route_of(s, v)
        if route_v < 0 or v in (u_next, u_before):
            continue
        joined = at(s.neighbour_distance, k)
        v_next = following(s, v)
        back_v = at(s.edge, v)
        edge_v = at(s.edge, v_next)
        cost_v = at(s.route_cost, route_v)
        if joined >= max(longest_u, max(back_v, edge_v) + cost_u) + cost_v:
            continue
        slack = cost_u + cost_v
        best = best_reconnection(s, u, v, joined, best, move)
        for along in range(2):
            # h's edge that is removed in any case lies against `along`.
            edge_hu = back_u if along == NEXT else edge_u
            edge_hv = back_v if along == NEXT else edge_v
            if along == NEXT:  # a segment of one customer loses both
                edge_hu = max(back_u, edge_u)
                edge_hv = max(back_v, edge_v)
            for turn in range(2):
                edge_au = edge_u if turn == NEXT else back_u
                edge_av = edge_v if turn == NEXT else back_v
                if joined < max(edge_hu, edge_av) + slack:
                    best = best_exchange(s, u, v, along, turn, joined, best, move)
                if joined < max(edge_hv, edge_au) + slack:
                    best = best_exchange(s, v, u, along, turn, joined, best, move)
    best = best_opening(s, u, best, move)
    if at(move, KIND) == NOTHING:
        return False
    apply_move(s, move)
    return True

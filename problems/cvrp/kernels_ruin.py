"""Ruin and recreate: take some customers out, put them in again, whatever the capacity says.

Source: Máximo, Cordeau, Nascimento (2022), arXiv 2205.12082, section 3: concentric and sequential removal, insertion by
distance and by cost.
"""

from __future__ import annotations

from typing import Any

from .compilation import inlined, kernel
from .kernels_memory import at, put
from .kernels_random import random_below
from .kernels_trajectory_state import (
    EMPTY,
    ENTRIES,
    ENTRY_RECORD,
    ENTRY_ROUTE,
    NO_ROUTE,
    NODE_RECORD,
    ROUTE,
    about_to_change,
    between,
    following,
    is_customer,
    link,
    preceding,
    refresh,
    route_of,
    touch,
)

CONCENTRIC, SEQUENTIAL, GUIDE = 0, 1, 2
BY_DISTANCE, BY_COST = 0, 1
PLACES = 20  # near customers beside which insertion by cost looks


@kernel
def take_out(s: Any, u: Any, removed: Any, count: Any) -> Any:
    """Take a customer out of its route and list it; returns how many are listed."""
    about_to_change(s, route_of(s, u))
    before = preceding(s, u)
    after = following(s, u)
    link(s, before, after)
    touch(s, before)
    touch(s, after)
    put(s.node, u * NODE_RECORD + ROUTE, NO_ROUTE)
    put(removed, count, u)
    return count + 1


@kernel
def ruin_concentric(s: Any, centre: Any, size: Any, removed: Any) -> Any:
    """Take out a customer and those nearest to it; returns how many."""
    count = take_out(s, centre, removed, 0)
    for k in range(s.near):
        if count >= size:
            break
        v = at(s.neighbours, centre * s.near + k)
        if route_of(s, v) >= 0:
            count = take_out(s, v, removed, count)
    return count


@kernel
def ruin_sequential(s: Any, first: Any, size: Any, removed: Any) -> Any:
    """Take out a customer and those that follow it in its route, the route's beginning after its end."""
    r = route_of(s, first)
    count = 0
    u = first
    while count < size:
        after = following(s, u)
        count = take_out(s, u, removed, count)
        if not is_customer(s, after):
            after = following(s, s.n + r)
            if not is_customer(s, after):
                break
        u = after
    return count


@inlined
def put_in(s: Any, u: Any, place: Any) -> None:
    """Insert a customer after a node."""
    r = route_of(s, place)
    about_to_change(s, r)
    after = following(s, place)
    link(s, place, u)
    link(s, u, after)
    put(s.node, u * NODE_RECORD + ROUTE, r)
    touch(s, u)
    touch(s, place)
    touch(s, after)


@kernel
def recreate(s: Any, u: Any, places: Any) -> None:
    """Insert a customer beside the nearest, at the cheapest of the places beside `places` near ones."""
    best = between(s, u, s.n) * 2 + (1 << 60)
    best_place = -1
    looked = 0
    for k in range(s.near):
        v = at(s.neighbours, u * s.near + k)
        if route_of(s, v) < 0:
            continue
        joined = at(s.neighbour_distance, u * s.near + k)
        after = following(s, v)
        before = preceding(s, v)
        cost = joined + between(s, u, after) - at(s.edge, after)
        if cost < best:
            best, best_place = cost, v
        cost = joined + between(s, u, before) - at(s.edge, v)
        if cost < best:
            best, best_place = cost, before
        looked += 1
        if looked >= places:
            break
    if best_place < 0:  # no near one is left in any route
        empty = at(s.counter, EMPTY)
        best_place = s.n + (empty if empty < s.routes else 0)
    put_in(s, u, best_place)


@kernel
def refresh_changed(s: Any) -> None:
    """Bring all that depends on the links up to date."""
    for entry in range(at(s.counter, ENTRIES)):
        refresh(s, at(s.journal, entry * ENTRY_RECORD + ENTRY_ROUTE))


@kernel
def recreate_all(s: Any, removed: Any, count: Any, places: Any, random: Any) -> None:
    """Insert the listed customers in random order."""
    for i in range(count - 1, -1, -1):
        j = random_below(random, i + 1)
        u = at(removed, j)
        put(removed, j, at(removed, i))
        put(removed, i, u)
        recreate(s, u, places)
    refresh_changed(s)

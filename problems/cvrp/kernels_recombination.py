"""Recombination inside a trajectory: a route of another individual, the guide, is imposed on the solution under search.

It takes the place of the own route that it overlaps most; that route's other customers are inserted anew, and the local
search repairs the rest. Whether the result stays is for the trajectory's acceptance to say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compilation import kernel
from .kernels_memory import put
from .kernels_random import random_below
from .kernels_ruin import take_out
from .kernels_trajectory_state import (
    NODE_RECORD,
    ROUTE,
    city,
    following,
    is_customer,
    link,
    preceding,
    route_of,
    touch,
)

ATTEMPTS = 16  # random customers looked at for one that stands differently in the guide


@kernel
def index_guide(tour: Any, offsets: Any, places: Any, routes: Any) -> None:
    """Fill ``(n,)`` int32 each: where a customer stands in the guide's tour, and in which route."""
    for r in range(len(offsets) - 1):
        for i in range(offsets[r], offsets[r + 1]):
            places[tour[i]] = i
            routes[tour[i]] = r


@kernel
def stands_differently(s: Any, u: Any, tour: Any, offsets: Any, places: Any, routes: Any) -> Any:
    """Whether a customer has other neighbours in the guide than here."""
    i = places[u]
    r = routes[u]
    before = np.int64(tour[i - 1]) if i > offsets[r] else 0
    after = np.int64(tour[i + 1]) if i + 1 < offsets[r + 1] else 0
    own_before = city(s, preceding(s, u))
    own_after = city(s, following(s, u))
    return not ((before == own_before and after == own_after) or (before == own_after and after == own_before))


@kernel
def impose_route(
    s: Any,
    customers: Any,
    count: Any,
    tour: Any,
    offsets: Any,
    places: Any,
    routes: Any,
    tally: Any,
    removed: Any,
    random: Any,
) -> Any:
    """Impose a route of the guide's in which some customer stands differently.

    Returns how many customers were listed in `removed`, to be inserted; -1 where no such customer was found.
    `tally` is ``(R,)`` int32, all zero.
    """
    chosen: Any = -1
    for _ in range(ATTEMPTS):
        u = np.int64(customers[random_below(random, count)])
        if stands_differently(s, u, tour, offsets, places, routes):
            chosen = np.int64(routes[u])
            break
    if chosen < 0:
        return -1
    begin = np.int64(offsets[chosen])
    end = np.int64(offsets[chosen + 1])
    own = -1
    most = 0
    for i in range(begin, end):
        r = route_of(s, np.int64(tour[i]))
        if r >= 0:
            tally[r] += 1
            if tally[r] > most:
                most = tally[r]
                own = r
    for i in range(begin, end):
        r = route_of(s, np.int64(tour[i]))
        if r >= 0:
            tally[r] = 0
    if own < 0:
        return -1
    # All of the guide's route leave where they are, then the own route's others.
    last = s.n + own
    for i in range(begin, end):
        u = np.int64(tour[i])
        if route_of(s, u) >= 0:
            take_out(s, u, removed, 0)
    listed = 0
    u = following(s, last)
    while is_customer(s, u):
        after = following(s, u)
        listed = take_out(s, u, removed, listed)
        u = after
    for i in range(begin, end):
        u = np.int64(tour[i])
        link(s, last, u)
        put(s.node, u * NODE_RECORD + ROUTE, own)
        touch(s, u)
        last = u
    link(s, last, s.n + s.routes + own)
    return listed

"""Local search of a whole solution: every move of every customer, in random order, until none gains.

Source: Vidal (2022), DOI 10.1016/j.cor.2021.105643, section 4.
"""

from __future__ import annotations

from typing import Any

from .compilation import kernel
from .kernels_memory import at, put
from .kernels_moves import improve_by_reconnection, improve_by_relocation, improve_pair, origin, target
from .kernels_state import EMPTY, MODIFIED, NODE_RECORD, TESTED, TIME, route_field, route_of
from .kernels_swap_star import improve_all_by_swap_star


@kernel
def improve_customer(s: Any, u: Any, since: Any, empty_too: Any) -> Any:
    """Try the moves of one customer that involve a route changed after time `since`. Returns whether any gained."""
    improved = False
    o = origin(s, u)
    modified = route_field(s, o.route, MODIFIED)
    first = u * s.near
    for k in range(first, first + s.near):
        v = at(s.neighbours, k)
        if max(modified, route_field(s, route_of(s, v), MODIFIED)) > since and improve_pair(s, o, v):
            improved = True
            o = origin(s, u)
            modified = route_field(s, o.route, MODIFIED)
    empty = at(s.counter, EMPTY)
    if empty_too and empty < s.routes:
        t = target(s, o, s.n + empty)
        if improve_by_relocation(s, o, t) or improve_by_reconnection(s, o, t):
            improved = True
    return improved


@kernel
def local_search(s: Any, order: Any, route_order: Any, adjacent: Any) -> None:
    """Improve the solution until no move of any customer, and no SWAP* of two routes, gains.

    `order` (customers) and `route_order` are in random order; `adjacent` is room for ``(R, R)``.
    """
    passes = 0
    searching = True
    while searching:
        # The first pass leaves empty routes alone: a second is due in any case.
        searching = passes == 0
        for u in order:
            tested = at(s.node, u * NODE_RECORD + TESTED) if passes > 0 else -1
            put(s.node, u * NODE_RECORD + TESTED, at(s.counter, TIME))
            if improve_customer(s, u, tested, passes > 0):
                searching = True
        if improve_all_by_swap_star(s, route_order, adjacent, passes == 0):
            searching = True
        passes += 1

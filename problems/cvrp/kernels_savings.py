"""The start: Clarke and Wright's savings, of near pairs only, so that time and memory are in proportion to n.

Source: Clarke, Wright (1964), "Scheduling of vehicles from a central depot to a number of delivery points", DOI
10.1287/opre.12.4.568.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compilation import entry, kernel
from .kernels_distance import distance, pointers


@kernel
def root(routes: Any, customer: Any) -> Any:
    """The name of a customer's route, by path halving."""
    while routes[customer] != customer:
        routes[customer] = routes[routes[customer]]
        customer = routes[customer]
    return customer


@entry
def near_savings(metric: Any, neighbours: Any, savings: Any) -> None:
    """Fill ``(n, near)`` float64: what it saves to join customer and neighbour; -inf where the pair is seen twice."""
    p = pointers(metric)
    n, near = neighbours.shape
    for k in range(near):
        savings[0, k] = -np.inf
    for u in range(1, n):
        for k in range(near):
            v = np.int64(neighbours[u, k])
            twice = False
            if v < u:
                for j in range(near):
                    if neighbours[v, j] == u:
                        twice = True
                        break
            if twice:
                savings[u, k] = -np.inf
            else:
                savings[u, k] = distance(p, n, 0, u) + distance(p, n, 0, v) - distance(p, n, u, v)


@entry
def join_routes(order: Any, neighbours: Any, savings: Any, demand: Any, capacity: Any, tour: Any, offsets: Any) -> Any:
    """Join routes of one customer each, the greatest savings first, while the capacity allows it.

    Parameters
    ----------
    order
        ``(n near,)`` int64, the flat entries of `savings`, greatest first.
    tour, offsets
        Room for the solution: ``(n - 1,)`` and ``(n,)`` int32.

    Returns
    -------
    How many routes there are; `offsets` holds one number more.
    """
    n, near = neighbours.shape
    link = np.zeros((n, 2), np.int64)  # neighbours in the route, 0 where a customer is at an end
    routes = np.arange(n)
    loads = demand.copy()
    for index in order:
        u = index // near
        k = index % near
        if not savings[u, k] > 0:
            break
        v = np.int64(neighbours[u, k])
        if link[u, 1] != 0 or link[v, 1] != 0:  # not at an end
            continue
        route_u, route_v = root(routes, u), root(routes, v)
        if route_u == route_v or loads[route_u] + loads[route_v] > capacity:
            continue
        routes[route_v] = route_u
        loads[route_u] += loads[route_v]
        link[u, 0 if link[u, 0] == 0 else 1] = v
        link[v, 0 if link[v, 0] == 0 else 1] = u
    count = 0
    place = 0
    visited = np.zeros(n, np.bool_)
    offsets[0] = 0
    for u in range(1, n):
        if visited[u] or link[u, 1] != 0:
            continue
        before, node = 0, u
        while node != 0:
            visited[node] = True
            tour[place] = node
            place += 1
            after = link[node, 0] if link[node, 0] != before else link[node, 1]
            before, node = node, after
        count += 1
        offsets[count] = place
    return count

"""Split: cut a giant tour into routes at least penalised cost, in linear time.

Source: Vidal (2016), "Split algorithm in O(n) for the capacitated vehicle routing problem", DOI
10.1016/j.cor.2015.11.012, with soft capacities (its section 4) and, for a limited fleet, one layer per vehicle.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compilation import entry, inlined, kernel


@kernel
def sum_up_tour(tour: Any, matrix: Any, demand: Any, along: Any, out: Any, back: Any, load: Any) -> None:
    """Fill the arrays (n,) that give any route's cost in constant time: index i is the tour's i-th customer, from 1.

    `along` and `load` are the distance and the demand of the tour up to i, `out` and `back` the depot's distances.
    Integer distances are exact as float64.
    """
    along[0] = out[0] = back[0] = load[0] = 0
    for i in range(1, len(tour) + 1):
        c = tour[i - 1]
        out[i] = matrix[0, c]
        back[i] = matrix[c, 0]
        along[i] = along[i - 1] + (matrix[tour[i - 2], c] if i > 1 else 0)
        load[i] = load[i - 1] + demand[c]


@inlined
def route_cost(i: Any, j: Any, along: Any, out: Any, back: Any, load: Any, capacity: Any, penalty: Any) -> Any:
    """The penalised cost of one route with the customers i + 1 … j of the tour."""
    excess = max(load[j] - load[i] - capacity, 0)
    return out[i + 1] + along[j] - along[i + 1] + back[j] + penalty * excess


@kernel
def split_layer(
    begin: Any, potential: Any, reached: Any, predecessor: Any, queue: Any, sums: Any, capacity: Any, penalty: Any
) -> None:
    """Add one route to shortest paths: ``reached[j] = min over begin <= i < j of potential[i] + cost(i, j)``.

    `potential` is that of paths with one route less, finite from `begin` on; or, for any number of routes, the array
    `reached` itself. The queue holds the starts that may still be best, the best one for the next j in front: of two
    starts the later one carries less, so that once it is better it stays better.
    """
    along, out, back, load = sums
    n = len(along) - 1
    head, tail = 0, 1
    queue[0] = begin
    for j in range(begin + 1, n + 1):
        i = queue[head]
        reached[j] = potential[i] + route_cost(i, j, along, out, back, load, capacity, penalty)
        predecessor[j] = i
        if j == n:
            break
        last = queue[tail - 1]
        start_last = potential[last] + out[last + 1] - along[last + 1]
        start_j = potential[j] + out[j + 1] - along[j + 1]
        # The last start dominates j if it is better even where all it carries more has to be paid for.
        if start_j < start_last + penalty * (load[j] - load[last]):
            while tail > head and start_j <= start_last:
                tail -= 1
                last = queue[tail - 1]
                start_last = potential[last] + out[last + 1] - along[last + 1]
            queue[tail] = j
            tail += 1
        while tail - head > 1:
            a, b = queue[head], queue[head + 1]
            cost_a = potential[a] + route_cost(a, j + 1, along, out, back, load, capacity, penalty)
            cost_b = potential[b] + route_cost(b, j + 1, along, out, back, load, capacity, penalty)
            if cost_a < cost_b:
                break
            head += 1


@kernel
def split(
    tour: Any,
    most_routes: Any,
    matrix: Any,
    demand: Any,
    capacity: Any,
    penalty: Any,
    sums: Any,
    potentials: Any,
    predecessors: Any,
    queue: Any,
    offsets: Any,
) -> Any:
    """Cut the tour into at most `most_routes` routes at least penalised cost, which is returned.

    Parameters
    ----------
    tour
        ``(n - 1,)`` int32, the customers in the order of the giant tour.
    sums, potentials, predecessors, queue
        Room: see `sum_up_tour`; ``(2, n)`` float64; ``(most_routes + 1, n)`` int32; ``(n + 1,)`` int32.
    offsets
        ``(most_routes + 1,)`` int32, filled: route r visits ``tour[offsets[r]:offsets[r + 1]]``; unused routes are
        empty and come last.
    """
    along, out, back, load = sums
    sum_up_tour(tour, matrix, demand, along, out, back, load)
    n = len(tour)
    potential = potentials[0]
    potential[0] = 0.0
    split_layer(0, potential, potential, predecessors[0], queue, sums, capacity, penalty)
    cost = potential[n]
    count = 0
    j = n
    while j > 0:
        j = predecessors[0, j]
        count += 1
    if count > most_routes:
        cost = np.inf
        potentials[0, :] = np.inf
        potentials[0, 0] = 0.0
        for k in range(1, most_routes + 1):
            split_layer(
                k - 1, potentials[(k - 1) % 2], potentials[k % 2], predecessors[k], queue, sums, capacity, penalty
            )
            if potentials[k % 2, n] < cost:
                cost = potentials[k % 2, n]
                count = k
        j = n
        for k in range(count, 0, -1):
            offsets[k] = j
            j = predecessors[k, j]
    else:
        j = n
        for k in range(count, 0, -1):
            offsets[k] = j
            j = predecessors[0, j]
    offsets[0] = 0
    for k in range(count + 1, most_routes + 1):
        offsets[k] = n
    return cost


@entry
def split_tours(
    tours: Any,
    matrix: Any,
    demand: Any,
    capacity: Any,
    penalty: Any,
    offsets: Any,
    distance: Any,
    excess: Any,
) -> None:
    """Split a batch of tours, ``(batch, n - 1)`` int32; fills `offsets`, ``(batch, most_routes + 1)`` int32, and each
    tour's distance (float64) and load above the capacity (int64)."""
    n = matrix.shape[0]
    most_routes = offsets.shape[1] - 1
    sums = (np.empty(n), np.empty(n), np.empty(n), np.empty(n, np.int64))
    potentials = np.empty((2, n))
    # One layer is enough where the limit cannot bind.
    predecessors = np.empty((1 if most_routes >= n - 1 else most_routes + 1, n), np.int32)
    queue = np.empty(n + 1, np.int32)
    along, out, back, load = sums
    for i in range(len(tours)):
        split(
            tours[i], most_routes, matrix, demand, capacity, penalty, sums, potentials, predecessors, queue, offsets[i]
        )
        distance[i] = 0.0
        excess[i] = 0
        for r in range(most_routes):
            a, b = offsets[i, r], offsets[i, r + 1]
            if a < b:
                distance[i] += out[a + 1] + along[b] - along[a + 1] + back[b]
                excess[i] += max(load[b] - load[a] - capacity, 0)

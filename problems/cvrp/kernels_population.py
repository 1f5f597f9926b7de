"""The population of hybrid genetic search: distances between individuals, biased fitness, survivors, and offspring.

Source: Vidal (2022), DOI 10.1016/j.cor.2021.105643, section 3; biased fitness and broken-pairs distance after Vidal et
al. (2012), DOI 10.1287/opre.1120.1048. There are two subpopulations: 0 holds feasible individuals, 1 infeasible ones;
each fills the slots 0 … size - 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .compilation import entry, kernel


class Population(NamedTuple):
    """Flat arrays; S slots in each of two subpopulations, n nodes, R routes."""

    size: npt.NDArray[np.int64]  # (2,)
    tours: npt.NDArray[np.int32]  # (2, S, n - 1)
    offsets: npt.NDArray[np.int32]  # (2, S, R + 1)
    distance: npt.NDArray[np.float64]  # (2, S)
    excess: npt.NDArray[np.int64]  # (2, S)
    # What follows is made from the above.
    after: npt.NDArray[np.int32]  # (2, S, n) the node after each customer, 0 for the depot
    before: npt.NDArray[np.int32]  # (2, S, n)
    broken: npt.NDArray[np.int32]  # (2, S, S) broken pairs between two individuals
    fitness: npt.NDArray[np.float64]  # (2, S) biased fitness, the less the better


def empty_population(slots: int, n: int, routes: int) -> Population:
    """A population of no individuals."""
    return Population(
        size=np.zeros(2, np.int64),
        tours=np.zeros((2, slots, n - 1), np.int32),
        offsets=np.zeros((2, slots, routes + 1), np.int32),
        distance=np.zeros((2, slots)),
        excess=np.zeros((2, slots), np.int64),
        after=np.zeros((2, slots, n), np.int32),
        before=np.zeros((2, slots, n), np.int32),
        broken=np.zeros((2, slots, slots), np.int32),
        fitness=np.zeros((2, slots)),
    )


@kernel
def broken_pairs(after_a: Any, before_a: Any, after_b: Any, before_b: Any) -> Any:
    """Count the neighbours in solution a that are none in b, and the routes' firsts that are at no end of one in b."""
    broken = 0
    for c in range(1, len(after_a)):
        x = after_a[c]
        if x != after_b[c] and x != before_b[c]:
            broken += 1
        if before_a[c] == 0 and before_b[c] != 0 and after_b[c] != 0:
            broken += 1
    return broken


@kernel
def enter(p: Any, sub: Any) -> None:
    """Take in the individual whose tour, offsets, distance and excess were written to the slot after the last."""
    i = p.size[sub]
    after, before = p.after[sub, i], p.before[sub, i]
    tour, offsets = p.tours[sub, i], p.offsets[sub, i]
    for r in range(len(offsets) - 1):
        last = np.int32(0)
        for k in range(offsets[r], offsets[r + 1]):
            c = tour[k]
            before[c] = last
            if last > 0:
                after[last] = c
            last = c
        if last > 0:
            after[last] = 0
    for j in range(i):
        count = broken_pairs(after, before, p.after[sub, j], p.before[sub, j])
        p.broken[sub, i, j] = count
        p.broken[sub, j, i] = count
    p.broken[sub, i, i] = 0
    p.size[sub] = i + 1


@kernel
def leave(p: Any, sub: Any, i: Any) -> None:
    """Remove the individual of slot i; the last one takes its place."""
    last = p.size[sub] - 1
    p.size[sub] = last
    if i == last:
        return
    p.tours[sub, i] = p.tours[sub, last]
    p.offsets[sub, i] = p.offsets[sub, last]
    p.distance[sub, i] = p.distance[sub, last]
    p.excess[sub, i] = p.excess[sub, last]
    p.after[sub, i] = p.after[sub, last]
    p.before[sub, i] = p.before[sub, last]
    for j in range(last):
        p.broken[sub, i, j] = p.broken[sub, last, j]
        p.broken[sub, j, i] = p.broken[sub, j, last]
    p.broken[sub, i, i] = 0


@kernel
def closeness(p: Any, sub: Any, i: Any, near: Any, nearest: Any) -> Any:
    """Mean broken pairs to the `near` closest others (fewer where there are fewer); `nearest` is room for them."""
    found = 0
    for j in range(p.size[sub]):
        if j == i:
            continue
        value = p.broken[sub, i, j]
        if found == near and value >= nearest[near - 1]:
            continue
        k = min(found, near - 1)
        while k > 0 and nearest[k - 1] > value:
            nearest[k] = nearest[k - 1]
            k -= 1
        nearest[k] = value
        found = min(found + 1, near)
    total = 0
    for k in range(found):
        total += nearest[k]
    return total / max(found, 1)


@kernel
def sort_by(values: Any, ranking: Any, count: Any) -> None:
    """Fill ``ranking[:count]`` with the indices in ascending order of their values; equal ones stay in order."""
    for i in range(count):
        k = i
        while k > 0 and values[ranking[k - 1]] > values[i]:
            ranking[k] = ranking[k - 1]
            k -= 1
        ranking[k] = i


@kernel
def rank(p: Any, sub: Any, penalty: Any, elite: Any, near: Any) -> Any:
    """Fill the biased fitness of a subpopulation; returns the slot of the best penalised cost and each one's closeness.

    Fitness is the rank by penalised cost plus the rank by distance to the closest others, the latter weighted so that
    the `elite` best by cost survive (Vidal et al. 2012, equation 4).
    """
    count = p.size[sub]
    nearest = np.empty(near, np.int64)
    cost = np.empty(count)
    alike = np.empty(count)
    ranking = np.empty(count, np.int64)
    for i in range(count):
        cost[i] = p.distance[sub, i] + penalty * p.excess[sub, i]
        alike[i] = -closeness(p, sub, i, near, nearest)
    sort_by(cost, ranking, count)
    best = ranking[0]
    weight = max(1.0 - elite / count, 0.0)
    last = max(count - 1, 1)  # ranks from 0 to 1: the two subpopulations differ in size, and meet in tournaments
    for k in range(count):
        p.fitness[sub, ranking[k]] = k / last
    sort_by(alike, ranking, count)
    for k in range(count):
        p.fitness[sub, ranking[k]] += weight * k / last
    return best, alike


@kernel
def select_survivors(p: Any, sub: Any, penalty: Any, keep: Any, elite: Any, near: Any) -> None:
    """Remove clones first, then the worst by biased fitness, until `keep` are left; the best by cost stays."""
    while p.size[sub] > keep:
        best, _ = rank(p, sub, penalty, elite, near)
        worst = -1
        worst_is_clone = False
        for i in range(p.size[sub]):
            if i == best:
                continue
            is_clone = False
            for j in range(p.size[sub]):
                if j != i and p.broken[sub, i, j] == 0:
                    is_clone = True
                    break
            if (
                worst < 0
                or (is_clone and not worst_is_clone)
                or (is_clone == worst_is_clone and p.fitness[sub, i] > p.fitness[sub, worst])
            ):
                worst, worst_is_clone = i, is_clone
        leave(p, sub, worst)


@entry
def absorb(
    p: Any,
    tours: Any,
    offsets: Any,
    distance: Any,
    excess: Any,
    repaired: Any,
    usable: Any,
    penalty: Any,
    keep: Any,
    elite: Any,
    near: Any,
) -> None:
    """Take a generation of educated individuals in, in order; a subpopulation that is full is cut to `keep`.

    The arrays are those that `educate` fills; rows that are not `usable`, ``(batch,)`` bool, are passed over.
    """
    slots = p.tours.shape[1]
    for i in range(len(tours)):
        if not usable[i]:
            continue
        for version in range(2 if repaired[i] else 1):
            sub = 1 if excess[i, version] > 0 else 0
            slot = p.size[sub]
            p.tours[sub, slot] = tours[i, version]
            p.offsets[sub, slot] = offsets[i, version]
            p.distance[sub, slot] = distance[i, version]
            p.excess[sub, slot] = excess[i, version]
            enter(p, sub)
            if p.size[sub] == slots:
                select_survivors(p, sub, penalty, keep, elite, near)


@entry
def rebuild(p: Any) -> None:
    """Make what is made from the individuals: after they were read from a checkpoint."""
    for sub in range(2):
        count = p.size[sub]
        p.size[sub] = 0
        for _ in range(count):
            enter(p, sub)


@kernel
def order_crossover(a: Any, b: Any, start: Any, end: Any, used: Any, child: Any) -> None:
    """OX on circular tours: positions start … end are a's, then follow b's other customers from behind `end`.

    `used` is room for ``(n,)`` bool.
    """
    length = len(a)
    used[:] = False
    i = start
    while True:
        child[i] = a[i]
        used[a[i]] = True
        if i == end:
            break
        i = (i + 1) % length
    j = end
    i = (end + 1) % length
    while i != start:
        j = (j + 1) % length
        if not used[b[j]]:
            child[i] = b[j]
            i = (i + 1) % length


@kernel
def tournament(p: Any, first: Any, second: Any) -> Any:
    """The fitter of two individuals, numbered through both subpopulations."""
    feasible = p.size[0]
    a = p.fitness[0, first] if first < feasible else p.fitness[1, first - feasible]
    b = p.fitness[0, second] if second < feasible else p.fitness[1, second - feasible]
    return first if a <= b else second


@entry
def breed(p: Any, draws: Any, penalty: Any, elite: Any, near: Any, children: Any) -> None:
    """Fill `children`, ``(batch, n - 1)`` int32: binary tournaments by biased fitness, and order crossover.

    `draws`, ``(batch, 8)`` float64 in [0, 1), decide: four entrants, two more for a second mate that is the first one
    again, and two cuts. There must be two individuals at least.
    """
    for sub in range(2):
        if p.size[sub] > 0:
            rank(p, sub, penalty, elite, near)
    total = p.size[0] + p.size[1]
    length = children.shape[1]
    used = np.empty(length + 1, np.bool_)
    for i in range(len(children)):
        d = draws[i]
        a = tournament(p, int(d[0] * total), int(d[1] * total))
        b = tournament(p, int(d[2] * total), int(d[3] * total))
        if a == b:
            b = tournament(p, int(d[4] * total), int(d[5] * total))
        tour_a = p.tours[0, a] if a < p.size[0] else p.tours[1, a - p.size[0]]
        tour_b = p.tours[0, b] if b < p.size[0] else p.tours[1, b - p.size[0]]
        start = int(d[6] * length)
        end = (start + 1 + int(d[7] * (length - 1))) % length  # never start itself
        order_crossover(tour_a, tour_b, start, end, used, children[i])

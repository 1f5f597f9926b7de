"""Kernels of NSGA-II: exact copies, and who is crowded out."""

from __future__ import annotations

import numpy as np

from .compilation import entry, kernel


@entry
def mark_copies(objective: np.ndarray, genome: np.ndarray, rank: np.ndarray) -> None:
    """Give exact copies of earlier rows a rank behind all others.

    Parameters
    ----------
    objective
        (n, k) float64.
    genome
        (n, bytes) uint8: the genomes' memory.
    rank
        (n,) int64, changed in place.
    """
    rows, objectives = objective.shape
    last = rank.max() + 1
    key = np.zeros(rows)
    for i in range(rows):
        for j in range(objectives):
            key[i] = 1.6180339887498949 * key[i] + objective[i, j]
    # Equal objectives have equal keys; what lies between two equal keys is compared pair by pair.
    order = np.argsort(key, kind="mergesort")
    start = 0
    for end in range(1, rows + 1):
        if end < rows and key[order[end]] == key[order[start]]:
            continue
        for a in range(start + 1, end):
            for b in range(start, a):
                one, two = order[a], order[b]
                if rank[two] != last and _equal(objective, one, objective, two) and _equal(genome, one, genome, two):
                    rank[one] = last
                    break
        start = end


@entry
def unchanged(children: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """The rows of (n, bytes) uint8 in which `parents`, which has n or more, is the same, (m,) int64."""
    found, count = np.empty(len(children), np.int64), 0
    for row in range(len(children)):
        if _equal(children, row, parents, row):
            found[count] = row
            count += 1
    rows: np.ndarray = found[:count]
    return rows


@entry
def take_first_change(pool: np.ndarray, count: int, copies: np.ndarray, parents: np.ndarray) -> None:
    """Put in place of each copy of a parent the first of its other tries that is none.

    Parameters
    ----------
    pool
        (n + tries m, bytes) uint8: n children, then all copies' first other tries, their second, and so on. Changed in
        place.
    count
        n.
    copies
        (m,) int64, rows of children and of `parents`.
    """
    m = len(copies)
    for i in range(m):
        row = copies[i]
        other = count + i
        while other < len(pool) and _equal(pool, row, parents, row):
            pool[row] = pool[other]
            other += m


@kernel
def _equal(one: np.ndarray, i: int, two: np.ndarray, j: int) -> bool:
    for k in range(one.shape[1]):  # noqa: SIM110 - all() of a generator is not compiled
        if one[i, k] != two[j, k]:
            return False
    return True


@entry
def least_crowded(
    objective: np.ndarray, rank: np.ndarray, updated: bool, distance: np.ndarray, order: np.ndarray
) -> None:
    """The best rows: front after front, each from the least to the most crowded.

    Parameters
    ----------
    objective
        (n, k) float64.
    rank
        (n,) int64, >= 0.
    updated
        Whether distances are measured anew after each row of the last front that is left out.
    distance
        (n,) float64, gets the crowding distance of the rows on fronts that were looked at.
    order
        (m,) int64, m <= n, gets the rows; of equals the earlier is first.
    """
    by_rank = np.argsort(rank, kind="mergesort")
    start = 0
    while start < len(order):
        end = start
        while end < len(rank) and rank[by_rank[end]] == rank[by_rank[start]]:
            end += 1
        front = by_rank[start:end]
        _crowding(objective, front, distance)
        if updated and end > len(order):
            front = _thinned(objective, front, len(order) - start, distance)
        crowded = np.argsort(-distance[front], kind="mergesort")
        for i in range(min(len(front), len(order) - start)):
            order[start + i] = front[crowded[i]]
        start = end


@kernel
def _crowding(objective: np.ndarray, front: np.ndarray, distance: np.ndarray) -> None:
    """How far each row's neighbours on the front are apart, as shares of its width; inf at its ends."""
    for i in front:
        distance[i] = 0.0
    for j in range(objective.shape[1]):
        order = front[np.argsort(objective[front, j], kind="mergesort")]
        first, last = order[0], order[-1]
        width = objective[last, j] - objective[first, j]
        if width > 0.0 and width < np.inf:
            for i in range(1, len(order) - 1):
                distance[order[i]] += (objective[order[i + 1], j] - objective[order[i - 1], j]) / width
        distance[first] = distance[last] = np.inf


@kernel
def _thinned(objective: np.ndarray, front: np.ndarray, keep: int, distance: np.ndarray) -> np.ndarray:
    """The rows of a front that are left when the most crowded one is taken away again and again, in their order."""
    rows, objectives = len(front), objective.shape[1]
    before = np.full((objectives, rows), -1)  # each row's neighbours by each objective
    behind = np.full((objectives, rows), -1)
    value = np.empty((objectives, rows))  # in shares of the front's width
    for j in range(objectives):
        order = np.argsort(objective[front, j], kind="mergesort")
        width = objective[front[order[-1]], j] - objective[front[order[0]], j]
        scale = 1.0 / width if 0.0 < width < np.inf else 0.0
        for i in range(rows):
            value[j, i] = objective[front[i], j] * scale if scale > 0.0 else 0.0
        for i in range(1, rows):
            before[j, order[i]] = order[i - 1]
            behind[j, order[i - 1]] = order[i]
    room = distance[front]  # nan once a row is taken away: it compares as false
    for _ in range(rows - keep):
        worst, least = -1, np.inf
        for i in range(rows):  # of equals the last
            if room[i] <= least:
                worst, least = i, room[i]
        room[worst] = np.nan
        for j in range(objectives):
            left, right = before[j, worst], behind[j, worst]
            if left >= 0:
                behind[j, left] = right
            if right >= 0:
                before[j, right] = left
        for j in range(objectives):
            for i in (before[j, worst], behind[j, worst]):
                if i >= 0:
                    room[i] = _room(value, before, behind, i)
    distance[front] = room
    remaining: np.ndarray = front[~np.isnan(room)]
    return remaining


@kernel
def _room(value: np.ndarray, before: np.ndarray, behind: np.ndarray, i: int) -> float:
    """The crowding distance of one row by its neighbours now; inf at an end."""
    total = 0.0
    for j in range(len(value)):
        if before[j, i] < 0 or behind[j, i] < 0:
            return np.inf
        total += value[j, behind[j, i]] - value[j, before[j, i]]
    return total

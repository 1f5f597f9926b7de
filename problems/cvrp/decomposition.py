"""Parts of a solution that are searched apart from each other: whole routes that lie together.

A move of a trajectory's search changes a few near routes, so a solution of many routes can be searched in several
places at once. The cuts between the parts lie elsewhere in every generation. Source: Santini, Schneider, Vidal, Vigo
(2023), "Decomposition strategies for vehicle routing heuristics", DOI 10.1287/ijoc.2023.1288: routes by barycentres.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def barycentres(
    coordinates: npt.NDArray[np.float64], tour: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """``(routes, 2)``: the mean of each route's customers; route r visits ``tour[offsets[r]:offsets[r + 1]]``."""
    return np.add.reduceat(coordinates[tour], offsets[:-1]) / np.diff(offsets)[:, None]


def bisected(
    centres: npt.NDArray[np.float64], sizes: npt.NDArray[np.int64], parts: int, random: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Routes in groups of about equal numbers of customers, by cuts at right angles to random directions.

    Parameters
    ----------
    centres, sizes
        ``(routes, 2)`` and ``(routes,)``: where each route is, and how many customers it has.
    parts
        How many groups, >= 1; there are fewer where there are fewer routes.

    Returns
    -------
    The routes of each group, sorted; every route is in one.
    """
    groups: list[npt.NDArray[np.int64]] = []
    _bisect(centres, sizes, np.arange(len(centres)), min(parts, len(centres)), random, groups)
    return groups


def _bisect(
    centres: npt.NDArray[np.float64],
    sizes: npt.NDArray[np.int64],
    routes: npt.NDArray[np.int64],
    parts: int,
    random: np.random.Generator,
    groups: list[npt.NDArray[np.int64]],
) -> None:
    if parts <= 1:
        groups.append(np.sort(routes))
        return
    left = parts // 2
    angle = random.random() * np.pi
    along = centres[routes] @ np.array([np.cos(angle), np.sin(angle)])
    order = routes[np.argsort(along, kind="stable")]
    before = np.cumsum(sizes[order])
    cut = int(np.searchsorted(before, before[-1] * left / parts)) + 1
    # Enough routes on either side for its parts.
    cut = min(max(cut, left), len(order) - (parts - left))
    _bisect(centres, sizes, order[:cut], left, random, groups)
    _bisect(centres, sizes, order[cut:], parts - left, random, groups)


def limits(routes: int, used: npt.NDArray[np.int64], turn: int) -> npt.NDArray[np.int64]:
    """How many routes each part may have: its own, and a share of the free ones; the rest goes to parts by turns."""
    parts = len(used)
    free = routes - int(used.sum())
    share = np.full(parts, free // parts)
    share[(turn + np.arange(free % parts)) % parts] += 1
    return np.asarray(used + share, np.int64)

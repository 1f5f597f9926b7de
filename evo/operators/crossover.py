"""Crossover: two children of each pair of parents, ``(pairs, size)`` each."""

from __future__ import annotations

import numpy as np


def simulated_binary(
    first: np.ndarray,
    second: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    rng: np.random.Generator,
    *,
    eta: float = 15.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulated binary crossover, each gene with probability 1/2; children are clipped to the bounds.

    Source: Deb and Agrawal (1995), Complex Systems 9(2), 115-148, equation 9.
    """
    u = rng.random(first.shape)
    active = rng.random(first.shape) < 0.5
    # beta <= 1 contracts for u < 1/2, expands above; beta = 1 leaves a gene as it is.
    base = np.where(u < 0.5, 2.0 * u, 0.5 / (1.0 - u))
    beta = np.where(active, base ** (1.0 / (eta + 1.0)), 1.0)
    middle, half = 0.5 * (first + second), 0.5 * beta * (second - first)
    return np.clip(middle - half, lower, upper), np.clip(middle + half, lower, upper)


def simulated_binary_bounded(
    first: np.ndarray,
    second: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    rng: np.random.Generator,
    *,
    eta: float = 15.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulated binary crossover whose spread ends at the bounds; each gene with probability 1/2.

    Of the two values made for a gene either child gets the one or the other at random: so the parents' genes mix, too.

    Source: Deb and Jain (2011), "Self-adaptive simulated binary crossover", KanGAL 2011016, section 2; the exchange as
    in NSGA-II's code (Deb et al. 2002, DOI 10.1109/4235.996017).
    """
    dice = rng.random(first.shape)
    at = np.flatnonzero((dice < 0.5) & (first != second))
    dice = dice.ravel()[at]  # a quarter of the unit interval says which child gets which, the place in it how far apart
    genes = at % first.shape[1]
    a, b = first.ravel()[at], second.ravel()[at]
    low, high = np.minimum(a, b), np.maximum(a, b)
    lowest, highest = lower[genes], upper[genes]
    width = np.maximum(high - low, 1e-14)
    middle, half = 0.5 * (low + high), 0.5 * width
    # The spread factor beta of either child, by the room that it has between its parent and the bound.
    room = np.stack((low - lowest, highest - high))
    share = 4.0 * (dice % 0.25) * (2.0 - (1.0 + 2.0 * room / width) ** -(eta + 1.0))
    beta = np.where(share <= 1.0, share, 1.0 / (2.0 - share)) ** (1.0 / (eta + 1.0))
    below = np.maximum(middle - beta[0] * half, lowest)
    above = np.minimum(middle + beta[1] * half, highest)
    exchange = dice < 0.25
    one, two = first.copy(), second.copy()
    one.ravel()[at] = np.where(exchange, above, below)
    two.ravel()[at] = np.where(exchange, below, above)
    return one, two


def uniform(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Uniform crossover: each gene of a child comes from either parent with equal chance.

    Source: Syswerda (1989), "Uniform crossover in genetic algorithms", ICGA 3, 2-9.
    """
    swap = rng.random(first.shape) < 0.5
    return np.where(swap, second, first), np.where(swap, first, second)


def order(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Order crossover (OX) of permutations: a segment of one parent, the rest in the other's cyclic order.

    Source: Davis (1985), "Applying adaptive algorithms to epistatic domains", IJCAI 9, 162-164.
    """
    pairs, size = first.shape
    cuts = np.sort(rng.integers(0, size, size=(pairs, 2)), axis=1)
    start, end = cuts[:, :1], cuts[:, 1:]
    return _order_child(first, second, start, end), _order_child(second, first, start, end)


def _order_child(keep: np.ndarray, fill: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    size = keep.shape[1]
    places = (np.arange(size) + end + 1) % size  # every position, beginning behind the segment
    position = np.empty_like(keep)
    np.put_along_axis(position, keep, np.broadcast_to(np.arange(size), keep.shape), axis=1)
    donors = np.take_along_axis(fill, places, axis=1)
    at = np.take_along_axis(position, donors, axis=1)
    in_segment = (at >= start) & (at <= end)
    # A stable sort moves the genes that the segment holds already to the end, where the segment's places are.
    genes = np.take_along_axis(donors, np.argsort(in_segment, axis=1, kind="stable"), axis=1)
    outside = np.arange(size) < size - (end - start + 1)
    genes = np.where(outside, genes, np.take_along_axis(keep, places, axis=1))
    child = np.empty_like(keep)
    np.put_along_axis(child, places, genes, axis=1)
    return child


def n_point(
    first: np.ndarray, second: np.ndarray, rng: np.random.Generator, *, points: int
) -> tuple[np.ndarray, np.ndarray]:
    """One-, two-, … point crossover: the parents' genes in turn, changing at `points` distinct random places.

    Source: De Jong and Spears (1992), DOI 10.1007/BF01530777. With fewer places than `points`, at all of them.
    """
    pairs, size = first.shape
    inner = max(size - 1, 0)
    points = min(points, inner)
    cuts = np.argsort(rng.random((pairs, inner)), axis=1)[:, :points] + 1
    marks = np.zeros((pairs, size + 1), dtype=np.int64)
    np.put_along_axis(marks, cuts, 1, axis=1)
    swap = np.cumsum(marks[:, :size], axis=1) % 2 == 1
    return np.where(swap, second, first), np.where(swap, first, second)


def blend(
    first: np.ndarray,
    second: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    rng: np.random.Generator,
    *,
    alpha: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """BLX-alpha: each gene uniform in the parents' interval widened by alpha of itself on both sides, then clipped.

    Source: Eshelman and Schaffer (1993), DOI 10.1016/B978-0-08-094832-4.50018-0.
    """
    low, width = np.minimum(first, second), np.abs(second - first)
    u = rng.random((2, *first.shape)) * (1.0 + 2.0 * alpha) - alpha
    one, two = np.clip(low + u * width, lower, upper)
    return one, two


def arithmetic(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Whole arithmetic crossover: both children on the line between the parents, at a random place and its mirror.

    Source: Michalewicz (1996), DOI 10.1007/978-3-662-03315-9, section 6.4.
    """
    share = rng.random((len(first), 1))
    return first + share * (second - first), second + share * (first - second)

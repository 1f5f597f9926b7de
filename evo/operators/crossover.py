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

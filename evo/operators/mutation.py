"""Mutation: changed copies of a batch of genomes, ``(count, size)``."""

from __future__ import annotations

import numpy as np


def polynomial(
    genomes: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    rng: np.random.Generator,
    *,
    probability: float,
    eta: float = 20.0,
) -> np.ndarray:
    """Polynomial mutation within bounds, each gene with `probability`.

    Source: Deb and Goyal (1996), Computer Science and Informatics 26(4), 30-45; bounds as in NSGA-II's code.
    """
    child = genomes.copy()
    at = np.flatnonzero(rng.random(genomes.shape) < probability)
    genes = at % genomes.shape[1]
    u = rng.random(len(at))
    low, high, x = lower[genes], upper[genes], genomes.ravel()[at]
    width = high - low
    safe = np.where(width > 0.0, width, 1.0)
    left = u < 0.5
    nearness = 1.0 - np.where(left, x - low, high - x) / safe
    share = np.where(left, 2.0 * u, 2.0 * (1.0 - u))
    step = 1.0 - (share + (1.0 - share) * nearness ** (eta + 1.0)) ** (1.0 / (eta + 1.0))
    child.ravel()[at] = np.minimum(np.maximum(x + np.where(left, -step, step) * width, low), high)
    return child


def integer_step(
    genomes: np.ndarray, lower: np.ndarray, upper: np.ndarray, rng: np.random.Generator, *, probability: float
) -> np.ndarray:
    """Each gene with `probability`: half the time any value within the bounds, half the time one up or down."""
    child = genomes.copy()
    rows, genes = np.nonzero(rng.random(genomes.shape) < probability)
    low, high = lower[genes], upper[genes]
    anywhere = rng.integers(low, high, endpoint=True)
    creep = np.clip(genomes[rows, genes] + rng.choice(np.array([-1, 1]), size=len(rows)), low, high)
    child[rows, genes] = np.where(rng.random(len(rows)) < 0.5, anywhere, creep)
    return child


def bit_flip(genomes: np.ndarray, rng: np.random.Generator, *, probability: float) -> np.ndarray:
    """Flip each bit with `probability`."""
    return genomes ^ (rng.random(genomes.shape) < probability)


def reset(genomes: np.ndarray, choices: int, rng: np.random.Generator, *, probability: float) -> np.ndarray:
    """Each gene, one of 0 … `choices` - 1, with `probability` another one of them."""
    child = genomes.copy()
    rows, genes = np.nonzero(rng.random(genomes.shape) < probability)
    if choices > 1:
        child[rows, genes] = (genomes[rows, genes] + rng.integers(1, choices, size=len(rows))) % choices
    return child


def inversion(genomes: np.ndarray, rng: np.random.Generator, *, probability: float) -> np.ndarray:
    """Reverse a random segment of each permutation with `probability` (Holland 1975; 2-opt's move on a tour)."""
    count, size = genomes.shape
    cuts = np.sort(rng.integers(0, size, size=(count, 2)), axis=1)
    start, end = cuts[:, :1], cuts[:, 1:]
    at = np.arange(size)
    chosen = rng.random((count, 1)) < probability
    source = np.where(chosen & (at >= start) & (at <= end), start + end - at, at)
    return np.take_along_axis(genomes, source, axis=1)


def gaussian(
    genomes: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    rng: np.random.Generator,
    *,
    probability: float,
    deviation: float = 0.1,
) -> np.ndarray:
    """Add normal noise to each gene with `probability`, `deviation` as a share of its bounds' width; then clip."""
    chosen = rng.random(genomes.shape) < probability
    step = rng.standard_normal(genomes.shape) * (deviation * (upper - lower))
    return np.clip(np.where(chosen, genomes + step, genomes), lower, upper)


def swap(genomes: np.ndarray, rng: np.random.Generator, *, probability: float) -> np.ndarray:
    """Exchange two random genes of each permutation with `probability`."""
    child = genomes.copy()
    rows = np.flatnonzero(rng.random(len(genomes)) < probability)
    one, two = _two_places(len(rows), genomes.shape[1], rng)
    child[rows, one], child[rows, two] = genomes[rows, two], genomes[rows, one]
    return child


def insertion(genomes: np.ndarray, rng: np.random.Generator, *, probability: float) -> np.ndarray:
    """Move a random gene of each permutation to another place with `probability`; those between close up."""
    count, size = genomes.shape
    chosen = rng.random((count, 1)) < probability
    source, target = (place[:, None] for place in _two_places(count, size, rng))
    at = np.arange(size)
    forward = (at >= source) & (at < target)
    backward = (at <= source) & (at > target)
    shifted = np.where(at == target, source, at + forward - backward)
    return np.take_along_axis(genomes, np.where(chosen, shifted, at), axis=1)


def scramble(genomes: np.ndarray, rng: np.random.Generator, *, probability: float) -> np.ndarray:
    """Shuffle a random segment of each permutation with `probability`."""
    count, size = genomes.shape
    chosen = rng.random((count, 1)) < probability
    cuts = np.sort(rng.integers(0, size, size=(count, 2)), axis=1)
    at = np.arange(size)
    inside = chosen & (at >= cuts[:, :1]) & (at <= cuts[:, 1:])
    # Sorted by these keys the segment's genes change places among themselves; all others stay where they are.
    keys = np.where(inside, cuts[:, :1] + rng.random((count, size)) * (cuts[:, 1:] - cuts[:, :1] + 1), at)
    return np.take_along_axis(genomes, np.argsort(keys, axis=1, kind="stable"), axis=1)


def _two_places(count: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two different places for each of `count` genomes (equal where there is but one)."""
    one = rng.integers(0, size, size=count)
    return one, (one + rng.integers(1, max(size, 2), size=count)) % size

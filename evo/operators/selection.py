"""Selection: which rows of a population become parents."""

from __future__ import annotations

import numpy as np


def tournament(ranked: int, count: int, rng: np.random.Generator, *, size: int = 2) -> np.ndarray:
    """Winners of `count` tournaments, ``(count,)`` rows, in a population sorted from best to worst.

    In a sorted population the best of a tournament is its smallest row.

    Source: Goldberg and Deb (1991), DOI 10.1016/B978-0-08-050684-5.50008-2.
    """
    return np.asarray(rng.integers(0, ranked, size=(size, count)).min(axis=0))

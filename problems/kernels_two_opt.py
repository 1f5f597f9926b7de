"""2-opt: a tour is shortened by reversing a part of it, until no reversal shortens it any more."""

from __future__ import annotations

import numpy as np

from evo.compilation import entry


@entry
def two_opt(tours: np.ndarray, distances: np.ndarray) -> None:
    """Make each tour 2-optimal, in place.

    The first reversal that shortens is made. A city is looked at again only when an edge of its own has changed (don't-
    look bits, Bentley 1992, DOI 10.1287/ijoc.4.4.387); the shorter side of the ring is what is reversed.

    Parameters
    ----------
    tours
        (m, n) int64 permutations.
    distances
        (n, n) float64, symmetric.
    """
    n = tours.shape[1]
    place = np.empty(n, dtype=np.int64)
    awake = np.empty(n, dtype=np.bool_)
    for row in range(tours.shape[0]):
        tour = tours[row]
        for i in range(n):
            place[tour[i]] = i
        awake[:] = True
        found = True
        while found:
            found = False
            for city in range(n):
                while awake[city]:
                    awake[city] = False
                    i = place[city]
                    for j in range(n):
                        # With edges (i, i+1) and (j, j+1), then with (i-1, i) and (j-1, j).
                        for shift in range(2):
                            a, b = (i - shift) % n, (j - shift) % n
                            after_a, after_b = (a + 1) % n, (b + 1) % n
                            if a == b or after_a == b or after_b == a:
                                continue
                            removed = distances[tour[a], tour[after_a]] + distances[tour[b], tour[after_b]]
                            added = distances[tour[a], tour[b]] + distances[tour[after_a], tour[after_b]]
                            if added - removed >= -1e-9:
                                continue
                            for end in (a, after_a, b, after_b):
                                awake[tour[end]] = True
                            low, length = after_a, (b - after_a) % n + 1
                            high = b
                            if 2 * length > n:
                                low, high, length = after_b, a, n - length
                            for _ in range(length // 2):
                                tour[low], tour[high] = tour[high], tour[low]
                                place[tour[low]], place[tour[high]] = low, high
                                low, high = (low + 1) % n, (high - 1) % n
                            found = True
                            break
                        if awake[city]:
                            break

"""A memetic algorithm for permutations, 2-opt as `improve`: python examples/tsp_two_opt.py

A round trip through 60 cities. Every tour that the genetic algorithm makes is improved by 2-opt before it is evaluated,
and the better tour takes its place. (`evo run` has this problem built in: `problem: {type: tsp, two_opt: true}`.)
"""

import numba
import numpy as np

import evo

CITIES = 60


@numba.njit
def two_opt(tour: np.ndarray, distances: np.ndarray) -> None:
    """Reverse parts of a tour as long as that shortens it."""
    n, found = len(tour), True
    while found:
        found = False
        for i in range(n - 1):
            for j in range(i + 2, n):
                a, b, c, d = tour[i], tour[i + 1], tour[j], tour[(j + 1) % n]
                if distances[a, c] + distances[b, d] < distances[a, b] + distances[c, d] - 1e-9:
                    tour[i + 1 : j + 1] = tour[i + 1 : j + 1][::-1].copy()
                    found = True


class RoundTrip(evo.Problem):
    """The length of a closed tour."""

    space = evo.Permutation(CITIES)

    def __init__(self, seed: int = 1) -> None:
        self.places = np.random.default_rng(seed).random((CITIES, 2))
        x, y = self.places.T
        self.distances = np.hypot(x[:, None] - x, y[:, None] - y)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """``(batch, cities) -> (batch,)``."""
        return self.distances[x, np.roll(x, -1, axis=1)].sum(axis=1)

    def improve(self, x: np.ndarray) -> np.ndarray:
        """Better tours of the same shape."""
        for tour in x:
            two_opt(tour, self.distances)
        return x


def main() -> None:
    """With 2-opt, and at as many evaluations without."""
    optimizer = {"type": "ga", "population": 40, "crossover_operator": "erx"}
    stop = evo.Stop(generations=60)
    memetic = evo.minimize(RoundTrip(), optimizer=optimizer, stop=stop, seed=1)

    class Plain(RoundTrip):
        improve = None

    plain = evo.minimize(Plain(), optimizer=optimizer, stop=stop, seed=1)
    print(f"with 2-opt     {memetic.objective:.4f} in {memetic.seconds:.2f} s")
    print(f"without        {plain.objective:.4f} in {plain.seconds:.2f} s")
    print("tour", *memetic.x)


if __name__ == "__main__":
    main()

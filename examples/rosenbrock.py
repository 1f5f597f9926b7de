"""A problem of one's own in Python: python examples/rosenbrock.py

Rosenbrock's valley in 20 dimensions (DOI 10.1093/comjnl/3.3.175); the optimum is 0, at (1, …, 1).
"""

import numpy as np

import evo


class Rosenbrock(evo.Problem):
    """A curved valley: easy to find, hard to follow."""

    space = evo.Real(-5, 10, shape=20)
    best_known = 0.0

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """``(batch, 20) -> (batch,)``."""
        return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(axis=1)


def main() -> None:
    """Run, and show the best point."""
    result = evo.minimize(Rosenbrock(), stop=evo.Stop(generations=1000), seed=1)
    print(f"objective {result.objective:.4g} after {result.evaluations:,} evaluations, {result.seconds:.2f} s")
    print(f"x = {np.round(result.x, 2)}")
    print(f"digest {result.digest}")


if __name__ == "__main__":
    main()

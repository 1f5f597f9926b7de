"""Constraints, g(x) <= 0 and h(x) = 0: python examples/constrained.py

A tin can of half a litre from as little sheet as possible, that fits on a shelf 7 cm high. Without the shelf
the best can is as high as it is wide, 8.6 cm; with it the optimum is known, too.
"""

import numpy as np

import evo

VOLUME = 500.0
"""Cubic centimetres."""


class Can(evo.Problem):
    """Radius and height in centimetres."""

    space = evo.Real([1.0, 1.0], [10.0, 30.0])
    equality_tolerance = 1e-4  # that of the volume, as a share of it

    def __init__(self, shelf: float = 7.0) -> None:
        self.shelf = shelf

    def evaluate(self, x: np.ndarray) -> evo.Evaluation:
        """Square centimetres of sheet, ``(batch,)``; two constraints, ``(batch,)`` each."""
        radius, height = x.T
        sheet = 2.0 * np.pi * radius * (radius + height)
        fits = height / self.shelf - 1.0  # g <= 0: no higher than the shelf
        full = np.pi * radius**2 * height / VOLUME - 1.0  # h = 0, within the tolerance
        return evo.Evaluation(sheet, violations=fits, equalities=full)


def main() -> None:
    """Minimise, and compare with what is known."""
    result = evo.minimize(Can(), optimizer="de", stop=evo.Stop(f_tolerance=1e-6, generations=2000), seed=1)
    radius, height = result.x
    print(f"radius {radius:.4f} cm, height {height:.4f} cm, feasible: {result.feasible}, by {result.stop_reason}")
    print(f"sheet   {result.objective:.4f} cm2")
    best = np.sqrt(VOLUME / (np.pi * 7.0))
    print(f"optimum {2.0 * np.pi * best * (best + 7.0):.4f} cm2")


if __name__ == "__main__":
    main()

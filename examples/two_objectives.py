"""Two objectives with constraints, and a plot of the front: python examples/two_objectives.py [--plot front.png]

A welded beam that carries 6000 lb at its end: as cheap as possible, and bending as little as possible. Every point of
the front is a best compromise. The plot needs matplotlib: pip install "evo-engine[plot]".

Source: Deb, Pratap, Moitra (2000), "Mechanical component design for multiple objectives using elitist non-dominated
sorting GA", DOI 10.1007/3-540-45356-3_84.
"""

import argparse

import numpy as np

import evo


class WeldedBeam(evo.Problem):
    """Of the weld its height and length, of the beam its height and width, all in inches."""

    space = evo.Real([0.125, 0.1, 0.1, 0.125], [5.0, 10.0, 10.0, 5.0])
    directions = ("min", "min")
    reference = (50.0, 0.02)  # dearer, or bent more, than anybody wants: the hypervolume is measured from here

    def evaluate(self, x: np.ndarray) -> evo.Evaluation:
        """Cost in dollars and deflection in inches, ``(batch, 2)``; four constraints, ``(batch, 4)``."""
        weld, length, height, width = x.T
        cost = 1.10471 * weld**2 * length + 0.04811 * height * width * (14.0 + length)
        deflection = 2.1952 / (height**3 * width)
        radius = np.sqrt(0.25 * (length**2 + (weld + height) ** 2))
        direct = 6000.0 / (np.sqrt(2.0) * weld * length)
        twist = 6000.0 * (14.0 + 0.5 * length) * radius
        twist /= 2.0 * 0.707 * weld * length * (length**2 / 12.0 + 0.25 * (weld + height) ** 2)
        shear = np.sqrt(direct**2 + twist**2 + length * direct * twist / radius)
        bending = 504_000.0 / (height**2 * width)
        buckling = 64_746.022 * (1.0 - 0.0282346 * height) * height * width**3
        # Each is met where it is not above 0; in shares of its limit, so that none outweighs another.
        violations = (shear / 13_600.0 - 1.0, bending / 30_000.0 - 1.0, (weld - width) / 5.0, 1.0 - buckling / 6000.0)
        return evo.Evaluation(np.column_stack((cost, deflection)), np.column_stack(violations))


def main() -> None:
    """Run, show some of the front, and plot it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", default="front.png", help="the picture's file")
    options = parser.parse_args()
    result = evo.minimize(WeldedBeam(), stop=evo.Stop(stall=200, generations=3000), seed=1)
    front = result.front
    order = np.argsort(front.objectives[:, 0])
    print(f"{len(front)} compromises, hypervolume {result.hypervolume:.5f}, {result.generations} generations")
    for row in order[:: max(1, len(order) // 8)]:
        cost, deflection = front.objectives[row]
        print(f"${cost:6.2f}  {deflection:.5f} in  {np.round(front.x[row], 3)}")
    plot(front.objectives[order], options.plot)
    print(f"plotted in {options.plot}")


def plot(objectives: np.ndarray, path: str) -> None:
    """The front, cost against deflection."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="cost in $", ylabel="deflection in inches", title="Welded beam: best compromises")
    axes.plot(*objectives.T, "o", markersize=3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()

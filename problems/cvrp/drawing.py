"""Draw a solution: routes in colours, the depot as a square."""

from __future__ import annotations

from pathlib import Path

from evo.errors import UsageError

from .instance import Instance
from .solution import Solution


def draw(instance: Instance, solution: Solution, path: str | Path) -> None:
    """Write a picture of the routes; the file's ending names the format (png, svg, pdf).

    The legs from and to the depot are drawn thin, as is the custom: they would hide everything else.

    Raises
    ------
    UsageError
        The instance has no coordinates, or matplotlib is not installed (``pip install 'evo-engine[plot]'``).
    """
    if instance.coordinates is None:
        raise UsageError(f"{instance.name}: has no coordinates to draw")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise UsageError("drawing needs matplotlib: pip install 'evo-engine[plot]'") from error
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.add_subplot()
    depot = instance.coordinates[0]
    colours = mpl.colormaps["tab20"]
    for number, route in enumerate(solution.routes):
        stops = instance.coordinates[route]
        colour = colours(number % 20)
        axes.plot(stops[:, 0], stops[:, 1], "-o", color=colour, linewidth=1.3, markersize=3)
        for end in (stops[0], stops[-1]):
            axes.plot(*zip(depot, end, strict=True), color=colour, linewidth=0.5, alpha=0.4)
    axes.plot(*depot, "s", color="black", markersize=8)
    axes.set_title(f"{instance.name}: {len(solution.routes)} routes, distance {solution.cost}")
    axes.set_aspect("equal")
    axes.set_axis_off()
    figure.savefig(path, dpi=110)

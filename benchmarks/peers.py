"""A peer from a Python package as a command: python benchmarks/peers.py {pyvrp|hygese} INSTANCE SEED SECONDS OUTPUT

It speaks as every peer of `cvrp.py` does: the solution goes to OUTPUT as a `.sol` file, the anytime curve to standard
output as lines ``improved SECONDS COST``, the solver's own count of its time as ``seconds SECONDS``. Neither solver's
time includes reading the instance. hygese's clock counts CPU time, PyVRP's wall time.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

TRACE_ITERATIONS = 10
"""hygese tells its state so often; that alone shows when it improved."""


def main(name: str, instance: str, seed: str, seconds: str, output: str) -> None:
    """Run one of the solvers."""
    {"pyvrp": run_pyvrp, "hygese": run_hygese}[name](instance, int(seed), float(seconds), Path(output))


def run_pyvrp(instance: str, seed: int, seconds: float, output: Path) -> None:
    """PyVRP (Wouda, Lan and Kool 2024, DOI 10.1287/ijoc.2023.0055) with its default parameters."""
    import pyvrp
    from pyvrp.stop import MaxRuntime

    data = pyvrp.read(instance, round_func="round")
    result = pyvrp.solve(data, stop=MaxRuntime(seconds), seed=seed, collect_stats=True, display=False)
    for elapsed, datum in zip(accumulate(result.stats.runtimes), result.stats.data, strict=True):
        if datum.best_feas:
            tell(elapsed, datum.best_cost)
    print(f"seconds {result.runtime:.3f}")
    # a client's number counts from 0, a customer's in a .sol file from 1
    routes = [[stop.idx + 1 for stop in route if stop.is_client()] for route in result.best.routes()]
    write_sol(output, routes, result.cost())


def run_hygese(instance: str, seed: int, seconds: float, output: Path) -> None:
    """HGS-CVRP (Vidal 2022, DOI 10.1016/j.cor.2021.105643) with its default parameters."""
    import hygese
    import vrplib

    file = vrplib.read_instance(instance, compute_edge_weights=False)
    if "distance" in file or "vehicles" in file:
        raise SystemExit(f"{instance}: limits of distance and fleet are not passed on to hygese here")
    data = {
        "x_coordinates": file["node_coord"][:, 0],
        "y_coordinates": file["node_coord"][:, 1],
        "demands": file["demand"],
        "vehicle_capacity": int(file["capacity"]),
    }
    parameters = hygese.AlgorithmParameters(timeLimit=seconds, seed=seed, nbIterTraces=TRACE_ITERATIONS)
    solver = hygese.Solver(parameters=parameters, verbose=True)
    with tempfile.TemporaryFile("w+") as trace:
        stdout = os.dup(1)  # the library prints from C++: its trace is caught at the descriptor
        os.dup2(trace.fileno(), 1)
        try:
            result = solver.solve_cvrp(data, rounding=True)
        finally:
            os.dup2(stdout, 1)
        trace.seek(0)
        text = trace.read()
    for elapsed, cost in re.findall(r"T\(s\) ([\d.]+) \| Feas \d+ ([\d.]+)", text):
        tell(float(elapsed), float(cost))
    tell(result.time, result.cost)
    print(f"seconds {result.time:.3f}")
    write_sol(output, result.routes, result.cost)


_told = float("inf")


def tell(seconds: float, cost: float) -> None:
    """Print a point of the anytime curve, if it is one."""
    global _told  # a script's only state
    if cost < _told:
        _told = cost
        print(f"improved {seconds:.3f} {cost:.0f}")


def write_sol(path: Path, routes: Sequence[Sequence[int]], cost: float) -> None:
    """Write a solution in CVRPLIB's format."""
    lines = [f"Route #{k}: {' '.join(map(str, route))}" for k, route in enumerate(routes, 1)]
    path.write_text("\n".join([*lines, f"Cost {cost:.0f}"]) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])

"""An independent judge of solutions: plain Python that shares nothing with the search, its kernels or its matrices.

A wrong kernel, a wrong matrix or a wrong reader of files cannot hide a wrong solution here: distances are computed
again from the coordinates, and `check_file` reads both files with a small reader of its own.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from evo.errors import SolutionError, UsageError

from .instance import Instance
from .solution import Solution

# Sums of real distances in another order differ by rounding errors, far below this share.
RELATIVE_TOLERANCE = 1e-9
SHOWN = 10

Distance = Callable[[int, int], float]  # an int where distances are rounded


def check(instance: Instance, solution: Solution) -> None:
    """Check that a solution visits every customer once, keeps every limit and costs what it says.

    Raises
    ------
    SolutionError
        When it does not; the text names every violation (beyond ten: how many more).
    """
    _check(instance, solution.routes, solution.cost)


def cost_of(instance: Instance, routes: Sequence[Sequence[int]]) -> float:
    """What routes cost that visit every customer once and keep every limit; an int where distances are rounded.

    Raises
    ------
    SolutionError
        When they do not; as `check`.
    """
    return _check(instance, routes, None)


def _check(instance: Instance, routes: Sequence[Sequence[int]], cost: float | None) -> float:
    distance: Distance
    if instance.distances is not None:
        distance = instance.distances.item
    else:
        assert instance.coordinates is not None  # an instance has one or the other
        distance = _euclidean(instance.coordinates.tolist(), instance.rounding)
    found, violations = _judge(
        routes,
        cost,
        distance=distance,
        demands=instance.demands.tolist(),
        capacity=instance.capacity,
        max_vehicles=instance.max_vehicles,
        max_duration=instance.max_duration,
        service_times=[0.0] * instance.n if instance.service_times is None else instance.service_times.tolist(),
    )
    _raise(f"instance {instance.name!r}", violations)
    return found


def check_file(
    instance_path: str | os.PathLike[str], sol_path: str | os.PathLike[str], *, round: bool = True
) -> int | float:
    """Check a `.sol` file against a well-formed EUC_2D or CEIL_2D instance file; return its recomputed cost.

    Raises
    ------
    SolutionError
        When the solution is wrong; the text names every violation.
    UsageError
        When a file is of no kind that this small reader knows.
    """
    keys, sections = _read_vrp(Path(instance_path))
    kind = keys.get("EDGE_WEIGHT_TYPE")
    if kind not in ("EUC_2D", "CEIL_2D") or sections["DEPOT"][0] != ["1"]:
        raise UsageError(f"{instance_path}: expected EUC_2D or CEIL_2D and depot 1, found {kind}")
    coordinates = [(float(x), float(y)) for _, x, y in sections["NODE_COORD"]]
    service = float(keys.get("SERVICE_TIME", 0))
    routes, cost = _read_sol(Path(sol_path))
    recomputed, violations = _judge(
        routes,
        cost,
        distance=_euclidean(coordinates, "none" if not round else "ceil" if kind == "CEIL_2D" else "nearest"),
        demands=[int(demand) for _, demand in sections["DEMAND"]],
        capacity=int(keys["CAPACITY"]),
        max_vehicles=int(keys["VEHICLES"]) if "VEHICLES" in keys else None,
        max_duration=float(keys["DISTANCE"]) if "DISTANCE" in keys else None,
        service_times=(
            [float(time) for _, time in sections["SERVICE_TIME"]]
            if "SERVICE_TIME" in sections
            else [0.0] + [service] * (len(coordinates) - 1)
        ),
    )
    _raise(str(sol_path), violations)
    return recomputed


def _judge(
    routes: Sequence[Sequence[int]],
    cost: float | None,
    *,
    distance: Distance,
    demands: Sequence[int],
    capacity: int,
    max_vehicles: int | None,
    max_duration: float | None,
    service_times: Sequence[float],
) -> tuple[int | float, list[str]]:
    """The cost, and every violation in words; the cost means nothing where a customer does not exist."""
    n = len(demands)
    violations = []
    visits = Counter(customer for route in routes for customer in route)
    unknown = [customer for customer in visits if not 1 <= customer < n]
    violations += [f"customer {customer} does not exist (1 to {n - 1} do)" for customer in unknown]
    violations += [f"customer {customer} is not visited" for customer in range(1, n) if visits[customer] == 0]
    violations += [f"customer {customer} is visited {times} times" for customer, times in visits.items() if times > 1]
    used = sum(1 for route in routes if route)
    if max_vehicles is not None and used > max_vehicles:
        violations.append(f"{used} routes, but only {max_vehicles} vehicles")
    if unknown:
        return 0, violations
    lengths = []
    for k, route in enumerate(routes, 1):
        load = sum(demands[customer] for customer in route)
        if load > capacity:
            violations.append(f"route {k} carries {load}, above the capacity {capacity}")
        # an empty route is the depot to itself
        lengths.append(sum(distance(i, j) for i, j in zip([0, *route], [*route, 0], strict=True)))
        duration = lengths[-1] + sum(service_times[customer] for customer in route)
        if max_duration is not None and duration > max_duration * (1 + RELATIVE_TOLERANCE):
            violations.append(f"route {k} takes {duration}, above the limit {max_duration}")
    recomputed = sum(lengths)
    tolerance = 0.0 if isinstance(recomputed, int) else RELATIVE_TOLERANCE
    if cost is not None and not math.isclose(cost, recomputed, rel_tol=tolerance, abs_tol=tolerance):
        violations.append(f"the cost is given as {cost}, but is {recomputed}")
    return recomputed, violations


def _euclidean(coordinates: Sequence[Sequence[float]], rounding: str) -> Distance:
    # TSPLIB 95 defines the distance by the square root of the sum. math.hypot may differ from it in the last bit, and
    # then a distance on the edge of two integers would be rounded to the other one.
    def distance(i: int, j: int) -> float:
        (x, y), (u, v) = coordinates[i], coordinates[j]
        d = math.sqrt((x - u) * (x - u) + (y - v) * (y - v))
        if rounding == "none":
            return d
        return math.ceil(d) if rounding == "ceil" else math.floor(d + 0.5)

    return distance


def _raise(what: str, violations: Iterable[str]) -> None:
    texts = list(violations)
    if len(texts) > SHOWN:
        texts[SHOWN:] = [f"and {len(texts) - SHOWN} more"]
    if texts:
        raise SolutionError(f"{what}: wrong solution: {'; '.join(texts)}")


def _read_vrp(path: Path) -> tuple[dict[str, str], dict[str, list[list[str]]]]:
    keys: dict[str, str] = {}
    sections: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for line in path.read_text(encoding="latin-1").split("\n"):
        words = line.split()
        if words and words[0].endswith("_SECTION"):
            rows = sections.setdefault(words[0].removesuffix("_SECTION"), [])
        elif ":" in line:
            key, value = line.split(":", 1)
            keys[key.strip()] = value.strip()
        elif words and words[0] != "EOF":
            rows.append(words)
    return keys, sections


def _read_sol(path: Path) -> tuple[list[list[int]], float]:
    routes: list[list[int]] = []
    for line in path.read_text(encoding="latin-1").split("\n"):
        head, _, customers = line.partition(":")
        if head.lower().startswith("route"):
            routes.append([int(customer) for customer in customers.split()])
        elif head.lower().startswith("cost"):
            return routes, float(line.split()[-1])
    raise UsageError(f"{path}: Cost: expected a line 'Cost …', found none")

"""The instances of the CVRP benchmark: files that are given, or a set that our own generator makes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evo.problems.cvrp import generate, read_sol, write_vrp
from evo.problems.cvrp.generator import Demand, Depot, Positioning

GENERATED: tuple[tuple[int, Depot, Positioning, Demand, float], ...] = (
    (100, "corner", "random", "1-100", 4.0),
    (200, "center", "clustered", "quadrant", 9.0),
    (330, "corner", "random", "unitary", 22.0),
    (500, "random", "random-clustered", "5-10", 13.0),
    (640, "random", "clustered", "50-100", 18.0),
    (1000, "random", "random", "many-small-few-large", 23.0),
)
"""Customers, depot, positioning, demand and mean route length, of the kinds that the X set has."""


@dataclass(frozen=True)
class BenchmarkInstance:
    """A VRPLIB file, and the best cost that is known for it (from the `.sol` file beside it)."""

    name: str
    path: Path
    customers: int
    best_known: float | None


def find_instances(given: Sequence[Path] | None, generated: Path) -> list[BenchmarkInstance]:
    """Files and folders' files, by size; None: the generated set, written to the folder `generated` first."""
    if given is None:
        files = _generate(generated)
    else:
        files = [file for path in given for file in (sorted(path.glob("*.vrp")) if path.is_dir() else [path])]
    if not files:
        raise SystemExit(f"--instances: no .vrp files in {', '.join(map(str, given or ()))}")
    found = [_read(file) for file in files]
    names = [instance.name for instance in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SystemExit(f"--instances: {', '.join(twice)}: more than one file of this name")
    return sorted(found, key=lambda instance: (instance.customers, instance.name))


def _read(file: Path) -> BenchmarkInstance:
    try:
        text = file.read_text(encoding="latin-1")
    except OSError as error:
        raise SystemExit(f"--instances: {file}: {error.strerror}") from None
    dimension = re.search(r"^\s*DIMENSION\s*:\s*(\d+)", text, re.MULTILINE)
    if dimension is None:
        raise SystemExit(f"--instances: {file}: expected a VRPLIB file, found no DIMENSION")
    solution = file.with_suffix(".sol")
    best_known = read_sol(solution).cost if solution.exists() else None
    return BenchmarkInstance(file.stem, file, int(dimension[1]) - 1, best_known)


def _generate(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for seed, (customers, depot, positioning, demand, length) in enumerate(GENERATED, 1):
        instance = generate(
            customers, depot=depot, customers_positioning=positioning, demand=demand, route_length=length, seed=seed
        )
        files.append(folder / f"{instance.name}.vrp")
        write_vrp(files[-1], instance)
    return files

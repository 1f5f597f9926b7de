"""What a comparison consists of: columns (solvers as they are run), instances, seeds, seconds; and their order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from instances import BenchmarkInstance
from records import Cell

SMALL = 300
"""Instances of fewer customers get `seconds_small`."""


@dataclass(frozen=True)
class Column:
    """A solver as it is run."""

    label: str
    solver: str
    workers: int
    """evo's Ray workers; 0: one process on one core."""
    share: float
    """Of the comparison's seconds."""


def parse_column(label: str, cores: int) -> Column:
    """SOLVER, SOLVER@CORES or SOLVER@CORESxSHARE: ``evo:hgs@2x0.5`` is two workers for half the time.

    `cores` is what a bare SOLVER of evo has. More than one core is for evo alone.
    """
    match = re.fullmatch(r"([^@]+?)(?:@(\d+)(?:x([\d.]+))?)?", label)
    if match is None:
        raise SystemExit(f"--solvers: expected SOLVER, SOLVER@CORES or SOLVER@CORESxSHARE, found {label}")
    solver = match[1]
    ours = solver.partition(":")[0] == "evo"
    given = int(match[2]) if match[2] else cores if ours else 1
    if given > 1 and not ours:
        raise SystemExit(f"--solvers: {label}: a peer is single-threaded, it can use one core")
    return Column(label, solver, given if given > 1 else 0, float(match[3] or 1))


@dataclass(frozen=True)
class Plan:
    """Every column on every instance with every seed."""

    columns: Sequence[Column]
    instances: Sequence[BenchmarkInstance]
    seeds: Sequence[int]
    seconds: float
    seconds_small: float

    def cell(self, column: Column, instance: BenchmarkInstance, seed: int) -> Cell:
        """One measurement."""
        seconds = self.seconds_small if instance.customers < SMALL else self.seconds
        return Cell(column.solver, instance.name, seed, seconds * column.share, column.workers)

    def cells(self) -> list[Cell]:
        """All measurements in their order: the columns in turn, another one first each time."""
        cells = []
        for turn, (seed, instance) in enumerate(itertools.product(self.seeds, self.instances)):
            first = turn % len(self.columns)
            cells += [self.cell(column, instance, seed) for column in (*self.columns[first:], *self.columns[:first])]
        return cells

    @property
    def title(self) -> str:
        """Cores and seconds in words."""
        cores = sorted({max(column.workers, 1) for column in self.columns})
        text = "one core each" if cores == [1] else f"evo on {' and '.join(map(str, cores))} cores, peers on one"
        small = f", {self.seconds_small:g} s below {SMALL} customers" if self.seconds_small != self.seconds else ""
        return f"CVRP: {self.seconds:g} s{small}, {text}"

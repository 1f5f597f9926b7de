"""Measurements as JSON lines: appended one by one, so that a long table is made in parts and loses nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple


class Cell(NamedTuple):
    """What is measured: one solver on one instance with one seed, for so many seconds on so many cores."""

    solver: str
    instance: str
    seed: int
    seconds: float
    workers: int
    """Ray workers of evo, each on a core of its own; 0: one process on one core, as every peer."""


DISTURBED = 0.9
"""A process that got less of its core than this was disturbed by others."""


@dataclass(frozen=True)
class Record:
    """One measurement, checked."""

    solver: str
    instance: str
    seed: int
    budget: float
    """Seconds that the solver was given."""
    workers: int
    customers: int
    cost: float
    """Recomputed by the independent checker."""
    seconds: float | None
    """Time of optimisation as the solver counts it; None where it does not say."""
    wall: float
    """Seconds of the whole process."""
    cpu: float
    """CPU seconds of the process and the children that it waited for (not of Ray's workers)."""
    curve: list[tuple[float, float]]
    """(seconds, cost) of the best so far; empty where the solver tells nothing."""
    best_known: float | None
    version: str
    machine: str
    date: str
    side_by_side: int
    """Measurements that ran at the same time, each on a core of its own."""
    load: float
    """Load average of the machine at the start, this measurement not included."""
    more: dict[str, float] = field(default_factory=dict)

    @property
    def cell(self) -> Cell:
        """What this is a measurement of."""
        return Cell(self.solver, self.instance, self.seed, self.budget, self.workers)

    @property
    def disturbed(self) -> bool:
        """Whether the solver got clearly less than its core; not known of runs with workers."""
        return self.workers == 0 and self.cpu < DISTURBED * self.wall


class RecordFile:
    """Records in a file, the newest of a cell counting; any thread may append."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._newest: dict[Cell, Record] = {}
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    content = json.loads(line)
                    record = Record(**{**content, "curve": [tuple(point) for point in content["curve"]]})
                except (KeyError, TypeError, ValueError) as error:
                    # A line cut short by a kill is the last one; anything else is not to be lost silently.
                    print(f"{path}, line {number}: no record ({error}); skipped")
                    continue
                self._newest[record.cell] = record

    def get(self, cell: Cell) -> Record | None:
        """The newest record of a cell."""
        return self._newest.get(cell)

    def all(self) -> Iterable[Record]:
        """The newest record of every cell."""
        return self._newest.values()

    def append(self, record: Record) -> None:
        """Write a record, safe against the end of this process."""
        with self._lock:
            self._newest[record.cell] = record
            self._path.parent.mkdir(parents=True, exist_ok=True)
            start = "\n" if self._cut_short() else ""
            with self._path.open("a", encoding="utf-8") as file:
                file.write(start + json.dumps(asdict(record)) + "\n")

    def _cut_short(self) -> bool:
        return self._path.exists() and not self._path.read_bytes().endswith(b"\n") and self._path.stat().st_size > 0


def thinned(curve: Iterable[tuple[float, float]], ratio: float = 1.02) -> list[tuple[float, float]]:
    """The improvements of a curve, no two closer in time than by `ratio` (the last of a bunch stays)."""
    kept: list[tuple[float, float]] = []
    for seconds, cost in curve:
        if kept and cost >= kept[-1][1]:
            continue
        if len(kept) > 1 and kept[-1][0] < ratio * kept[-2][0]:
            kept.pop()
        kept.append((round(seconds, 3), cost))
    return kept

"""`Sleepy`: a problem whose evaluation takes a known time, and goes wrong on chosen individuals in every known way.

Which individuals are bad depends on their genome alone, so that a run disturbed by something else meets the same ones.
A *transient* fault happens once per individual (a file marks it); a permanent one, poison, always.
"""

from __future__ import annotations

import ctypes
import os
import resource
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import evo
from evo.rng import stream

SLOWNESS = "EVO_CHAOS_SLOWNESS"
"""Variable of a node's environment: by what every evaluation there takes longer."""
MEMORY_BYTES = 400_000_000
"""What an evaluation may take beyond what its process has, before it gets a `MemoryError`."""
_SIZE = 12
_SHARES = 10_000


class Sleepy(evo.Problem):
    """Chained matrix products, whose last bits change with the batch's shape.

    Parameters
    ----------
    seconds
        Per row.
    block
        Rows per call.
    faults
        Kind of fault -> the share of individuals that it befalls, or a list of their numbers (`number_of`); kinds are
        this class's methods.
    mark
        A folder: every individual's fault happens once. None: always.
    dry
        The reference: it takes no time, transient faults do not happen, and poison gives NaN.
    """

    def __init__(
        self,
        seconds: float = 0.03,
        block: int = 1,
        faults: Mapping[str, float | Sequence[int]] | None = None,
        mark: str | None = None,
        dry: bool = False,
    ) -> None:
        self.space = evo.Real(-1, 1, shape=_SIZE)
        self.seconds = seconds
        self.block = block
        self.faults = dict(faults or {})
        self.mark = mark
        self.dry = dry
        self.layers = stream(1, 0, 99).normal(size=(3, _SIZE, _SIZE)) / np.sqrt(_SIZE)

    def evaluate(self, x: np.ndarray) -> Any:
        befallen = [(offset, kind) for offset in range(len(x)) for kind in self._kinds(x[offset])]
        y = x
        for layer in self.layers:
            y = np.tanh(y @ layer)
        objectives = ((y - 0.3) ** 2).sum(axis=1)
        if self.dry:
            if self.mark is None:
                objectives[[offset for offset, _ in befallen]] = np.nan
            return objectives
        for offset, kind in befallen:
            if self.mark is None or _first_time(Path(self.mark, f"{kind}-{number_of(x[offset])}")):
                objectives = getattr(self, kind)(objectives, offset)
        time.sleep(self.seconds * len(x) * float(os.environ.get(SLOWNESS, "1")))
        return objectives

    def _kinds(self, row: np.ndarray) -> list[str]:
        number = number_of(row)
        return [kind for kind, victims in self.faults.items() if _befalls(kind, victims, number)]

    # Faults that the worker survives

    def raises(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        raise ConnectionError("the licence server is busy")

    def raises_what_cannot_be_pickled(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        class Local(Exception):
            def __reduce__(self) -> Any:
                raise TypeError("never")

        raise Local(open(os.devnull))  # noqa: SIM115  # an open file cannot travel

    def gives_nan(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        objectives[offset] = np.nan
        return objectives

    def gives_garbage(self, objectives: np.ndarray, offset: int) -> Any:
        return {"objective": "about seven"}

    def gives_too_few(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        return objectives[:-1]

    def exits_python(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        raise SystemExit(3)

    def eats_memory(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        """Until there is no more: the process is given a limit first, lest the machine suffers."""
        limits = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, limits[1]))
        try:
            hoard = []
            while True:
                hoard.append(np.ones(1_000_000))
        finally:
            hoard = []
            resource.setrlimit(resource.RLIMIT_AS, limits)

    # Faults that end the worker

    def exits(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        os._exit(1)

    def segfaults(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        ctypes.string_at(0)
        return objectives

    def eats_the_machine(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        """Until Ray's memory monitor ends the process; slowly enough for it to see."""
        hoard = []
        for _ in range(600):
            hoard.append(np.ones(2_000_000))
            time.sleep(0.001)
        time.sleep(3600)
        return objectives

    # Faults that never end

    def sleeps(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        time.sleep(3600)
        return objectives

    def loops(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        while True:
            pass

    def loops_in_a_kernel(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        import numba

        @numba.njit(nogil=True)
        def spin(value: float) -> float:
            while value > 0.0:
                value = value * 1.0000001 if value < 2.0 else 1.0
            return value

        spin(1.0)
        return objectives

    def loops_with_the_gil(self, objectives: np.ndarray, offset: int) -> np.ndarray:
        """Holds the interpreter's lock for ever: no other thread of the process does anything."""
        import numba

        @numba.njit
        def spin(value: float) -> float:
            while value > 0.0:
                value = value * 1.0000001 if value < 2.0 else 1.0
            return value

        spin(1.0)
        return objectives


def number_of(row: np.ndarray) -> int:
    """An individual's number: a hash of its genome."""
    return zlib.crc32(row.tobytes())


def _befalls(kind: str, victims: float | Sequence[int], number: int) -> bool:
    if isinstance(victims, Sequence):
        return number in victims
    return (number ^ zlib.crc32(kind.encode())) % _SHARES < victims * _SHARES


def _first_time(mark: Path) -> bool:
    """Whether nobody was here before, in any process."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

"""A worker's `Beacon`: which rows it is at, in a few bytes that outlive it, so that a row that kills or hangs is known.

The worker writes into a mapped file of its machine: no call, no lock, under a microsecond. Whoever shares the machine
reads it, also when the worker hangs, holds the GIL or is gone.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

_RECORD = struct.Struct("<qqqd")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a worker is."""

    call: int
    """The number of the call that it is at."""
    first: int
    """The first row under evaluation, counted in the chunk …"""
    count: int
    """… and how many; 0: it is between two calls."""
    seconds: float
    """Since it began with them."""


def _path(name: str) -> str:
    return os.path.join(tempfile.gettempdir(), f"evo-beacon-{name}")


class Beacon:
    """The worker's end.

    Parameters
    ----------
    name
        Known to worker and reader alone.
    """

    def __init__(self, name: str) -> None:
        handle = os.open(_path(name), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, bytes(_RECORD.size))
            self._map = mmap.mmap(handle, _RECORD.size)
        finally:
            os.close(handle)
        self.call = 0

    def __call__(self, first: int, count: int) -> None:
        """The worker begins with these rows of its chunk."""
        _RECORD.pack_into(self._map, 0, self.call, first, count, monotonic())


class BeaconReader:
    """The other end. Takes the file's name away: what is mapped stays readable, and nothing is left behind."""

    def __init__(self, name: str) -> None:
        handle = os.open(_path(name), os.O_RDONLY)
        try:
            self._map = mmap.mmap(handle, _RECORD.size, prot=mmap.PROT_READ)
        finally:
            os.close(handle)
        with suppress(OSError):
            os.unlink(_path(name))

    def read(self) -> Position:
        """Where the worker is, or was last."""
        before = self._map[:]
        while (again := self._map[:]) != before:  # it was writing at this moment
            before = again
        call, first, count, since = _RECORD.unpack(before)
        return Position(call, first, count, monotonic() - since)


def read_from(name: str) -> BeaconReader | None:
    """A reader; None where there is no such beacon on this machine."""
    try:
        return BeaconReader(name)
    except OSError:
        return None

"""`NodeMonitor`: what can be seen of a node's workers and its health without asking the workers.

An evaluation may hold its process for minutes, so a heartbeat is sent for it: its process exists, is the one that was
started, and is not stopped. On a joined cluster a monitor runs on each node, as an actor that reserves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple, Self

import psutil

from . import out_of_memory
from .beacon import BeaconReader, Position, read_from
from .health_monitor import HealthMonitor, HealthSampler


class Watched(NamedTuple):
    """A worker's process, and the name of its beacon."""

    pid: int
    born: float
    beacon: str


@dataclass(frozen=True, slots=True)
class Sign:
    """What is seen of one worker."""

    alive: bool
    stopped: bool = False
    """Its process exists, yet does nothing: SIGSTOP, a debugger."""
    cpu: float = 0.0
    """Seconds of processor time …"""
    idle: float = 0.0
    """… and for how long neither it nor any of its descendants has used any: seconds, to the interval of looking."""
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What is seen of a node."""

    workers: dict[str, Sign] = field(default_factory=dict)
    """By slot."""
    health: dict[str, Any] | None = None
    """The newest sample of `HealthMonitor.get_system_health`; None before the first."""
    complaints: list[str] = field(default_factory=list)
    """Why the node should get no new work."""
    out_of_memory: int = 0
    """Processes that the kernel has killed for want of memory since the monitor began."""


def rays_processes() -> list[psutil.Process]:
    """This process, Ray's workers on this machine, and their descendants: what is ours of its load."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["name"]):
        name = process.info["name"] or ""
        if name.startswith("ray::") or process.pid == psutil.Process().pid:
            with suppress(psutil.Error):
                found.update((p.pid, p) for p in (process, *process.children(recursive=True)))
    return list(found.values())


class NodeMonitor:
    """Looks at workers of this machine.

    Parameters
    ----------
    interval
        Seconds between two samples of the machine's health, which a thread of its own takes; None: none are taken.
    """

    def __init__(self, interval: float | None = None) -> None:
        self._known: dict[Watched, _Known] = {}
        self._kills = out_of_memory.kills()
        self._health: HealthMonitor | None = None
        self._sampler: HealthSampler | None = None
        if interval is not None:
            self._health = HealthMonitor(ours=rays_processes)
            self._sampler = HealthSampler(self._health, interval)

    def start(self) -> Self:
        """Begin to sample the machine's health."""
        if self._sampler is not None:
            self._sampler.start()
        return self

    def look(self, watched: Mapping[str, Watched]) -> Report:
        """What there is to be seen of the workers in some slots."""
        self._known = {each: self._found(each) for each in watched.values()}
        health = None if self._sampler is None else self._sampler.latest()
        complaints = [] if health is None or self._health is None else self._health.complaints(health)
        signs = {slot: self._sign(each) for slot, each in watched.items()}
        return Report(signs, health, complaints, out_of_memory.kills() - self._kills)

    def stop(self) -> None:
        """End the sampling."""
        if self._sampler is not None:
            self._sampler.stop(0.2)
        self._known.clear()

    def _found(self, watched: Watched) -> _Known:
        known = self._known.get(watched)
        return known or _Known(local_process(watched.pid, watched.born), read_from(watched.beacon))

    def _sign(self, watched: Watched) -> Sign:
        known = self._known[watched]
        position = None if known.beacon is None else known.beacon.read()
        if known.process is None:
            return Sign(False, position=position)
        try:
            status = known.process.status()
            if status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return Sign(False, position=position)
            return Sign(True, status == psutil.STATUS_STOPPED, *known.work(), position)
        except psutil.Error:
            return Sign(False, position=position)


@dataclass(slots=True)
class _Known:
    process: psutil.Process | None
    beacon: BeaconReader | None
    own: float = -1.0
    below: float = -1.0
    since: float = 0.0

    def work(self) -> tuple[float, float]:
        """Processor seconds, and for how long there were none. Descendants are looked for only where it does nothing:
        that takes milliseconds."""
        assert self.process is not None
        own, now = _seconds_of(self.process), monotonic()
        if own != self.own:
            self.own, self.since = own, now
        elif (below := sum(map(_seconds_of, self.process.children(recursive=True)))) != self.below:
            self.below, self.since = below, now
        return own, now - self.since


def _seconds_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it ended meanwhile
        return 0.0
    return float(times.user + times.system)


def local_process(pid: int, born: float) -> psutil.Process | None:
    """The process of that number if it is the one born then: a worker elsewhere may have any number."""
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - born) < 0.05 else None
    except psutil.Error:
        return None

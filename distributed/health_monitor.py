"""`HealthMonitor`: how a machine is doing, and whether it should be given new work.

A processor that is wholly busy with our own evaluations is what we want; only the load of others is held against it.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import psutil

from evo.errors import SettingsError

from .gpus import GpuReader

_GIB = 2.0**30
_SHORTEST_INTERVAL = 0.05
"""Seconds; over less than this the kernel's ticks (10 ms) say nothing about a share of time."""


@dataclass(frozen=True, slots=True)
class HealthThresholds:
    """A machine is healthy while nothing is above these."""

    cpu_percent: float = 95.0
    """Of all cores, by processes that are not ours."""
    memory_percent: float = 95.0
    disk_percent: float = 95.0
    gpu_memory_percent: float = 95.0
    gpu_temperature: float = 85.0
    """°C."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            highest = math.inf if field.name == "gpu_temperature" else 100.0
            if not number or not 0.0 < value <= highest:
                expected = "a number > 0" + ("" if highest == math.inf else " and <= 100")
                raise SettingsError(f"health.{field.name}: expected {expected}, found {value!r}")

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """From a plain mapping; an unknown key or a wrong value raises `SettingsError`."""
        names = [field.name for field in fields(cls)]
        for name in settings:
            if name not in names:
                raise SettingsError(f"health.{name}: expected one of {', '.join(names)}, found {name!r}")
        return cls(**settings)


def own_processes() -> list[psutil.Process]:
    """This process and all that descend from it."""
    this = psutil.Process()
    return [this, *this.children(recursive=True)]


class HealthMonitor:
    """Samples this machine. Shares of time are those since the sample before.

    Parameters
    ----------
    thresholds
        See `HealthThresholds`; a plain mapping will do.
    disk
        A path on the file system that matters, as the run's folder.
    peer
        ``(host, port)`` of a TCP server whose answer is timed, as the cluster's head; None: the network is not tried.
    time_limit
        Seconds for the peer, and for the GPUs.
    ours
        The processes whose work is ours; by default this one and its descendants.
    gpus
        Reads the GPUs.
    """

    def __init__(
        self,
        thresholds: HealthThresholds | Mapping[str, Any] | None = None,
        *,
        disk: str | os.PathLike[str] = ".",
        peer: tuple[str, int] | None = None,
        time_limit: float = 5.0,
        ours: Callable[[], Iterable[psutil.Process]] = own_processes,
        gpus: Callable[[], list[dict[str, Any]]] | None = None,
    ) -> None:
        if thresholds is None:
            thresholds = HealthThresholds()
        elif not isinstance(thresholds, HealthThresholds):
            thresholds = HealthThresholds.from_mapping(thresholds)
        self.thresholds = thresholds
        self.peer = peer
        self.time_limit = time_limit
        self._disk = Path(disk)
        self._gpus = GpuReader(time_limit).read if gpus is None else gpus
        self._processor = _ProcessorShare(ours)

    def get_system_health(self) -> dict[str, Any]:
        """One sample, plain values.

        Returns
        -------
        ``time`` (seconds since 1970), ``cpu_percent`` and ``own_cpu_percent`` (0 … 100 of all cores),
        ``memory_percent``, ``memory_available_gb``, ``disk_percent``, ``disk_free_gb`` (GiB), ``gpus`` (see
        `GpuReader.read`), ``network_latency_ms`` (None: not tried, or no answer).
        """
        everything, own = self._processor.sample()
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(_existing(self._disk)))
        return {
            "time": time.time(),
            "cpu_percent": everything,
            "own_cpu_percent": own,
            "memory_percent": float(memory.percent),
            "memory_available_gb": memory.available / _GIB,
            "disk_percent": float(disk.percent),
            "disk_free_gb": disk.free / _GIB,
            "gpus": self._gpus(),
            "network_latency_ms": None if self.peer is None else latency(self.peer, self.time_limit),
        }

    def is_healthy(self, health: Mapping[str, Any]) -> bool:
        """Whether nothing is above its threshold."""
        return not self.complaints(health)

    def complaints(self, health: Mapping[str, Any]) -> list[str]:
        """What is above its threshold, one phrase each. A value that is absent or None is no complaint."""
        limits = self.thresholds
        found: list[str] = []

        def check(what: str, value: float | None, limit: float, unit: str = " %") -> None:
            if value is not None and value > limit:
                found.append(f"{what}: {value:.0f}{unit}, more than {limit:.0f}{unit}")

        cpu = health.get("cpu_percent")
        check(
            "other processes' load",
            None if cpu is None else cpu - health.get("own_cpu_percent", 0.0),
            limits.cpu_percent,
        )
        check("memory", health.get("memory_percent"), limits.memory_percent)
        check("disk", health.get("disk_percent"), limits.disk_percent)
        for gpu in health.get("gpus", ()):
            used, total = gpu.get("memory_used"), gpu.get("memory_total")
            percent = 100.0 * used / total if used is not None and total else None
            check(f"memory of GPU {gpu.get('id')}", percent, limits.gpu_memory_percent)
            check(f"GPU {gpu.get('id')}", gpu.get("temperature"), limits.gpu_temperature, " °C")
        return found


class _ProcessorShare:
    """The processors' busy share of time, all of it and ours, between one sample and the next."""

    def __init__(self, ours: Callable[[], Iterable[psutil.Process]]) -> None:
        self._ours = ours
        self._last = (0.0, 0.0)
        self._at = time.monotonic()
        self._busy, self._total = _processor_seconds()
        self._own = self._own_seconds()

    def sample(self) -> tuple[float, float]:
        """Percent of all cores: busy, and busy with our processes."""
        now = time.monotonic()
        if now - self._at < _SHORTEST_INTERVAL:
            return self._last
        busy, total = _processor_seconds()
        own = self._own_seconds()
        elapsed = total - self._total
        if elapsed > 0.0:
            # A process that was not there before has spent all of its time since; one that is gone is not counted.
            spent = sum(max(0.0, seconds - self._own.get(key, 0.0)) for key, seconds in own.items())
            share = min(100.0, max(0.0, 100.0 * (busy - self._busy) / elapsed))
            self._last = share, min(share, 100.0 * spent / elapsed)
        self._at, self._busy, self._total, self._own = now, busy, total, own
        return self._last

    def _own_seconds(self) -> dict[tuple[int, float], float]:
        seconds: dict[tuple[int, float], float] = {}
        for process in self._ours():
            try:
                times = process.cpu_times()
                seconds[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue  # it ended meanwhile
        return seconds


def _processor_seconds() -> tuple[float, float]:
    """Seconds of all cores since the machine's start: busy, and altogether."""
    times = psutil.cpu_times()
    # Guests' time is part of user and nice.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def latency(peer: tuple[str, int], time_limit: float) -> float | None:
    """Milliseconds that opening a TCP connection takes; None where there is no answer in time."""
    began = time.perf_counter()
    try:
        with socket.create_connection(peer, timeout=time_limit):
            return 1000.0 * (time.perf_counter() - began)
    except OSError:
        return None


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


class HealthSampler:
    """Samples in a thread of its own, so that the loop that asks is never kept waiting.

    Parameters
    ----------
    monitor
        What is sampled.
    interval
        Seconds between samples.
    """

    def __init__(self, monitor: HealthMonitor, interval: float = 30.0) -> None:
        self.monitor = monitor
        self.interval = interval
        self._latest: dict[str, Any] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evo-health", daemon=True)

    def start(self) -> Self:
        """Begin; the first sample is taken at once."""
        self._thread.start()
        return self

    def latest(self) -> dict[str, Any] | None:
        """The newest sample, None before the first. Returns at once."""
        return self._latest

    def stop(self, time_limit: float = 1.0) -> None:
        """End the thread; idempotent. A sample that hangs is left behind after `time_limit` seconds."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(time_limit)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._latest = self.monitor.get_system_health()
            except (OSError, psutil.Error) as error:  # /proc or the disk cannot be read: the next sample may
                self._latest = {"time": time.time(), "error": f"{type(error).__name__}: {error}", "gpus": []}
            self._stopped.wait(self.interval)

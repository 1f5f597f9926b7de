"""`RayCluster`: Ray joined or started by a thread of its own, and shut down again so that no process is left.

Ray ties its processes to the thread that started them: when that thread ends they are killed, and the driver dies with
them a minute later. So the thread lives until `close`. In it Ray installs no signal handlers, and the main thread can
evaluate while Ray starts (4-10 s).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from evo.errors import ExecutorError

from .cluster_watch import host_and_port
from .reaper import Reaper
from .threads import VARIABLES

_log = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 100_000_000
"""A private cluster's store: candidates are kilobytes; Ray's default would take a third of the machine's memory."""

HEALTH_SETTINGS = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
"""By which a lost node is noticed in 3-9 s, not in 15-65. An external cluster's head must be started with them."""

_ENVIRONMENT = {
    **HEALTH_SETTINGS,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # do not hide GPUs from the user's code
    **dict.fromkeys(VARIABLES, "1"),
}
"""For a private cluster's processes, the workers among them."""

CONNECT_SECONDS = 180.0
"""A Ray that has not started by then will not."""
_EXIT_SECONDS = 5.0
_PROBE_SECONDS = 10.0
_CLOSE_SECONDS = 20.0
"""Ray's shutdown takes a second or two, and may hang when its head is gone: it is then left behind."""


class RayCluster:
    """A connection to Ray: this process's own one if it has one, the cluster at `address`, or a private local one.

    Parameters
    ----------
    address
        ``auto``, ``host:port`` or ``ray://host:port``; None starts a private cluster.
    workers
        CPUs of the private cluster; None: one per core.
    """

    def __init__(self, address: str | None, workers: int | None) -> None:
        self.address = address
        self._workers = workers
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._end = threading.Event()
        self._error: BaseException | None = None
        self._owned = False
        self._processes: list[psutil.Process] = []
        self._variables: dict[str, str] = {}
        self._before: set[psutil.Process] = set()
        self._reaper: Reaper | None = None

    @property
    def private(self) -> bool:
        """Whether this object started the cluster, and will end it."""
        return self._owned and self.address is None

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread = threading.Thread(target=self._live, name="evo-ray", daemon=True)
        self._thread.start()

    def started(self, timeout: float = 0.0) -> bool:
        """Whether Ray can be used, waiting up to `timeout` seconds. Raises `ExecutorError` where it failed to start."""
        if not self._ready.wait(timeout):
            return False
        if self._error is not None:
            where = f"join the Ray cluster at {self.address}" if self.address else "start Ray"
            raise ExecutorError(f"cannot {where}: {type(self._error).__name__}: {' '.join(str(self._error).split())}")
        return True

    @property
    def owned(self) -> bool:
        """Whether this object made the connection, and may end it."""
        return self._owned

    def head(self) -> tuple[str, int] | None:
        """Host and port of the connected cluster's head; None where they are not known."""
        import ray

        if self.address is not None and self.address.startswith("ray://"):
            return host_and_port(self.address)
        return host_and_port(ray.get_runtime_context().gcs_address)

    def again(self) -> RayCluster:
        """A new connection of the same kind, to be started after this one is closed."""
        return RayCluster(self.address, self._workers)

    def close(self) -> None:
        """Disconnect, end what was started here, wait until it is gone. Idempotent.

        A start under way is waited for: broken off, it would leave Ray of no more use to this process.
        """
        thread = self._thread
        if thread is None:
            return
        self._end.set()
        thread.join(_CLOSE_SECONDS)
        self._thread = None

    def _live(self) -> None:
        try:
            self._connect()
        except BaseException as error:  # reported by `started`, in the caller's thread
            self._error = error
            self._disconnect()
            self._ready.set()
            return
        self._ready.set()
        self._end.wait()
        self._disconnect()

    def _connect(self) -> None:
        import ray

        if ray.is_initialized():
            return
        self._variables = _rays_variables()
        _silence(ray)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "ignore_reinit_error": False}
        self._owned = True
        if self.address is not None:
            _probe(self.address)
            ray.init(address=self.address, **options)
            return
        self._before = set(psutil.Process().children(recursive=True))
        with _environment(_ENVIRONMENT):
            ray.init(
                address="local",
                num_cpus=self._workers,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                **options,
            )
        self._processes = self._own_processes()
        self._reaper = Reaper(self._processes)

    def _own_processes(self) -> list[psutil.Process]:
        return [p for p in psutil.Process().children(recursive=True) if p not in self._before and _of_ray(p)]

    def _disconnect(self) -> None:
        if not self._owned:
            return
        import ray

        processes = self._processes or ([] if self.address is not None else self._own_processes())
        family = list(processes)
        for process in processes:
            try:
                family += process.children(recursive=True)
            except psutil.NoSuchProcess:
                continue
        ray.shutdown()
        for name in _rays_variables().keys() - self._variables.keys():
            del os.environ[name]
        os.environ.update(self._variables)
        _, left = psutil.wait_procs(family, timeout=_EXIT_SECONDS)
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=_EXIT_SECONDS)
        if self._reaper is not None:
            self._reaper.dismiss()
        self._owned = False


def _rays_variables() -> dict[str, str]:
    """What Ray sets for itself in this process; left behind, it would change how the next cluster is joined."""
    return {n: v for n, v in os.environ.items() if n.startswith("RAY_") or n == "PYTHONBREAKPOINT"}


def _probe(address: str) -> None:
    """Raise `OSError` at once where nobody listens: Ray itself would try for minutes, then end this process."""
    known = host_and_port(address)
    if known is not None:
        socket.create_connection(known, timeout=_PROBE_SECONDS).close()


def _of_ray(process: psutil.Process) -> bool:
    try:
        return "ray" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def _silence(ray: Any) -> None:
    """Keep Ray from printing a page to the driver's standard output, whatever `log_to_driver` says, per dead worker.

    There is no setting for it, and that output may be somebody's JSON lines. What dies is reported in our own words.
    """
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda data, ignore_prefix: _log.debug("%s", data)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """`os.environ` with `values` where it does not name them already, restored after."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)

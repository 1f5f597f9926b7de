"""`ChaosCluster`: a Ray cluster of several nodes on this machine, every one of which can be hurt on its own.

Every node is a `ray start --block` in a session of its own. What it starts, orphans included, stays in that session:
so a node's processes are known at any time, and nobody else's are ever touched.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol, Self

import psutil

TUNED = {
    **{f"RAY_health_check_{name}_ms": "1000" for name in ("initial_delay", "period", "timeout")},
    "RAY_health_check_failure_threshold": "3",
}
"""What makes Ray notice a dead or stopped node within seconds."""
KEEPALIVE = {"RAY_grpc_client_keepalive_time_ms": "1000", "RAY_grpc_client_keepalive_timeout_ms": "2000"}
"""What makes it notice a cut network too; every process of a cluster must have the same, the driver as well."""

_START_SECONDS = 60.0
_STARTS = 3
"""On a busy machine Ray gives up waiting for its own raylet, now and then."""
_WORKER = "ray::RayWorker"


class Place(Protocol):
    """Where a node runs: a command's prefix, and the address that it has there."""

    address: str
    prefix: Sequence[str]


class Node:
    """One `ray start`, and everything that it has started."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, place: Place | None) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.place = place

    def processes(self) -> list[psutil.Process]:
        """All that live, orphans too."""
        return session(self.process.pid)

    def workers(self) -> list[psutil.Process]:
        """The processes that evaluate."""
        return [process for process in self.processes() if command(process).startswith(_WORKER)]

    def part(self, name: str) -> list[psutil.Process]:
        """The processes of Ray's programme of that name: ``raylet``, ``gcs_server``."""
        return [process for process in self.processes() if Path(command(process).partition(" ")[0]).name == name]

    def is_up(self) -> bool:
        """Whether `ray start` says so. Raises `AssertionError` where it has ended."""
        text = self.log.read_text(errors="replace")
        assert self.process.poll() is None, f"node {self.name} has ended: {text[-2000:]}"
        return "Ray runtime started" in text

    def kill(self) -> None:
        """As if the machine's power failed."""
        end(self.processes())
        self.process.wait()


class ChaosCluster:
    """A head without cores, and nodes.

    Parameters
    ----------
    head
        Where the head runs; None: in this machine's own network.
    variables
        For every process of the cluster, and its drivers (`environment`).
    """

    def __init__(self, *, head: Place | None = None, variables: Mapping[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="evo-"))  # Ray's sockets need a short path
        self.port = free_port()
        host = "127.0.0.1" if head is None else head.address
        self.address = f"{host}:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            **TUNED,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            **(variables or {}),
        }
        self._place = head
        self._started = 0
        self.nodes: list[Node] = []
        self.head = self._start_head()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_head(self) -> Node:
        node = self._start(
            "head",
            ["--head", f"--port={self.port}", "--num-cpus=0", "--include-dashboard=false"],
            self._place,
            {},
        )
        wait_until(node.is_up, _START_SECONDS, "the head is up")
        return node

    def restart_head(self) -> None:
        """A new head at the old address: the nodes of the old one do not know it."""
        self.head = self._start_head()

    def begin(self, cpus: int = 1, *, place: Place | None = None, variables: Mapping[str, str] | None = None) -> Node:
        """Start a node and return at once; see `Node.is_up`."""
        self._started += 1
        node = self._start(
            f"node-{self._started}",
            [f"--address={self.address}", f"--num-cpus={cpus}", f'--resources={{"node-{self._started}": 1}}'],
            place,
            variables or {},
        )
        self.nodes.append(node)
        return node

    def add(
        self,
        cpus: int = 1,
        count: int = 1,
        *,
        places: Sequence[Place] = (),
        variables: Mapping[str, str] | None = None,
    ) -> list[Node]:
        """Start nodes, one after another, and wait until they have joined.

        Not all at once: of two that register in the same moment Ray forgets to answer one, now and then.
        """
        return [self._joined(cpus, places[index] if places else None, variables) for index in range(count)]

    def _joined(self, cpus: int, place: Place | None, variables: Mapping[str, str] | None) -> Node:
        for more in range(_STARTS, 0, -1):
            node = self.begin(cpus, place=place, variables=variables)
            try:
                wait_until(node.is_up, _START_SECONDS, f"{node.name} is up")
                break
            except AssertionError:
                if more == 1:
                    raise
            self.forget(node)
        return node

    def remove(self, node: Node) -> None:
        """The node leaves as an administrator would have it."""
        node.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            node.process.wait(10)
        self.forget(node)

    def forget(self, node: Node) -> None:
        """End what is left of a node."""
        node.kill()
        self.nodes.remove(node)

    def workers(self) -> list[psutil.Process]:
        """The processes that evaluate, on all nodes."""
        return [worker for node in self.nodes for worker in node.workers()]

    def close(self) -> None:
        """End everything."""
        end([process for node in (*self.nodes, self.head) for process in node.processes()])
        for node in (*self.nodes, self.head):
            node.process.wait()
        self.nodes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, name: str, options: list[str], place: Place | None, variables: Mapping[str, str]) -> Node:
        log = self.folder / f"{name}-{monotonic():.3f}.log"
        prefix = [] if place is None else place.prefix
        address = "127.0.0.1" if place is None else place.address
        with log.open("w") as output:
            process = subprocess.Popen(
                [
                    *prefix, str(Path(sys.executable).parent / "ray"), "start", "--block", *options,
                    f"--node-ip-address={address}", "--object-store-memory=80000000", "--disable-usage-stats",
                    "--min-worker-port=0", "--max-worker-port=0", "--include-log-monitor=false",
                    "--dashboard-agent-listen-port=0", f"--temp-dir={self.folder / 'ray'}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self.environment, **variables},
                cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip
        return Node(name, process, log, place)


def session(number: int) -> list[psutil.Process]:
    """The living processes of a session."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == number and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def command(process: psutil.Process) -> str:
    """Its command line as one string; empty where it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def end(processes: Iterable[psutil.Process]) -> None:
    """Kill and wait."""
    processes = list(processes)
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    with suppress(AssertionError):  # whoever should have reaped it has not: it is dead all the same
        wait_until(lambda: not any(_lives(process) for process in processes), 10, "they are dead")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def wait_until(holds: Callable[[], Any], seconds: float, what: str) -> float:
    """Poll; how long it took. Raises `AssertionError` when the time is up."""
    began = monotonic()
    while not holds():
        assert monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        sleep(0.02)
    return monotonic() - began

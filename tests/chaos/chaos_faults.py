"""Faults: one function for each, used by the chaos tests and by ``benchmarks/chaos.py``.

A fault is done to processes of a `ChaosCluster` or of a `Run` alone. Each returns what was hurt, for a log.
"""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from chaos_cluster import ChaosCluster, Node, wait_until
from chaos_network import NetworkPlace
from chaos_runs import Run


def kill_worker(cluster: ChaosCluster, dice: random.Random) -> str:
    """SIGKILL to one evaluating process."""
    return _signal_one(cluster.workers(), dice, signal.SIGKILL)


def stop_worker(cluster: ChaosCluster, dice: random.Random) -> str:
    """SIGSTOP to one evaluating process: it lives, and does nothing for ever."""
    return _signal_one(cluster.workers(), dice, signal.SIGSTOP)


def kill_all_workers(cluster: ChaosCluster) -> str:
    """SIGKILL to every evaluating process at once."""
    return _signal_all(cluster.workers(), signal.SIGKILL)


def kill_node(node: Node) -> str:
    """All of the node's processes at once, as by a power cut."""
    node.kill()
    return node.name


def kill_raylet(node: Node) -> str:
    """Only the node's raylet: its workers may live on and deliver."""
    return f"{node.name}: {_signal_all(node.part('raylet'), signal.SIGKILL)}"


def stop_node(node: Node) -> str:
    """SIGSTOP to all of the node's processes: connections stay open, nothing answers."""
    return f"{node.name}: {_signal_all(node.processes(), signal.SIGSTOP)}"


def continue_node(node: Node) -> str:
    """SIGCONT: what was stopped goes on, unaware."""
    return f"{node.name}: {_signal_all(node.processes(), signal.SIGCONT)}"


def node_leaves(cluster: ChaosCluster, node: Node) -> str:
    """An orderly shutdown of a node."""
    cluster.remove(node)
    return node.name


def node_joins(cluster: ChaosCluster, cpus: int = 1) -> str:
    """One more node."""
    return cluster.add(cpus)[0].name


def partition(node: Node) -> str:
    """The network between the node and all others is gone."""
    _place(node).cut_off()
    return node.name


def heal(node: Node) -> str:
    """The network is back."""
    _place(node).reconnect()
    return node.name


def kill_head(cluster: ChaosCluster) -> str:
    """All of the head's processes at once."""
    return kill_node(cluster.head)


@contextmanager
def slow_node(node: Node, share: float = 0.9, period: float = 0.2) -> Iterator[None]:
    """While this lasts, the node's workers are stopped for a share of the time."""
    over = threading.Event()

    def brake() -> None:
        while not over.is_set():
            workers = node.workers()
            _signal_all(workers, signal.SIGSTOP)
            over.wait(share * period)
            _signal_all(workers, signal.SIGCONT)
            over.wait((1.0 - share) * period)

    thread = threading.Thread(target=brake, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kill_driver(run: Run) -> str:
    """SIGKILL to the process that holds the run; under ``--supervise`` that is the child."""
    victim = run.driver()
    victim.kill()
    with suppress(psutil.NoSuchProcess):  # its own parent takes note of it
        wait_until(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE, 5, "it is dead")
    return str(victim.pid)


def kill_own_raylet(run: Run) -> str:
    """SIGKILL to the raylet of the Ray that the run has started for itself: Ray then ends the driver too."""
    return _signal_all([process for process in run.processes() if process.name() == "raylet"], signal.SIGKILL)


def _signal_one(processes: list[psutil.Process], dice: random.Random, number: signal.Signals) -> str:
    if not processes:
        return "nobody"
    return _signal_all([dice.choice(sorted(processes, key=lambda process: process.pid))], number)


def _signal_all(processes: list[psutil.Process], number: signal.Signals) -> str:
    hit = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
            hit.append(str(process.pid))
    return ", ".join(hit) or "nobody"


def _place(node: Node) -> NetworkPlace:
    assert isinstance(node.place, NetworkPlace), f"{node.name} has no network of its own"
    return node.place

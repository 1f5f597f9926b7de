"""The registry of workers and nodes: who is there, since when, on which machine, and how it has behaved.

A *slot* is a seat for one worker on one node. Its worker may die and be replaced; the slot stays. Nothing here decides
anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .circuit_breaker import CircuitBreaker

VERSIONS = ("python", "ray", "numpy", "numba", "evo")
"""What must be the same on every node: the same bits come only from the same code."""


class WorkerStatus(StrEnum):
    """Where a slot's worker stands."""

    STARTING = "starting"
    """Asked for, not yet ready."""
    ALIVE = "alive"
    DEAD = "dead"
    """Gone; it may be replaced."""
    RETIRED = "retired"
    """Gone for good: its node left, or its restarts are used up."""


class NodeStatus(StrEnum):
    """Where a node stands."""

    ALIVE = "alive"
    UNHEALTHY = "unhealthy"
    """There, but it gets no new work."""
    LOST = "lost"
    REFUSED = "refused"
    """Its versions differ from the driver's."""


@dataclass(slots=True)
class Worker:
    """A slot and the worker that sits in it."""

    id: str
    node: str
    breaker: CircuitBreaker
    status: WorkerStatus = WorkerStatus.STARTING
    since: float = 0.0
    """When its status last changed, seconds of the manager's clock."""
    pid: int | None = None
    incarnation: int = 0
    """How many workers sat in this slot before."""
    failures: int = 0
    """All that were seen here, poison included."""
    blame: list[object] = field(default_factory=list)
    """Causes of the losses since the last delivered chunk: restarts in a row are counted by them."""
    restart_due: float = 0.0
    last_heartbeat: float | None = None
    load: int = 0
    """Chunks under way."""
    delivered: int = 0


@dataclass(slots=True)
class Node:
    """A machine."""

    id: str
    breaker: CircuitBreaker
    address: str = ""
    status: NodeStatus = NodeStatus.ALIVE
    since: float = 0.0
    failures: int = 0
    last_heartbeat: float | None = None
    reason: str = ""
    """Why it is unhealthy, lost or refused."""


class WorkerRegistry:
    """Workers and nodes by id, in the order in which they came."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.nodes: dict[str, Node] = {}

    def on_node(self, node: str) -> list[Worker]:
        """The slots of a node."""
        return [worker for worker in self.workers.values() if worker.node == node]

    def alive(self) -> list[Worker]:
        """The slots whose worker lives."""
        return [worker for worker in self.workers.values() if worker.status is WorkerStatus.ALIVE]

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Workers and nodes as plain values, for events and ``result.json``."""
        return {
            "workers": [
                {
                    "id": w.id,
                    "address": self.nodes[w.node].address if w.node in self.nodes else "",
                    "node": w.node,
                    "status": w.status.value,
                    "since": w.since,
                    "pid": w.pid,
                    "restarts": w.incarnation,
                    "failures": w.failures,
                    "delivered": w.delivered,
                    "last_heartbeat": w.last_heartbeat,
                    "breaker": w.breaker.state.value,
                }
                for w in self.workers.values()
            ],
            "nodes": [
                {
                    "id": n.id,
                    "address": n.address,
                    "status": n.status.value,
                    "since": n.since,
                    "failures": n.failures,
                    "last_heartbeat": n.last_heartbeat,
                    "breaker": n.breaker.state.value,
                    "reason": n.reason,
                }
                for n in self.nodes.values()
            ],
        }


def version_differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """What a joining node has otherwise, one phrase each; empty: it may be admitted.

    Parameters
    ----------
    ours, theirs
        Versions by the names in `VERSIONS`; one that is absent differs from one that is there.
    """
    return [
        f"{name}: expected {ours.get(name, 'none')}, found {theirs.get(name, 'none')}"
        for name in VERSIONS
        if ours.get(name) != theirs.get(name)
    ]

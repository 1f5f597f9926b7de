"""`ClusterWatch`: which nodes are there, and whether the head is, asked by threads: nobody waits for the answer.

Ray says so in 0.5 ms while the head lives, and late or never when it does not. So one thread tries the head's port, and
another asks as long as it is open: a head that dies while it is asked is missed as soon as any other. A head that is
stopped accepts connections all the same, and is told by questions that stay without an answer.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

PERIOD_SECONDS = 1.0
_AGAIN_SECONDS = 0.3
"""Between two attempts to reach a head that did not answer."""
_CONNECT_SECONDS = 2.0
_REFUSALS = 3
"""Attempts or questions in a row after which the head is taken for lost."""
_ASK_SECONDS = 5.0
"""A question's time limit, where it can have one."""
_SILENCE_SECONDS = 15.0
"""A question that has no answer by then will have none."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node that is alive."""

    id: str
    address: str
    resources: Mapping[str, float]


def views(nodes: Iterable[Mapping[str, Any]]) -> dict[str, NodeView]:
    """What ``ray.nodes()`` says of the living, by id."""
    return {
        node["NodeID"]: NodeView(node["NodeID"], str(node.get("NodeManagerAddress", "")), dict(node["Resources"]))
        for node in nodes
        if node["Alive"]
    }


def asking(ray: Any) -> Callable[[], Iterable[Mapping[str, Any]]]:
    """What asks for the nodes as ``ray.nodes`` does, which has no time limit.

    Worse, where ``ray.nodes`` is under way when the head dies, Ray 2.60 ends this process as soon as another head
    listens at the same address (a failed check: ``WrongClusterID``). Its client for the head reports that as an error.
    """
    worker = getattr(getattr(ray, "_private", None), "worker", None)
    client = getattr(getattr(worker, "global_worker", None), "gcs_client", None)
    if client is None:  # connected by ray://, where the question goes to a proxy
        return ray.nodes  # type: ignore[no-any-return]  # ray has no types

    def ask() -> list[dict[str, Any]]:
        return [
            {
                "NodeID": node.node_id.hex(),
                "Alive": node.state == node.ALIVE,
                "NodeManagerAddress": node.node_manager_address,
                "Resources": dict(node.resources_total),
            }
            for node in client.get_all_node_info(timeout=_ASK_SECONDS).values()
        ]

    return ask


class ClusterWatch:
    """See the module.

    Parameters
    ----------
    ask
        Gives what ``ray.nodes`` does (see `asking`).
    head
        Host and port of the head; None: not known, and not tried.
    """

    def __init__(
        self,
        ask: Callable[[], Iterable[Mapping[str, Any]]],
        head: tuple[str, int] | None,
        period: float = PERIOD_SECONDS,
    ) -> None:
        self._ask = ask
        self._head = head
        self._period = period
        self._nodes: dict[str, NodeView] | None = None
        self._refused = 0
        """Attempts in a row to reach the head, …"""
        self._failed = 0
        """… and questions in a row, that were of no use."""
        self._trouble = ""
        self._asked: float | None = None
        self._stopped = threading.Event()
        loops = [self._ask_again_and_again] if head is None else [self._ask_again_and_again, self._knock]
        self._threads = [threading.Thread(target=loop, name="evo-cluster-watch", daemon=True) for loop in loops]

    def start(self) -> ClusterWatch:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def nodes(self) -> dict[str, NodeView] | None:
        """The nodes alive when last heard of; None before the first answer. Returns at once."""
        return self._nodes

    def head_trouble(self) -> str:
        """Why the head must be taken for lost; empty while there is no reason to. Returns at once."""
        if max(self._refused, self._failed) >= _REFUSALS:
            return self._trouble
        asked = self._asked
        if asked is not None and monotonic() - asked > _SILENCE_SECONDS:
            return f"no answer within {_SILENCE_SECONDS:.0f} s"
        return ""

    def stop(self) -> None:
        """End the threads; one that waits for an answer that never comes is left behind."""
        self._stopped.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(0.5)

    def _knock(self) -> None:
        assert self._head is not None
        while not self._stopped.is_set():
            trouble = unreachable(self._head, _CONNECT_SECONDS)
            if trouble:
                self._trouble = trouble
            self._refused = self._refused + 1 if trouble else 0
            self._stopped.wait(_AGAIN_SECONDS if trouble else self._period)

    def _ask_again_and_again(self) -> None:
        while not self._stopped.is_set():
            if self._refused:
                self._stopped.wait(_AGAIN_SECONDS)
                continue
            self._asked = monotonic()
            try:
                self._nodes = views(self._ask())
                self._failed = 0
            except Exception as error:  # Ray's, of many kinds: a question without an answer, to be asked again
                self._trouble = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                self._failed += 1
            finally:
                self._asked = None
            self._stopped.wait(_AGAIN_SECONDS if self._failed else self._period)


def unreachable(address: tuple[str, int], time_limit: float) -> str:
    """Why nobody can be reached there; empty: somebody can."""
    try:
        socket.create_connection(address, timeout=time_limit).close()
    except OSError as error:
        return f"{address[0]}:{address[1]}: {error.strerror or error}"
    return ""


def host_and_port(address: str) -> tuple[str, int] | None:
    """From ``host:port`` or ``ray://host:port``; None where it is neither."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdecimal() else None

"""`ClusterWatch`: which nodes are there, and whether the head is, asked by a thread: nobody waits for the answer.

Ray says so in 0.5 ms while the head lives, and never answers when it does not: so the head's port is tried first. A
head that is stopped accepts connections all the same, and is told by a question that stays without an answer.
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
"""Attempts in a row after which the head is taken for lost."""
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


class ClusterWatch:
    """See the module.

    Parameters
    ----------
    ask
        ``ray.nodes``.
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
        self._trouble = ""
        self._asked: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evo-cluster-watch", daemon=True)

    def start(self) -> ClusterWatch:
        """Begin."""
        self._thread.start()
        return self

    def nodes(self) -> dict[str, NodeView] | None:
        """The nodes alive when last heard of; None before the first answer. Returns at once."""
        return self._nodes

    def head_trouble(self) -> str:
        """Why the head must be taken for lost; empty while there is no reason to. Returns at once."""
        if self._refused >= _REFUSALS:
            return self._trouble
        asked = self._asked
        if asked is not None and monotonic() - asked > _SILENCE_SECONDS:
            return f"no answer within {_SILENCE_SECONDS:.0f} s"
        return ""

    def stop(self) -> None:
        """End the thread; one that waits for an answer that never comes is left behind."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(0.5)

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._reaches_head():
                self._stopped.wait(_AGAIN_SECONDS)
                continue
            self._asked = monotonic()
            try:
                self._nodes = views(self._ask())
            except Exception as error:  # Ray's, of many kinds: a question without an answer, to be asked again
                self._refused += 1
                self._trouble = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                self._stopped.wait(_AGAIN_SECONDS)
                continue
            finally:
                self._asked = None
            self._refused = 0
            self._stopped.wait(self._period)

    def _reaches_head(self) -> bool:
        if self._head is None:
            return True
        trouble = unreachable(self._head, _CONNECT_SECONDS)
        if trouble:
            self._refused += 1
            self._trouble = trouble
        return not trouble


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

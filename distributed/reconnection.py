"""`Reconnection`: the way to a cluster after the head was lost: try the head's port, connect, and again until it holds.

A private cluster is started anew.
"""

from __future__ import annotations

from math import inf
from time import monotonic, sleep

from evo.errors import ExecutorError

from .cluster_watch import host_and_port, unreachable
from .ray_start import CONNECT_SECONDS, RayCluster

_PATIENCE_SECONDS = {"stop": 15.0, "local": 120.0, "wait": inf}
"""How long a head that is lost is sought, by ``on_cluster_loss``: with ``local`` nobody has to wait for it."""
_RETRY_SECONDS = 1.0


class Reconnection:
    """See the module.

    Parameters
    ----------
    lost
        The connection that is no more, closed.
    head
        Where the head was, for an address that does not say so; None: not known.
    reason
        Why it is lost.
    on_cluster_loss
        The user's setting.
    """

    def __init__(self, lost: RayCluster, head: tuple[str, int] | None, reason: str, on_cluster_loss: str) -> None:
        self.cluster = lost
        """The newest attempt; whoever uses this closes it."""
        self._reason = reason
        self._where = None if lost.address is None else host_and_port(lost.address) or head
        seconds = CONNECT_SECONDS if lost.address is None else _PATIENCE_SECONDS[on_cluster_loss]
        self._until = monotonic() + seconds
        self._next = 0.0
        self._starting = False

    def connected(self, timeout: float) -> bool:
        """One step of up to `timeout` seconds; whether `cluster` can be used. Raises `ExecutorError` at the end of the
        time."""
        now = monotonic()
        if now > self._until:
            raise ExecutorError(f"{self._reason}; it did not return within the time")
        if not self._starting:
            if now < self._next:
                sleep(min(timeout, self._next - now))
                return False
            self._next = now + _RETRY_SECONDS
            if self._where is not None and unreachable(self._where, _RETRY_SECONDS):
                return False
            self.cluster = self.cluster.again()
            self.cluster.start()
            self._starting = True
        try:
            return self.cluster.started(timeout)
        except ExecutorError as error:
            self.failed(error)
            return False

    def failed(self, error: Exception) -> None:
        """The newest attempt is of no use: another one follows."""
        self._reason = str(error)
        self.cluster.close()
        self._starting = False

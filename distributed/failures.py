"""Failures and their classes: what was seen to go wrong, and how an exception of Ray's or of the user's is sorted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class FailureType(StrEnum):
    """The class of a failure: it says who is to blame, and so what is done about it."""

    WORKER_CRASH = "worker_crash"
    """The worker's process is gone: a signal, a segmentation fault, `os._exit`."""
    TASK_TIMEOUT = "task_timeout"
    """A chunk or an individual passed its deadline; its worker was killed."""
    NETWORK_ERROR = "network_error"
    """A message or an object was lost on its way; nobody's evaluation is at fault."""
    OUT_OF_MEMORY = "out_of_memory"
    """The evaluation needed more memory than there was."""
    EVALUATION_ERROR = "evaluation_error"
    """The user's code raised; the worker is not to blame."""
    NODE_LOST = "node_lost"
    """A machine is gone with all its workers."""
    HEAD_LOST = "head_lost"
    """The cluster's head is gone: nothing new can be started, what runs may go on."""
    INVALID_RESULT = "invalid_result"
    """The result is NaN, infinite or of a wrong shape; the worker is not to blame."""


DETERMINISTIC = frozenset({FailureType.EVALUATION_ERROR, FailureType.INVALID_RESULT})
"""Raised by the evaluation itself: seen twice, it is the individual's and not a machine's."""

LOSSES = frozenset({FailureType.WORKER_CRASH, FailureType.NODE_LOST, FailureType.OUT_OF_MEMORY})
"""A process went away with whatever it was doing: evidence against a row only where the row was alone."""

NEVER_THE_ROW = frozenset({FailureType.NETWORK_ERROR, FailureType.HEAD_LOST})
"""Says nothing about the individuals that were under way."""

BLAMES_SLOT = frozenset(
    {FailureType.WORKER_CRASH, FailureType.TASK_TIMEOUT, FailureType.NETWORK_ERROR, FailureType.OUT_OF_MEMORY}
)
"""Counted by the slot's breaker, until the chunk turns out to be poisonous."""

ENDS_WORKER = frozenset(
    {FailureType.WORKER_CRASH, FailureType.TASK_TIMEOUT, FailureType.OUT_OF_MEMORY, FailureType.NODE_LOST}
)
"""The worker no longer exists afterwards (a worker whose deadline passed is killed)."""


@dataclass(frozen=True, slots=True)
class FailureEvent:
    """One failure as it was seen."""

    kind: FailureType
    time: float
    """Seconds of the manager's clock."""
    error: str = ""
    """One line: the exception's type and text."""
    traceback: str = ""
    slot: str | None = None
    node: str | None = None
    task: str | None = None
    """The chunk or task that was under way."""
    rows: tuple[int, ...] = ()
    """Positions in the batch of the individuals that were under way."""
    suspects: tuple[int, ...] = ()
    """Those of them that are known to have been evaluated when it happened; empty: not known."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for an event, which has a time of its own."""
        fields = asdict(self)
        del fields["time"]
        fields["kind"] = self.kind.value
        return fields


# Class names, so that sorting an exception never imports Ray. The first match along the MRO counts; names of
# subclasses stand for themselves and need no order here.
_BY_NAME = {
    "InvalidRow": FailureType.INVALID_RESULT,
    "MemoryError": FailureType.OUT_OF_MEMORY,
    "OutOfMemoryError": FailureType.OUT_OF_MEMORY,
    "ObjectStoreFullError": FailureType.OUT_OF_MEMORY,
    "OutOfDiskError": FailureType.NODE_LOST,
    "NodeDiedError": FailureType.NODE_LOST,
    "LocalRayletDiedError": FailureType.NODE_LOST,
    "ActorUnschedulableError": FailureType.NODE_LOST,
    "TaskUnschedulableError": FailureType.NODE_LOST,
    "RpcError": FailureType.NETWORK_ERROR,
    "ActorUnavailableError": FailureType.NETWORK_ERROR,
    "ObjectLostError": FailureType.NETWORK_ERROR,
    "ObjectFetchTimedOutError": FailureType.NETWORK_ERROR,
    "ConnectionError": FailureType.NETWORK_ERROR,
    "RaySystemError": FailureType.NETWORK_ERROR,
    "GetTimeoutError": FailureType.TASK_TIMEOUT,
    "TaskCancelledError": FailureType.TASK_TIMEOUT,
    "WorkerCrashedError": FailureType.WORKER_CRASH,
    "ActorDiedError": FailureType.WORKER_CRASH,
    "RayActorError": FailureType.WORKER_CRASH,
    "RuntimeEnvSetupError": FailureType.WORKER_CRASH,
    "AuthenticationError": FailureType.HEAD_LOST,
    "UserCodeException": FailureType.EVALUATION_ERROR,
    "UnserializableException": FailureType.EVALUATION_ERROR,
    "RayError": FailureType.NETWORK_ERROR,  # any other of Ray's own: nobody's evaluation
}


def classify(exception: BaseException) -> FailureType:
    """Sort an exception by the names of its classes, the most specific first.

    What the user's code raised in a worker comes as Ray's ``RayTaskError`` and is an `EVALUATION_ERROR`, whatever its
    class; except an `InvalidRow` and a `MemoryError`, which keep their meaning. An exception of no known class is the
    evaluation's too.
    """
    names = [cls.__name__ for cls in type(exception).__mro__]
    if "RayTaskError" in names:
        cause = getattr(exception, "cause", None)
        inner = {*names, *(cls.__name__ for cls in type(cause).__mro__)}
        for name in ("InvalidRow", "MemoryError"):
            if name in inner:
                return _BY_NAME[name]
        return FailureType.EVALUATION_ERROR
    for name in names:
        if name in _BY_NAME:
            return _BY_NAME[name]
    return FailureType.EVALUATION_ERROR

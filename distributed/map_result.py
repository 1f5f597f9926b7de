"""What `map` gives: `MapResult`, a list that knows its failures; and the errors that carry one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evo.errors import RunFailedError


@dataclass(frozen=True, slots=True)
class MapFailure:
    """An item that has no result."""

    index: int
    """Its position among the items."""
    kind: str
    """A `FailureType` value: ``evaluation_error``, ``task_timeout``, ``worker_crash``, ``out_of_memory``, …"""
    error: str
    """One line."""
    exception: Exception | SystemExit
    """What the function raised; an `ItemError` where it raised nothing, or what cannot be sent from a worker."""
    traceback: str = ""
    """Where it was raised; empty where nothing was."""


class MapResult(list[Any]):
    """The results in the order of their items. A list, with more.

    Parameters
    ----------
    results
        By the items' positions.
    failures
        All items that failed.
    seconds
        From the workers being ready to the last result: without Ray's start.
    """

    def __init__(
        self, results: dict[int, Any] | None = None, failures: Iterable[MapFailure] = (), seconds: float = 0.0
    ) -> None:
        results = results or {}
        self.indices = sorted(results)
        """The positions of the items whose results these are: all of them, unless some failed or it ended early."""
        super().__init__(results[index] for index in self.indices)
        self.failures = sorted(failures, key=lambda failure: failure.index)
        self.seconds = seconds


class ItemError(RunFailedError):
    """An item has no result: the text says which one, and what happened."""


class MapError(RunFailedError):
    """A `map` that could not go on; `partial` holds the results that there are."""

    def __init__(self, message: str, partial: MapResult) -> None:
        super().__init__(message)
        self.partial = partial


class MapInterrupted(KeyboardInterrupt):
    """Ctrl-C during a `map`; `partial` holds the results that there are."""

    def __init__(self, partial: MapResult) -> None:
        super().__init__()
        self.partial = partial

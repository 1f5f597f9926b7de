"""`MapEvaluator`: what runs in a worker for `map`: any function of one item.

Rows are items; results are `Reply` objects, the values in them pickled one by one: what cannot be pickled, or raises,
is that item's failure and nobody else's. So the executor never sees an exception of the function's.
"""

from __future__ import annotations

import inspect
import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
from threadpoolctl import threadpool_limits

from .executor import Arrays, Context, Interrupted
from .threads import VARIABLES

_ERROR_LENGTH = 500


class Reply(NamedTuple):
    """What became of one item."""

    value: Any = None
    """The result, or the exception, where there is one that can travel."""
    kind: str = ""
    """A `FailureType` value; empty: no failure."""
    error: str = ""
    """One line."""
    traceback: str = ""


def column(things: list[Any]) -> np.ndarray:
    """A column of objects, one per row: (n,), whatever the things are (numpy would look into lists)."""
    array = np.empty(len(things), dtype=object)
    for at, thing in enumerate(things):
        array[at] = thing
    return array


class MapEvaluator:
    """Calls the function, in this process.

    Parameters
    ----------
    function
        ``f(item)``; with something shared ``f(item, shared)``, by the keyword ``shared`` where it has one.
    attempts
        Calls that an item gets while the function raises, the first one included.
    threads
        That numerical libraries may use.
    """

    block = 1

    def __init__(self, function: Callable[..., Any], attempts: int, threads: int) -> None:
        self.function = function
        self.attempts = attempts
        self.threads = threads
        self._shared: Any = None

    def share(self, shared: Any) -> None:
        """Take what every call gets besides its item."""
        self._shared = shared

    def warm_up(self) -> None:
        if self.threads > 1:  # as many cores as are reserved; an executor allows one, and sees that this ends
            os.environ.update(dict.fromkeys(VARIABLES, str(self.threads)))
            threadpool_limits(limits=self.threads)
        if self._shared is not None:
            self.function = _with_shared(self.function, self._shared)

    def evaluate(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        return {"reply": column([self._reply(item) for item in rows["item"]])}

    def placeholder(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        return {"reply": column([Reply(None, "invalid_result", "no result")] * len(rows["row"]))}

    def _reply(self, item: Any) -> Reply:
        failure: BaseException | None = None
        for _ in range(self.attempts):
            try:
                value = self.function(self._received(item))
            except Interrupted:  # a signal's, raised inside the function
                raise
            except (Exception, SystemExit) as error:
                failure = error
            else:
                return self._sent(value)
        assert failure is not None
        return self._failed(failure, "out_of_memory" if isinstance(failure, MemoryError) else "evaluation_error")

    def _failed(self, failure: BaseException, kind: str) -> Reply:
        line = " ".join("".join(traceback.format_exception_only(failure)).split())[:_ERROR_LENGTH]
        frames = failure.__traceback__.tb_next if failure.__traceback__ is not None else None  # without `_reply`
        text = "".join(traceback.format_exception(type(failure), failure, frames))
        return Reply(self._exception(failure), kind, line, text)

    def _received(self, item: Any) -> Any:
        return item

    def _sent(self, value: Any) -> Reply:
        return Reply(value)

    def _exception(self, failure: BaseException) -> Any:
        return failure


class TravellingMapEvaluator(MapEvaluator):
    """The same in another process: items come pickled, results go pickled."""

    def _received(self, item: Any) -> Any:
        return pickle.loads(item)

    def _sent(self, value: Any) -> Reply:
        try:
            return Reply(cloudpickle.dumps(value))
        except Exception as error:
            reply = self._failed(error, "invalid_result")
            return reply._replace(error=f"the result, {type(value).__name__}, cannot be pickled: {reply.error}")

    def _exception(self, failure: BaseException) -> Any:
        try:
            packed = cloudpickle.dumps(failure)
            pickle.loads(packed)  # an __init__ of its own may refuse what pickle gives it
        except Exception:
            return None
        return packed


def _with_shared(function: Callable[..., Any], shared: Any) -> Callable[[Any], Any]:
    try:
        keyword = "shared" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in C
        keyword = False
    return (lambda item: function(item, shared=shared)) if keyword else (lambda item: function(item, shared))

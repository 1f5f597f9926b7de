"""`map`: any function over many items, by the executors and the fault tolerance that runs use.

Not in a module called ``map``: importing that would put the module in the place of the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Literal

import numpy as np

from evo.errors import ExecutorError, SettingsError

from . import available_cores
from .executor import Batch, ChunkResult, Executor, Interrupted
from .fault_tolerance_config import FaultToleranceConfig
from .map_evaluator import MapEvaluator, Reply, TravellingMapEvaluator, column
from .map_result import ItemError, MapError, MapFailure, MapInterrupted, MapResult
from .resources import Resources
from .shipping import pickled, user_modules

OnError = Literal["raise", "skip", "return"]
Progress = Callable[[int, int], object]

LONG_SECONDS = 600.0
"""No measured deadline is shorter while there is no `timeout`: one item may cost a thousand times what another does."""
SHORT_SECONDS = 5.0
"""The same where there is one, or the timeout itself where that is shorter."""


def map(
    function: Callable[..., Any],
    items: Iterable[Any],
    *,
    workers: int | str = "auto",
    address: str | None = None,
    max_retries: int = 3,
    timeout: float | None = None,
    on_error: OnError = "raise",
    num_cpus: float = 1,
    num_gpus: float = 0,
    memory: float | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    shared: Any = None,
    progress: Progress | None = None,
    fault_tolerance: Mapping[str, Any] | None = None,
) -> MapResult:
    """Call a function for every item, in worker processes; workers and nodes may die.

    A private Ray cluster takes 4-10 s to start; where this process is connected to Ray already, that cluster is used.

    Parameters
    ----------
    function
        ``f(item)``; with something shared ``f(item, shared)``, by the keyword ``shared`` where it has one. An item
        may be given to it more than once, since workers are lost, and slow ones are helped: it should have no other
        effect than its result, or one that may happen twice.
    items
        All are pickled before the first call, a few of them at a time are sent to each worker.
    workers
        n: so many Ray workers; ``"auto"``: as many as there is room for; 0: in this process, which protects from
        exceptions but not from hangs and crashes.
    address
        An existing Ray cluster: ``auto``, ``host:port``, ``ray://host:port``. None: a private one.
    max_retries
        Attempts that an item gets, the first one included.
    timeout
        Seconds that an item may take; then its worker is killed. None: any time.
    on_error
        When an item fails for good: ``"raise"`` a `MapError` at once, ``"skip"`` the item, or ``"return"`` the
        exception in its place.
    num_cpus, num_gpus, memory
        What each worker reserves; memory in bytes. Numerical libraries may use `num_cpus` threads.
    runtime_env
        Ray's, for the workers.
    shared
        Large data for every call, sent once to each node: arrays in it are read-only there, and not copied.
    progress
        ``f(done, total)``, called whenever some more items are done or given up.
    fault_tolerance
        More settings, as in a problem.yaml; they win over `max_retries` and `timeout`.

    Returns
    -------
    MapResult
        A list of results in the order of the items, with `failures`.

    Raises
    ------
    MapError
        An item failed and `on_error` is ``"raise"``: from what the function raised; or the workers were lost. Its
        `partial` is the `MapResult` so far.
    MapInterrupted
        Ctrl-C, a KeyboardInterrupt with `partial`.
    SettingsError
        A wrong argument.
    ProblemError
        The function or an item cannot be sent to workers.
    """
    _check(workers, on_error, num_cpus, num_gpus, memory)
    config = _config(max_retries, timeout, fault_tolerance)
    attempts = config.max_retries if config.enable_fault_tolerance else 1
    threads = max(1, int(num_cpus))
    everything = list(items)
    if not everything:
        return MapResult()
    executor: Executor
    evaluator: MapEvaluator
    if workers == 0:
        for name, value in (("timeout", config.evaluation_timeout), ("runtime_env", runtime_env)):
            if value is not None:
                raise SettingsError(f"{name}: expected None with workers=0, found {value!r}: it needs a worker process")
        from .in_process import InProcessExecutor

        executor = InProcessExecutor()
        evaluator = MapEvaluator(function, attempts, threads)
        evaluator.share(shared)
    else:
        from .map_executor import MapExecutor

        resources = Resources(num_cpus, num_gpus, memory or 0.0, runtime_env)
        count = None if workers == "auto" else int(workers)
        cores = max(available_cores(), math.ceil(num_cpus))
        executor = MapExecutor(count, address, config, resources=resources, shared=shared, cores=cores)
        evaluator = TravellingMapEvaluator(function, attempts, threads)
        pickled(function, "function")  # the executor would complain of a problem
        modules = user_modules()
        everything = [pickled(item, f"items[{index}]", modules) for index, item in enumerate(everything)]
    return _mapped(executor, evaluator, everything, on_error, progress)


def _mapped(
    executor: Executor, evaluator: MapEvaluator, items: Sequence[Any], on_error: OnError, progress: Progress | None
) -> MapResult:
    ledger = _Ledger(len(items), on_error, progress, unpack=isinstance(evaluator, TravellingMapEvaluator))
    rows = {"row": np.arange(len(items)), "item": column(list(items))}
    try:
        try:
            executor.start(evaluator, lambda kind, fields: None, ledger.delivered)
            ledger.began = monotonic()
            executor.submit(Batch(0, rows, {}))
            executor.collect(ledger.is_over)
        except Interrupted:
            if not ledger.is_over():
                raise  # the caller's own: this was called in an evaluation
        except ExecutorError as error:
            raise MapError(str(error), ledger.result()) from error
        except KeyboardInterrupt as error:
            raise MapInterrupted(ledger.result()) from error
    finally:
        executor.close()
    result = ledger.result()
    if on_error == "raise" and result.failures:
        failure = result.failures[0]
        of = f"{len(result)} of {len(items)} items are done"
        raise MapError(f"items[{failure.index}]: {failure.error}; {of}", result) from failure.exception
    return result


class _Ledger:
    """What is known of the items."""

    def __init__(self, count: int, on_error: OnError, progress: Progress | None, *, unpack: bool) -> None:
        self.began = monotonic()
        self._count = count
        self._on_error = on_error
        self._progress = progress
        self._unpack = unpack
        self._results: dict[int, Any] = {}
        self._failures: dict[int, MapFailure] = {}

    def delivered(self, generation: int, rows: Sequence[int], result: ChunkResult) -> None:
        """Take replies, and what was given up (see `executor.Delivered`)."""
        before = self._done()
        given_up = {failure.row: failure for failure in result.failures}
        for row, failure in given_up.items():
            self._fail(row, Reply(None, failure.kind, failure.error, failure.traceback))
        for row, reply in zip(rows, result.arrays.get("reply", ()), strict=False):
            if row in self._results or row in given_up:
                continue
            if reply.kind:
                self._fail(row, self._unpacked(reply, optional=True))
                continue
            reply = self._unpacked(reply)
            if reply.kind:
                self._fail(row, reply)
            else:
                self._results[row] = reply.value
        if self._progress is not None and self._done() > before:
            self._progress(self._done(), self._count)

    def is_over(self) -> bool:
        """Whether the rest need not be waited for."""
        return self._on_error == "raise" and bool(self._failures)

    def result(self) -> MapResult:
        """All that is known now."""
        results = dict(self._results)
        if self._on_error == "return":
            results.update((index, failure.exception) for index, failure in self._failures.items())
        return MapResult(results, self._failures.values(), monotonic() - self.began)

    def _done(self) -> int:
        return len(self._results) + len(self._failures)

    def _unpacked(self, reply: Reply, *, optional: bool = False) -> Reply:
        """The reply with its value as an object; a failure where that cannot be made (None with `optional`)."""
        if not self._unpack or reply.value is None:
            return reply
        import pickle

        try:
            return reply._replace(value=pickle.loads(reply.value))
        except Exception as error:
            if optional:
                return reply._replace(value=None)
            return Reply(None, "invalid_result", f"the result cannot be unpickled: {type(error).__name__}: {error}")

    def _fail(self, row: int, reply: Reply) -> None:
        if row in self._failures or row in self._results:
            return
        exception = reply.value
        if exception is None:
            exception = ItemError(f"items[{row}]: {reply.kind}: {reply.error}")
        if reply.traceback and self._unpack:
            exception.add_note(f"in a worker:\n{reply.traceback}")
        self._failures[row] = MapFailure(row, reply.kind, reply.error, exception, reply.traceback)


def _config(max_retries: int, timeout: float | None, more: Mapping[str, Any] | None) -> FaultToleranceConfig:
    floor = LONG_SECONDS if timeout is None else min(SHORT_SECONDS, timeout) if _is_positive(timeout) else SHORT_SECONDS
    settings = {
        "max_retries": max_retries,
        "evaluation_timeout": "auto" if timeout is None else timeout,
        "deadline_floor": floor,
        "max_quarantined": 1.0,
    }
    return FaultToleranceConfig.resolve(file={**settings, **(more or {})})


def _check(workers: int | str, on_error: str, num_cpus: float, num_gpus: float, memory: float | None) -> None:
    if workers != "auto" and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 0):
        raise SettingsError(f'workers: expected a whole number, 0 or more, or "auto", found {workers!r}')
    if on_error not in ("raise", "skip", "return"):
        raise SettingsError(f'on_error: expected "raise", "skip" or "return", found {on_error!r}')
    if not _is_positive(num_cpus):
        raise SettingsError(f"num_cpus: expected a number > 0, found {num_cpus!r}")
    if num_gpus != 0 and not _is_positive(num_gpus):
        raise SettingsError(f"num_gpus: expected a number >= 0, found {num_gpus!r}")
    if memory is not None and not _is_positive(memory):
        raise SettingsError(f"memory: expected a number of bytes > 0, found {memory!r}")


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf

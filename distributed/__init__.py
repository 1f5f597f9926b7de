"""Where batches are evaluated: in this process, in local Ray workers, on a cluster; and what is done about failures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .executor import Executor

if TYPE_CHECKING:
    from .fault_tolerance_config import FaultToleranceConfig
    from .map_result import ItemError, MapError, MapFailure, MapInterrupted, MapResult
    from .parallel_map import map

_HOMES = {
    "ItemError": "map_result",
    "MapError": "map_result",
    "MapFailure": "map_result",
    "MapInterrupted": "map_result",
    "MapResult": "map_result",
    "map": "parallel_map",
}

__all__ = ["ItemError", "MapError", "MapFailure", "MapInterrupted", "MapResult", "make_executor", "map"]


def __getattr__(name: str) -> Any:
    """Names that are loaded when they are first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def make_executor(
    workers: int | str,
    address: str | None = None,
    *,
    builtin: bool,
    wait: bool = False,
    config: FaultToleranceConfig | Mapping[str, Any] | None = None,
) -> Executor:
    """The executor for a run.

    Parameters
    ----------
    workers
        0: this process. n: so many Ray workers, which are started at once. ``"auto"``: one per core, started when a
        generation's work is worth it.
    address
        An existing Ray cluster (``auto``, ``host:port``, ``ray://host:port``); None: a private one on this machine.
    builtin
        Whether the problem comes with evo: then this process evaluates too, until the workers are ready and worth it,
        and when they are lost. A user's code, where workers were asked for, runs in workers only, since only those can
        be killed.
    wait
        Whether a built-in problem, too, waits for the workers; that they cannot be started is then an error.
    config
        Fault tolerance; a mapping holds what a file's section ``fault_tolerance`` may hold.

    Raises
    ------
    SettingsError
        For a wrong setting in `config`.
    """
    from .fault_tolerance_config import FaultToleranceConfig
    from .in_process import InProcessExecutor

    if not isinstance(config, FaultToleranceConfig):
        config = FaultToleranceConfig.resolve(file=config)
    tolerant = config.enable_fault_tolerance
    if workers == 0:
        return InProcessExecutor(tolerant=tolerant)
    from .handover import HandoverExecutor
    from .ray_executor import RayExecutor

    count = None if workers == "auto" else int(workers)
    if count is None and address is None:
        count = available_cores()
        if count == 1 and builtin and not wait:  # a worker on the only core would take it from this process
            return InProcessExecutor(tolerant=tolerant)
    on_cluster_loss = config.on_cluster_loss or ("local" if builtin else "stop")
    ray = RayExecutor(count, address, replace(config, on_cluster_loss=on_cluster_loss))
    if not builtin and on_cluster_loss != "local":
        return ray
    return HandoverExecutor(
        ray,
        wait=wait or not builtin,
        eager=workers != "auto",
        falls_back=on_cluster_loss == "local" and tolerant,
        tolerant=tolerant,
    )


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

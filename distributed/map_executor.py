"""`MapExecutor`: a `RayExecutor` whose workers take what each call of `map` asks for, and share large data."""

from __future__ import annotations

from math import ceil
from typing import Any

from .fault_tolerance_config import FaultToleranceConfig
from .ray_executor import RayExecutor
from .ray_start import RayCluster
from .resources import Resources
from .slots import Slots


class MapExecutor(RayExecutor):
    """See the module.

    Parameters
    ----------
    workers
        How many; None: as many as there is room for.
    address
        An existing cluster; None: a private one on this machine, with `cores` CPUs or as many as `workers` need.
    shared
        For the evaluator's `share`; None: nothing.
    """

    def __init__(
        self,
        workers: int | None,
        address: str | None,
        config: FaultToleranceConfig,
        *,
        resources: Resources,
        shared: Any,
        cores: int,
    ) -> None:
        super().__init__(workers, address, config)
        self._cluster = RayCluster(address, cores if workers is None else ceil(workers * resources.cpus))
        self._resources = resources
        self._shared = shared

    def _new_slots(self, ray: Any) -> Slots:
        return Slots(
            ray,
            self._payload,
            self._workers,
            self._resources,
            self._shared,
            tolerant=self.config.enable_fault_tolerance,
        )

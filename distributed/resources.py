"""`Resources`: what each worker takes of its node, and how many workers a node has room for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ROUNDING = 1e-9
"""Ray counts in ten-thousandths: three workers of a third of a CPU each fit."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Reserved for one worker: Ray places by them, and enforces only GPUs (by ``CUDA_VISIBLE_DEVICES``)."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: float = 0.0
    """Bytes."""
    runtime_env: Mapping[str, Any] | None = None
    """Ray's: ``env_vars``, ``pip``, ``working_dir``, …"""

    def room(self, node: Mapping[str, float]) -> int:
        """How many workers fit on an empty node that has these of Ray's resources."""
        wanted = (("CPU", self.cpus), ("GPU", self.gpus), ("memory", self.memory))
        return int(min(node.get(name, 0.0) / amount for name, amount in wanted if amount > 0) + _ROUNDING)

    def options(self) -> dict[str, Any]:
        """For Ray's ``ActorClass.options``."""
        found: dict[str, Any] = {"num_cpus": self.cpus}
        if self.gpus:
            found["num_gpus"] = self.gpus
        if self.memory:
            found["memory"] = int(self.memory)
        if self.runtime_env is not None:
            found["runtime_env"] = dict(self.runtime_env)
        return found

    def __str__(self) -> str:
        parts = [f"{self.cpus:g} CPU"]
        if self.gpus:
            parts.append(f"{self.gpus:g} GPU")
        if self.memory:
            parts.append(f"{self.memory / 1e9:g} GB of memory")
        return ", ".join(parts)


ONE_CORE = Resources()

"""The capacitated vehicle routing problem: instances, search, solutions.

Names are loaded when they are first used: reading an instance must not import the kernels.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checker import check
    from .generator import generate
    from .instance import Instance
    from .problem import CVRP, read
    from .solution import Solution, read_sol, write_sol
    from .vrplib_file import read as read_instance
    from .vrplib_file import write_vrp

_HOMES = {
    "CVRP": ("problem", "CVRP"),
    "Instance": ("instance", "Instance"),
    "Solution": ("solution", "Solution"),
    "check": ("checker", "check"),
    "generate": ("generator", "generate"),
    "read": ("problem", "read"),
    "read_instance": ("vrplib_file", "read"),
    "read_sol": ("solution", "read_sol"),
    "write_sol": ("solution", "write_sol"),
    "write_vrp": ("vrplib_file", "write_vrp"),
}

__all__ = [
    "CVRP",
    "Instance",
    "Solution",
    "check",
    "generate",
    "read",
    "read_instance",
    "read_sol",
    "write_sol",
    "write_vrp",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)

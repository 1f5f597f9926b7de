"""evo: an evolutionary optimization engine whose runs survive anything.

Names are loaded when they are first used, so that ``import evo`` costs next to nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

# A checkout has the package's other folders beside this one. Named here, `evo.distributed` is found in it even where
# nothing was installed, or where the checkout comes before an installed package on the path.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "distributed" / "executor.py").is_file():
    __path__.append(str(_checkout))

if TYPE_CHECKING:
    from evo.api import maximize, minimize
    from evo.archives import HallOfFame, ParetoArchive
    from evo.ask_tell import AskTell
    from evo.callbacks import Callback
    from evo.categorical import Categorical
    from evo.errors import (
        CheckpointError,
        EvoError,
        InstanceError,
        ProblemError,
        RunFailedError,
        SettingsError,
        UsageError,
    )
    from evo.history import History
    from evo.mixed import Mixed
    from evo.problem import Evaluation, Problem
    from evo.result import Result
    from evo.run import resume
    from evo.spaces import Binary, Integer, Permutation, Real
    from evo.stopping import Stop

_HOMES = {
    "CheckpointError": "evo.errors",
    "EvoError": "evo.errors",
    "InstanceError": "evo.errors",
    "ProblemError": "evo.errors",
    "RunFailedError": "evo.errors",
    "SettingsError": "evo.errors",
    "UsageError": "evo.errors",
    "AskTell": "evo.ask_tell",
    "Callback": "evo.callbacks",
    "HallOfFame": "evo.archives",
    "History": "evo.history",
    "ParetoArchive": "evo.archives",
    "Evaluation": "evo.problem",
    "Problem": "evo.problem",
    "Result": "evo.result",
    "maximize": "evo.api",
    "minimize": "evo.api",
    "resume": "evo.run",
    "Binary": "evo.spaces",
    "Categorical": "evo.categorical",
    "Mixed": "evo.mixed",
    "Integer": "evo.spaces",
    "Permutation": "evo.spaces",
    "Real": "evo.spaces",
    "Stop": "evo.stopping",
}

__all__ = [
    "AskTell",
    "Binary",
    "Callback",
    "Categorical",
    "CheckpointError",
    "Evaluation",
    "EvoError",
    "HallOfFame",
    "History",
    "InstanceError",
    "Integer",
    "Mixed",
    "ParetoArchive",
    "Permutation",
    "Problem",
    "ProblemError",
    "Real",
    "Result",
    "RunFailedError",
    "SettingsError",
    "Stop",
    "UsageError",
    "maximize",
    "minimize",
    "resume",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from evo.versions import evo_version

        return evo_version()
    if name in ("checkpoints", "distributed", "problems"):
        import importlib

        return importlib.import_module(f"evo.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'evo' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__", "checkpoints", "distributed", "problems"]

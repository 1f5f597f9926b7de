"""When a run ends: `Stop` names limits, and the first that holds ends the run, between two generations.

Limits count over all parts of a run that was interrupted and resumed. The time limit is the one place where a clock is
read; it can only cut the run short after some whole generation, never change what a generation is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from evo.errors import SettingsError

StopReason = Literal[
    "generations", "evaluations", "time", "target", "stall", "tolerance", "callback", "interrupted", "failed"
]

TOLERANCE_WINDOW = 50
"""Generations of `Stop.window` where it is not given."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Limits of a run; None: no such limit. ``a | b`` stops as soon as either would.

    Parameters
    ----------
    generations
        Generations in all, >= 1.
    time
        Seconds of optimisation in all, > 0: from the first evaluation, without imports, compilation and Ray's start.
    target
        An objective that is good enough, reached by a feasible solution; with several objectives a hypervolume
        (`Problem.reference`).
    stall
        Generations without an improvement of the best, >= 1; with several objectives, of the hypervolume.
    evaluations
        Evaluations in all, >= 1; never exceeded.
    f_tolerance
        >= 0: the run ends when the best feasible objective has got better by no more than this over `window`
        generations; with several objectives, the hypervolume.
    x_tolerance
        >= 0: the run ends when no coordinate of the best feasible point has moved by more than this over `window`
        generations; for one objective, and the spaces Real and Integer.
    window
        Generations that the tolerances look back, >= 1; None: 50.
    """

    generations: int | None = None
    time: float | None = None
    target: float | None = None
    stall: int | None = None
    evaluations: int | None = None
    f_tolerance: float | None = None
    x_tolerance: float | None = None
    window: int | None = None

    def __post_init__(self) -> None:
        for name in ("generations", "stall", "evaluations", "window"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise SettingsError(f"stop.{name}: expected a positive whole number, found {value!r}")
        for name in ("time", "target", "f_tolerance", "x_tolerance"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise SettingsError(f"stop.{name}: expected a finite number, found {value!r}")
        if self.time is not None and self.time <= 0:
            raise SettingsError(f"stop.time: expected seconds above 0, found {self.time!r}")
        for name in ("f_tolerance", "x_tolerance"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise SettingsError(f"stop.{name}: expected a number, 0 or more, found {value!r}")
        if self.window is not None and self.f_tolerance is None and self.x_tolerance is None:
            raise SettingsError(f"stop.window: expected f_tolerance or x_tolerance beside it, found {self.window!r}")

    def __bool__(self) -> bool:
        """Whether there is any limit at all."""
        return any(getattr(self, f.name) is not None for f in fields(self))

    def __or__(self, other: Stop) -> Stop:
        for name in ("target", "f_tolerance", "x_tolerance", "window"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None and theirs is not None and mine != theirs:
                raise SettingsError(f"stop.{name}: expected one value, found {mine!r} and {theirs!r}")
        merged = {}
        for f in fields(self):
            given = [v for v in (getattr(self, f.name), getattr(other, f.name)) if v is not None]
            merged[f.name] = min(given) if given else None
        return Stop(**merged)

    def replaced_by(self, other: Stop | None) -> Stop:
        """These limits with those that `other` names put in their place (new totals of a resumed run)."""
        if other is None:
            return self
        return Stop(**(self.to_mapping() | other.to_mapping()))

    def to_mapping(self) -> dict[str, Any]:
        """The limits that are set, as plain data."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Stop:
        """The inverse of `to_mapping`."""
        return cls(**mapping)

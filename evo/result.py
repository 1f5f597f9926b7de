"""`Result`: what a run gives back, in Python and as `result.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evo.stopping import StopReason


@dataclass(frozen=True, slots=True)
class ParetoFront:
    """What a run with several objectives found: the points that none of the others dominates."""

    x: Any
    """(m, *space.shape)."""
    objectives: np.ndarray
    """(m, k), in the user's sense (maximised where `Problem.directions` says so)."""

    def __len__(self) -> int:
        return len(self.objectives)


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a run; the accounting covers all its parts where it was resumed."""

    x: Any
    """The best point, with the space's shape; None before the first usable evaluation. With several objectives the
    front's, (m, *shape)."""
    objective: Any
    """Its objective, a number in the user's sense (maximised where the problem is). With several objectives the
    front's, a list of m points."""
    feasible: bool
    solution: Any
    """What the problem makes of `x` (routes and cost for CVRP); `x` itself where it makes nothing of it."""
    generations: int
    evaluations: int
    """Individuals committed: no retries; what is quarantined counts."""
    evaluations_by: dict[str, int]
    seconds: float
    stop_reason: StopReason
    seed: int
    quarantined: int
    retries: int
    digest: str
    """Hash of the optimizer's whole state after the last committed generation."""
    front: ParetoFront | None = None
    """With several objectives: the feasible front; the least infeasible points where `feasible` is False."""
    hypervolume: float | None = None
    """The feasible front's, where `Problem.reference` is given."""
    output: Path | None = None
    problem: Any = field(default=None, repr=False)

    def to_mapping(self) -> dict[str, Any]:
        """The fields of `result.json`."""
        several = {} if self.front is None else {"hypervolume": self.hypervolume}
        return {
            "objective": self.objective,
            **several,
            "feasible": self.feasible,
            "generations": self.generations,
            "evaluations": self.evaluations,
            "evaluations_by": self.evaluations_by,
            "seconds": round(self.seconds, 3),
            "stop_reason": self.stop_reason,
            "seed": self.seed,
            "quarantined": self.quarantined,
            "retries": self.retries,
            "digest": self.digest,
        }

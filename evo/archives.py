"""What was best of all that was evaluated, whatever the optimizer keeps: a hall of fame, and a Pareto archive."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from evo.callbacks import Callback
from evo.dominance import memory, pareto_ranks, survivors
from evo.errors import UsageError
from evo.population import Population
from evo.run_view import RunView


class _Archive(Callback):
    """Up to `size` different individuals, chosen after every generation from those kept and those new."""

    several: bool
    """Whether it is for several objectives."""

    def __init__(self, size: int) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise UsageError(f"{self.name}: size: expected a positive whole number, found {size!r}")
        self.size = size
        self._kept: Population | None = None
        self._run: RunView | None = None

    @abstractmethod
    def _choice(self, pool: Population) -> np.ndarray:
        """The rows to keep, best first."""

    def on_start(self, run: RunView) -> None:
        if (len(run.signs) > 1) != self.several:
            expected = "several objectives" if self.several else "one objective"
            raise UsageError(f"{self.name}: expected a problem with {expected}, found {len(run.signs)}")
        self._run = run

    def on_generation(self, run: RunView) -> None:
        new = run.individuals
        pool = Population(genome=new.genome, objective=new.objective, violation=new.violation)
        if self._kept is not None:
            pool = self._kept.joined(pool)  # those kept come first: among equals the elder stay
        if pool.size:
            self._kept = pool.take(self._choice(pool))

    def __len__(self) -> int:
        return 0 if self._kept is None else self._kept.size

    @property
    def x(self) -> Any:
        """Their points, (m, *shape); None where there are none yet."""
        if self._kept is None or self._run is None:
            return None
        return self._run.problem.space.shaped(self._kept["genome"].copy())

    @property
    def objectives(self) -> np.ndarray:
        """(m,) or (m, k), in the user's sense."""
        if self._kept is None or self._run is None:
            return np.empty(0)
        signs = self._run.signs
        return np.asarray(self._kept["objective"] * (signs if self.several else signs[0]))

    @property
    def violations(self) -> np.ndarray:
        """(m,), 0 where feasible."""
        return np.empty(0) if self._kept is None else self._kept["violation"].copy()

    def state(self) -> Mapping[str, Any]:
        return {"kept": None if self._kept is None else dict(self._kept)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        kept = state["kept"]
        fields = ("genome", "objective", "violation")
        self._kept = None if kept is None else Population(**{name: np.array(kept[name]) for name in fields})


class HallOfFame(_Archive):
    """The best different individuals of a whole run with one objective, from the best to the worst: `x`, `objectives`.

    Parameters
    ----------
    size
        How many, >= 1.
    """

    several = False

    def __init__(self, size: int = 10) -> None:
        super().__init__(size)

    def _choice(self, pool: Population) -> np.ndarray:
        order = pool.ranked()
        rows = memory(pool["genome"])[order]
        whole = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
        first = np.unique(whole, return_index=True)[1]  # of equal genomes the best; np.unique gives the first place
        return np.asarray(order[np.sort(first)[: self.size]])


class ParetoArchive(_Archive):
    """The individuals of a whole run that no other one dominates; of more than `size` the least crowded.

    An optimizer's front is no larger than its population; this may be. Crowding as in `evo.dominance.survivors`. What
    crowding left out is forgotten: once full, the archive may take a point that a forgotten one dominates.

    Parameters
    ----------
    size
        How many at most, >= 1.
    """

    several = True

    def __init__(self, size: int = 500) -> None:
        super().__init__(size)

    def _choice(self, pool: Population) -> np.ndarray:
        rank = pareto_ranks(pool["objective"], pool["violation"])
        first = np.flatnonzero(rank == 0)
        rank = np.zeros(len(first), dtype=np.int64)
        order = survivors(pool["genome"][first], pool["objective"][first], rank, self.size, updated=True)
        return np.asarray(first[order[rank[order] == 0]])  # exact copies have another rank now

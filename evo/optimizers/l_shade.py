"""L-SHADE: differential evolution that learns F and CR from its successes, with a population that shrinks linearly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.optimizers import checks
from evo.optimizers.differential import Differential, binomial, returned
from evo.optimizers.generational import Told, array_of

if TYPE_CHECKING:
    from evo.problem import Problem

SMALLEST = 4
"""N_min: the strategy needs four different individuals."""
USUAL_BUDGET = 10_000
"""Evaluations per dimension that the paper's defaults were tuned for (CEC 2014)."""


class LSHADE(Differential):
    """Tanabe and Fukunaga (2014), "Improving the search performance of SHADE using linear population size reduction",
    DOI 10.1109/CEC.2014.6900380; equation and algorithm numbers are that paper's.

    Success-history adaptation: a memory of H pairs (M_F, M_CR), each the weighted Lehmer mean of what improved parents
    in one generation. Mutation current-to-pbest/1 with an archive of replaced parents (Zhang and Sanderson 2009, DOI
    10.1109/TEVC.2009.2014613).

    Parameters
    ----------
    population
        N_init, >= 4; None: 18 per dimension for the budget that the paper had (10 000 evaluations per dimension), and
        fewer with a smaller one, as its power of 0.6, at least 20.
    evaluations
        The budget over which the population shrinks to 4, >= 1; None: the evaluations that the run has when it starts,
        or where it has no such limit the paper's budget. It stays as it was when a run is extended.
    memory
        H, pairs remembered, >= 1.
    archive
        r_arc, the archive's size by that of the population, above 0, at most 10.
    greediness
        p, the share of the best that mutants are drawn to, above 0, at most 1; two individuals at the least.
    sampling, start
        As for ``ga``: how the first population is drawn, and points to begin with.
    """

    name = "l-shade"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        population: int | None = None,
        evaluations: int | None = None,
        memory: int = 6,
        archive: float = 2.6,
        greediness: float = 0.11,
        sampling: str = "uniform",
        start: Any = None,
    ) -> None:
        super().__init__(problem, seed, sampling, start)
        self.size = None if population is None else checks.whole("population", population, SMALLEST)
        self.evaluations = None if evaluations is None else checks.whole("evaluations", evaluations, 1)
        self.memory = checks.whole("memory", memory, 1)
        self.archive_rate = checks.number("archive", archive, 0.0, 10.0)
        self.greediness = checks.number("greediness", greediness, 0.0, 1.0)
        self.horizon = 0
        """Evaluations over which the population shrinks; 0 until the first `ask`."""
        self.first_size = 0
        self.spent = 0
        self.memory_F = np.full(memory, 0.5)
        self.memory_CR = np.full(memory, 0.5)
        """-1 where it is "terminal": only CR = 0 succeeded there, and none other will be tried."""
        self.next_place = 0
        self.archive = np.zeros((0, self.box.size))

    def parameters(self) -> dict[str, Any]:
        return {
            "population": self.size,
            "evaluations": self.evaluations,
            "memory": self.memory,
            "archive": self.archive_rate,
            "greediness": self.greediness,
            **self.first.parameters(),
        }

    def wanted(self, remaining: int | None) -> int:
        if not self.horizon:
            usual = USUAL_BUDGET * self.box.size
            self.horizon = self.evaluations or remaining or usual
            share = min(1.0, self.horizon / usual)
            # 0.6: between quality on rotated functions (more individuals), on separable ones (fewer), and speed (more).
            self.first_size = self.size or max(20, round(18 * self.box.size * share**0.6))
        return self.first_size

    def _trials(self, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        x, count = self.points, len(self.points)
        leaders = self.ranked()[: max(2, round(self.greediness * count))]
        # All even numbers of a generation in one go, as far as they choose something among so many.
        limits = np.array([self.memory, len(leaders), count - 1, count + len(self.archive) - 2])
        u = rng.random((6, count))
        place, leader, one, two = (u[:4] * limits[:, None]).astype(np.int64)
        M_F, M_CR = self.memory_F[place], self.memory_CR[place]
        CR = np.minimum(np.maximum(M_CR + 0.1 * rng.standard_normal(count), 0.0), 1.0)  # (2)
        CR[M_CR < 0.0] = 0.0
        # (3): Cauchy, drawn again where not positive: that is its inverse from the chance of a positive one upwards.
        none = 0.5 - np.arctan(M_F / 0.1) / np.pi
        F = M_F + 0.1 * np.tan(np.pi * (none + (1.0 - none) * u[4] - 0.5))
        F = np.minimum(np.maximum(F, 1e-12), 1.0)
        # x_r1 is not the parent; x_r2, from population and archive together, is neither the parent nor x_r1.
        own = np.arange(count)
        one += one >= own
        two += two >= np.minimum(own, one)
        two += two >= np.maximum(own, one)
        mutants = x.take(leaders[leader], axis=0)  # in place from here on: a third of the time were new arrays
        mutants -= x
        mutants += x.take(one, axis=0)
        mutants -= self._from_pool(two)
        mutants *= F[:, None]
        mutants += x  # (6)
        mutants = returned(mutants, x, self.box.lower, self.box.upper)
        return binomial(x, mutants, CR[:, None], rng), {"F": F, "CR": CR, "slot": u[5]}

    def _from_pool(self, rows: np.ndarray) -> np.ndarray:
        """Individuals, and behind them the archive's, without joining the two."""
        count = len(self.points)
        found = self.points.take(rows, axis=0, mode="clip")
        old = np.flatnonzero(rows >= count)
        found[old] = self.archive.take(rows[old] - count, axis=0)
        return found

    def _tell(self, told: Told) -> None:
        self.spent += len(told)
        super()._tell(told)
        if self.filled:
            self._shrink()

    def _learn(self, told: Told, trials: np.ndarray, won: np.ndarray) -> None:
        count = len(told)
        mine = self.violation[:count]
        with np.errstate(invalid="ignore"):  # inf - inf: a failed trial of a failed parent, which gained nothing
            gain = self.objective[:count] - told.objective
            if told.violation.any() or mine.any():
                gain = np.where(told.violation == mine, gain, mine - told.violation)
        rows = np.flatnonzero(won & (gain > 0.0))
        if not len(rows):
            return
        self._archive(self.points[rows], told.rows["slot"][rows])
        gain = gain[rows]
        whole = np.isfinite(gain)
        gain = np.where(whole, gain, gain[whole].max(initial=1e-300))  # a parent without a result
        weight = gain / gain.max()
        weight /= weight.sum()  # (9)
        F, CR = told.rows["F"][rows], told.rows["CR"][rows]
        at = self.next_place
        self.memory_F[at] = (weight @ F**2) / (weight @ F)  # (8)
        terminal = self.memory_CR[at] < 0.0 or CR.max() == 0.0
        self.memory_CR[at] = -1.0 if terminal else (weight @ CR**2) / (weight @ CR)  # algorithm 1
        self.next_place = (at + 1) % self.memory

    def _archive(self, parents: np.ndarray, slots: np.ndarray) -> None:
        """Keep replaced parents; when the archive is full each takes a random place, `slots` in [0, 1)."""
        most = round(self.archive_rate * len(self.points))
        free = max(0, most - len(self.archive))
        if free:
            self.archive = np.concatenate((self.archive, parents[:free]))
        if most:
            self.archive[(slots[free:] * most).astype(np.int64)] = parents[free:]

    def _shrink(self) -> None:
        """Linear population size reduction, (10): the worst go."""
        share = min(1.0, self.spent / self.horizon)
        size = max(SMALLEST, round(self.first_size + (SMALLEST - self.first_size) * share))
        if size >= len(self.points):
            return
        keep = np.sort(self.ranked()[:size])
        self.points, self.objective, self.violation = self.points[keep], self.objective[keep], self.violation[keep]
        self.archive = self.archive[: round(self.archive_rate * size)]

    def summary(self) -> dict[str, float]:
        return {"population": len(self.points), "F": float(self.memory_F.mean()), "CR": float(self.memory_CR.mean())}

    def _state(self) -> dict[str, Any]:
        return super()._state() | {
            "horizon": self.horizon,
            "first_size": self.first_size,
            "spent": self.spent,
            "memory_F": self.memory_F,
            "memory_CR": self.memory_CR,
            "next_place": self.next_place,
            "archive": self.archive,
        }

    def _load(self, state: Mapping[str, Any]) -> None:
        super()._load(state)
        for name in ("horizon", "first_size", "spent", "next_place"):
            setattr(self, name, int(state[name]))
        self.memory_F, self.memory_CR = (array_of(state, f"memory_{name}", (self.memory,)) for name in ("F", "CR"))
        self.archive = array_of(state, "archive", (None, self.box.size))

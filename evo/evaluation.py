"""`ProblemEvaluator`: what runs in a worker for any `Problem`: calls the user's code, and checks what it gave."""

from __future__ import annotations

from typing import Any

import numpy as np

from evo.distributed.executor import Arrays, Context, InvalidRow
from evo.errors import UsageError
from evo.problem import Evaluation, Problem, signs
from evo.rng import Purpose, stream


class ProblemEvaluator:
    """Rows are genomes; results are ``objective`` (minimised) and ``violation`` (their sum), both (n,) float64.

    With k > 1 objectives ``objective`` is (n, k). A problem with `improve` also gives ``genome``, which replaces the
    candidate's.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._signs = np.array(signs(problem))
        self.block = 1 if problem.noisy else problem.block

    def warm_up(self) -> None:
        """Nothing to prepare: the user's code compiles when it is first called."""

    def evaluate(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        problem = self.problem
        genomes = rows["genome"].copy()  # the user's code may write into it
        results: dict[str, np.ndarray] = {}
        if problem.improve is not None:
            genomes = self._improved(genomes)
            results["genome"] = genomes
            genomes = genomes.copy()
        x = problem.space.shaped(genomes)
        if problem.noisy:
            rng = stream(context["seed"], context["generation"], Purpose.EVALUATION, int(rows["row"][0]))
            found = problem.evaluate(x, rng)  # type: ignore[call-arg]  # the noisy signature, see Problem.noisy
        else:
            found = problem.evaluate(x)
        results["objective"], results["violation"] = self._checked(found, len(genomes))
        return results

    def placeholder(self, rows: Arrays, context: Context) -> dict[str, np.ndarray]:
        count = len(rows["row"])
        results = {"objective": np.full(self._shape(count), np.inf), "violation": np.full(count, np.inf)}
        if self.problem.improve is not None:
            results["genome"] = rows["genome"].copy()
        return results

    def _shape(self, count: int) -> tuple[int, ...]:
        """Of the objectives of `count` individuals."""
        return (count,) if len(self._signs) == 1 else (count, len(self._signs))

    def _improved(self, genomes: np.ndarray) -> np.ndarray:
        space = self.problem.space
        assert self.problem.improve is not None
        better = self.problem.improve(space.shaped(genomes))
        try:
            flat = space.flat(better, len(genomes))
        except UsageError as error:
            raise InvalidRow(f"improve: {error}") from None
        if not (inside := space.contains(flat)).all():
            offset = int(np.argmin(inside))
            raise InvalidRow(f"improve: gave a genome outside the space: {flat[offset]!r}", offset)
        return flat

    def _checked(self, found: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
        whole = found if isinstance(found, Evaluation) else Evaluation(found)
        objectives = whole.objectives
        shape = self._shape(count)
        objective = _numbers("objectives", objectives, shape)
        if objective.shape == (count, 1):
            objective = objective[:, 0]
        if objective.shape != shape:
            hint = "; several objectives are named by Problem.directions" if objective.ndim == 2 != len(shape) else ""
            raise InvalidRow(f"objectives: expected an array of shape {shape}, found {objective.shape}{hint}")
        _refuse_not_finite("objective", objective)
        violation = np.zeros(count)
        if whole.violations is not None:
            violation += np.maximum(_constraints("violations", whole.violations, count), 0.0).sum(axis=1)
        if whole.equalities is not None:
            away = np.abs(_constraints("equalities", whole.equalities, count)) - self.problem.equality_tolerance
            violation += np.maximum(away, 0.0).sum(axis=1)
        return objective * self._signs, violation


def _numbers(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        raw = np.asarray(values)
        if raw.dtype.kind not in "biuf" and not (raw.dtype == object and raw.size and None not in raw.ravel()):
            raise TypeError(raw.dtype)  # complex numbers and None would be cast without a word
        array = raw.astype(np.float64)
    except (TypeError, ValueError):
        found = f"{type(values).__name__} {values!r:.80}"
        raise InvalidRow(f"{name}: expected numbers of shape {shape}, found {found}") from None
    return array


def _constraints(name: str, values: Any, count: int) -> np.ndarray:
    """(count, m) finite numbers."""
    each = _numbers(name, values, (count,))
    if each.ndim not in (1, 2) or len(each) != count:
        raise InvalidRow(f"{name}: expected an array of shape ({count}, m), found {each.shape}")
    each = each.reshape(count, -1)
    _refuse_not_finite(name, each)
    return each


def _refuse_not_finite(name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        bad = ~np.isfinite(values if values.ndim == 1 else values.sum(axis=1))
        offset = int(np.argmax(bad))
        raise InvalidRow(f"{name}: expected a finite number, found {values[offset]}", offset)

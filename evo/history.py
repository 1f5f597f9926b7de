"""`History`: the course of a run as arrays, bounded in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evo.callbacks import Callback
from evo.errors import UsageError
from evo.run_view import RunView
from evo.suggestion import suggestion

Quantity = Callable[[RunView], Any]


def _objectives(run: RunView) -> np.ndarray:
    return np.asarray(run.individuals.objective * (run.signs if len(run.signs) > 1 else run.signs[0]))


def _of_generation(reduce: Callable[..., Any]) -> Quantity:
    def quantity(run: RunView) -> Any:
        found = _objectives(run)
        return reduce(found, axis=0) if len(found) else np.full(found.shape[1:], np.nan)

    return quantity


def _feasible_share(run: RunView) -> float:
    violation = run.individuals.violation
    return float((violation <= 0.0).mean()) if len(violation) else 0.0


def _best(run: RunView) -> float:
    if len(run.signs) > 1:
        raise UsageError("history: expected one objective to record it, found several: hypervolume, front")
    return np.nan if run.objective is None else float(np.asarray(run.objective))


QUANTITIES: Mapping[str, Quantity] = {
    "objective": _best,
    "x": lambda run: run.x,
    "hypervolume": lambda run: np.nan if run.hypervolume is None else run.hypervolume,
    "front": lambda run: 0 if run.front is None else len(run.front),
    "mean": _of_generation(np.mean),
    "std": _of_generation(np.std),
    "min": _of_generation(np.min),
    "max": _of_generation(np.max),
    "feasible": _feasible_share,
    "seconds": lambda run: run.seconds,
}
"""What can be recorded by name; so can what the optimizer tells of itself, such as ``sigma``."""
ALWAYS = ("generation", "evaluations")


class History(Callback):
    """Records numbers or arrays after every generation: ``history["objective"]`` is then an array, a row for each.

    Parameters
    ----------
    record
        Names: ``objective`` and ``x``, the best so far; ``hypervolume`` and ``front``, its points; ``mean``, ``std``,
        ``min``, ``max`` of the generation's objectives; its share of ``feasible`` individuals; ``seconds``; and names
        of the optimizer's own summary. Or a dict, name -> function of a `RunView` that gives a number or an array of
        always the same shape. ``generation`` and ``evaluations`` are always recorded.
    every
        Generations from one row to the next, >= 1.
    limit
        Rows kept, >= 2. When there are more, every other one is left out, and `every` is doubled.

    Raises
    ------
    UsageError
        A parameter is not what it may be.
    """

    def __init__(
        self,
        record: Sequence[str] | Mapping[str, Quantity] = ("objective", "mean"),
        *,
        every: int = 1,
        limit: int = 10_000,
    ) -> None:
        for name, value, least in (("every", every, 1), ("limit", limit, 2)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(f"history.{name}: expected a whole number, at least {least}, found {value!r}")
        if isinstance(record, str) or not len(record):
            raise UsageError(f"history.record: expected names, or functions by name, found {record!r}")
        self._quantities = dict(record) if isinstance(record, Mapping) else {name: self._named(name) for name in record}
        for name in ALWAYS:
            self._quantities.pop(name, None)
        self.every, self.limit = every, limit
        self._rows: dict[str, list[Any]] = {name: [] for name in (*ALWAYS, *self._quantities)}

    @staticmethod
    def _named(name: str) -> Quantity:
        if name in QUANTITIES:
            return QUANTITIES[name]

        def of_summary(run: RunView) -> float:
            summary = run.summary
            if name not in summary:
                known = (*QUANTITIES, *summary)
                hint = suggestion(name, known) or f", expected one of {', '.join(known)}"
                raise UsageError(f"history.record: {name}: unknown{hint}")
            return summary[name]

        return of_summary

    def on_generation(self, run: RunView) -> None:
        if run.generation % self.every:
            return
        row = {name: np.array(quantity(run)) for name, quantity in self._quantities.items()}
        for name, value in {"generation": run.generation, "evaluations": run.evaluations, **row}.items():
            self._rows[name].append(value)
        if len(self) > self.limit:
            self.every *= 2
            kept = [i for i, generation in enumerate(self._rows["generation"]) if generation % self.every == 0]
            self._rows = {name: [values[i] for i in kept] for name, values in self._rows.items()}

    def __len__(self) -> int:
        return len(self._rows["generation"])

    def __getitem__(self, name: str) -> np.ndarray:
        """(rows, …) of one quantity. Raises `KeyError`."""
        return np.array(self._rows[name])

    @property
    def names(self) -> tuple[str, ...]:
        """Of all that is recorded."""
        return tuple(self._rows)

    def state(self) -> Mapping[str, Any]:
        return {"every": self.every, "rows": {name: self[name] for name in self._rows}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.every = int(state["every"])
        self._rows = {name: list(state["rows"][name]) for name in self._rows}

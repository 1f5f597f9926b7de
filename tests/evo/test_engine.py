"""The loop: order, limits, lookahead, quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import evo
from evo.checkpoints import digest
from evo.distributed.executor import Evaluator
from evo.distributed.in_process import InProcessExecutor
from evo.engine import Engine
from evo.evaluation import ProblemEvaluator
from evo.interrupt import Interrupt
from evo.optimizers.base import Best, Candidates, Optimizer, Results
from evo.problem import FunctionProblem
from evo.problems.continuous import Sphere
from evo.run import run
from evo.settings import settings_from_mapping


class Diary(Optimizer):
    """Asks for `size` points a generation, and writes down what happens in which order."""

    name = "diary"

    def __init__(self, lookahead: int = 0, size: int = 4) -> None:
        self.lookahead, self.size = lookahead, size
        self.asked = self.told = 0
        self.entries: list[tuple[str, int]] = []

    def evaluator(self) -> Evaluator:
        return ProblemEvaluator(Sphere(2))

    def ask(self, remaining: int | None) -> Candidates:
        count = self.size if remaining is None else min(self.size, remaining)
        self.entries.append(("ask", self.asked))
        self.asked += 1
        return Candidates({"genome": np.full((count, 2), 1.0 / self.asked)}, {"seed": 1, "generation": self.asked - 1})

    def tell(self, candidates: Candidates, results: Results) -> None:
        assert candidates.context["generation"] == self.told
        self.entries.append(("tell", self.told))
        self.told += 1

    def state(self) -> dict[str, Any]:
        return {"asked": self.asked, "told": self.told}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.asked, self.told = state["asked"], state["told"]

    @property
    def best(self) -> Best | None:
        return None


def engine(optimizer: Optimizer, stop: evo.Stop, **options: Any) -> Engine:
    executor = InProcessExecutor()
    executor.start(optimizer.evaluator(), lambda kind, fields: None)
    return Engine(optimizer, executor, stop, **options)


def test_without_lookahead_every_generation_is_told_before_the_next_is_asked() -> None:
    diary = Diary()
    assert engine(diary, evo.Stop(generations=3)).run() == "generations"
    # The last question is never evaluated: it makes the state the one that a longer run has there.
    assert diary.entries == [*((what, g) for g in range(3) for what in ("ask", "tell")), ("ask", 3)]


def test_with_lookahead_two_generations_more_are_asked_but_told_in_order() -> None:
    diary = Diary(lookahead=2)
    engine(diary, evo.Stop(generations=2)).run()
    assert diary.entries == [("ask", 0), ("ask", 1), ("ask", 2), ("tell", 0), ("ask", 3), ("tell", 1), ("ask", 4)]


def test_the_state_after_a_generation_does_not_depend_on_where_the_run_ends() -> None:
    short, long = Diary(lookahead=2), Diary(lookahead=2)
    at_two: list[str] = []

    def note(e: Engine) -> None:
        if e.progress.generation == 2:
            e._ask()
            at_two.append(digest([long.state(), [c.rows for c in e.pending]]))

    ended = engine(short, evo.Stop(generations=2))
    ended.run()
    engine(long, evo.Stop(generations=5), callback=note).run()
    assert at_two == [digest([short.state(), [c.rows for c in ended.pending]])]


@pytest.mark.parametrize("lookahead", [0, 2])
def test_the_budget_of_evaluations_is_met_exactly(lookahead: int) -> None:
    e = engine(Diary(lookahead=lookahead, size=4), evo.Stop(evaluations=10))
    assert e.run() == "evaluations"
    assert e.progress.evaluations == 10


def test_the_clock_can_only_stop_a_run_after_its_first_generation() -> None:
    seconds = iter(range(0, 1_000_000, 100))
    e = engine(Diary(), evo.Stop(time=1), clock=lambda: float(next(seconds)))
    assert e.run() == "time"
    assert e.progress.generation == 1


def test_time_counts_over_all_the_parts_of_a_run() -> None:
    ticks = iter(range(1_000_000))
    e = engine(Diary(), evo.Stop(time=500), clock=lambda: float(next(ticks)))
    e.progress.seconds = e._before = 490.0
    e.run()
    assert 500 <= e.progress.seconds < 515


def test_an_interrupt_drops_the_generation_in_flight_and_keeps_those_before() -> None:
    interrupt = Interrupt()

    def at_three(e: Engine) -> None:
        if e.progress.generation == 3:
            interrupt.request()

    e = engine(Diary(), evo.Stop(generations=10), interrupt=interrupt, callback=at_three)
    assert e.run() == "interrupted"
    assert e.progress.generation == 3


def test_a_run_cut_within_a_generation_has_the_digest_of_one_that_was_to_end_there() -> None:
    asked = 0

    def slow(x: np.ndarray) -> float:
        nonlocal asked
        asked += 1
        if asked == 777:
            interrupt.request()
        return float((x**2).sum())

    interrupt = Interrupt()
    space = evo.Real(-1, 1, shape=2)
    problem = FunctionProblem(slow, space)
    settings = settings_from_mapping({"problem": {"type": "slow"}, "workers": 0, "stop": {"generations": 50}})
    cut = run(settings, problem, output=None, interrupt=interrupt)
    assert (cut.stop_reason, cut.generations) == ("interrupted", 7)
    meant = evo.minimize(slow, space, stop=evo.Stop(generations=7))
    assert cut.digest == meant.digest


def test_the_callback_stops_the_run_by_true_alone() -> None:
    e = engine(Diary(), evo.Stop(generations=10), callback=lambda e: e.progress.generation == 4)
    assert e.run() == "callback"
    assert e.progress.generation == 4


def test_individuals_that_cannot_be_evaluated_are_quarantined_and_never_win() -> None:
    def objective(x: np.ndarray) -> float:
        if x[0] < 0:
            raise ValueError("negative")
        return float(x[0])

    result = evo.minimize(objective, evo.Real(-1, 1, shape=1), stop=evo.Stop(generations=20))
    assert result.quarantined > 0
    assert result.objective is not None
    assert 0 <= result.objective < 0.1


def test_a_run_in_which_everything_fails_ends_with_the_first_error_shown() -> None:
    with pytest.raises(
        evo.RunFailedError, match=r"100 of 100 evaluations failed; .*expected a finite number, found nan"
    ):
        evo.minimize(lambda x: float("nan"), evo.Real(0, 1, shape=2), stop=evo.Stop(generations=3))


def test_a_stall_counts_generations_since_the_best_improved() -> None:
    result = evo.minimize(lambda x: 1.0, evo.Real(0, 1, shape=2), stop=evo.Stop(stall=7))
    assert (result.stop_reason, result.generations) == ("stall", 8)

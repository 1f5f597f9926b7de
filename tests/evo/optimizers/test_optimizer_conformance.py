"""What every registered optimizer promises. A new one is registered, and thereby tested, with every space it knows."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from optimizer_problems import CASES, Improved, Noisy, Plain, Poisonous, optimizer_class
from optimizer_steps import GOLDEN, best_of, build, results_of, step, trajectory
from shuffling_executor import ShufflingExecutor

import evo
from evo import checkpoints
from evo.checkpoints import digest
from evo.distributed.in_process import InProcessExecutor
from evo.distributed.threads import OneThread
from evo.engine import Engine
from evo.optimizers import BUILTIN
from evo.optimizers.base import Candidates, Results
from evo.optimizers.generational import Generational
from evo.problem import signs
from evo.spaces import Space

GENERATIONS = 12

every_case = pytest.mark.parametrize(("name", "kind"), CASES)
every_optimizer = pytest.mark.parametrize("name", list(BUILTIN))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a run: a matrix product's last bit depends on the number of threads."""
    threads = OneThread()
    yield
    threads.release()


def kind_of(name: str) -> str:
    """The first space that an optimizer knows."""
    return next(kind for other, kind in CASES if other == name)


def run(
    optimizer: Generational,
    stop: evo.Stop,
    executor: Any = None,
    callback: Callable[[Engine], Any] | None = None,
    pending: list[Candidates] | None = None,
) -> Engine:
    executor = executor or InProcessExecutor()
    executor.start(optimizer.evaluator(), lambda kind, fields: None)
    engine = Engine(optimizer, executor, stop, signs=signs(optimizer.problem), callback=callback, pending=pending)
    engine.run()
    executor.close()
    return engine


# A run is a pure function --------------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("problem", [Noisy, Poisonous, Improved])
def test_the_digest_does_not_depend_on_chunks_order_and_doubles(name: str, kind: str, problem: type[Plain]) -> None:
    stop = evo.Stop(generations=GENERATIONS)
    alone = build(name, problem(kind))
    half = build(name, problem(kind))
    run(alone, stop)
    run(half, evo.Stop(generations=GENERATIONS // 2))
    assert digest(half.state()) != digest(alone.state()), "a state that does not move proves nothing"
    for seed in range(2):
        wild = build(name, problem(kind))
        run(wild, stop, ShufflingExecutor(seed))
        assert digest(wild.state()) == digest(alone.state())


@every_case
@pytest.mark.parametrize("problem", [Noisy, Improved])
def test_saved_after_any_generation_and_resumed_it_ends_the_same(name: str, kind: str, problem: type[Plain]) -> None:
    saved: list[bytes] = []
    stop = evo.Stop(evaluations=400)

    def save(engine: Engine) -> None:
        tree = {"state": engine.optimizer.state(), "evaluations": engine.progress.evaluations}
        saved.append(b"".join(checkpoints.encode(checkpoints.snapshot(tree))))

    whole = build(name, problem(kind))
    run(whole, stop, callback=save)
    for content in saved[:: max(1, len(saved) // 12)]:
        tree = checkpoints.decode(content)
        resumed = build(name, problem(kind))
        resumed.load_state(tree["state"])
        while tree["evaluations"] < 400:
            tree["evaluations"] += len(step(resumed, 400 - tree["evaluations"]))
        assert digest(resumed.state()) == digest(whole.state())
        assert np.array_equal(best_of(resumed), best_of(whole))  # type: ignore[arg-type]  # None would be an object


@every_case
def test_saved_between_ask_and_tell_it_ends_the_same(name: str, kind: str) -> None:
    whole, problem = build(name, Noisy(kind)), Noisy(kind)
    for _ in range(6):
        candidates = whole.ask(None)
        tree = {"state": whole.state(), "rows": candidates.rows, "context": candidates.context}
        content = b"".join(checkpoints.encode(checkpoints.snapshot(tree)))
        whole.tell(candidates, results_of(whole, candidates))
        loaded = checkpoints.decode(content)
        resumed = build(name, problem)
        resumed.load_state(loaded["state"])
        waiting = Candidates(dict(loaded["rows"]), dict(loaded["context"]))
        resumed.tell(waiting, results_of(resumed, waiting))
        assert digest(resumed.state()) == digest(whole.state())


@every_case
def test_its_resolved_parameters_build_it_again(name: str, kind: str) -> None:
    first = build(name, Plain(kind))
    parameters = json.loads(json.dumps(first.parameters()))
    second = build(name, Plain(kind), **parameters)
    assert set(parameters) == set(_fields(name))
    for optimizer in (first, second):
        run(optimizer, evo.Stop(generations=GENERATIONS))
    assert digest(first.state()) == digest(second.state())


@every_case
def test_the_trajectory_is_the_golden_one(name: str, kind: str) -> None:
    """A change here means that old checkpoints no longer continue to the result that they would have had.

    Compared to 9 digits: the last bits are those of a CPU's own vector instructions.
    """
    found = trajectory(name, kind)
    golden = json.loads(GOLDEN.read_text())
    assert f"{name} {kind}" in golden, (
        f"{name} on {kind} has no trajectory yet: python {GOLDEN.with_name('optimizer_steps.py').name}"
    )
    assert found == pytest.approx(golden[f"{name} {kind}"], rel=1e-9)


# Nothing bad wins ----------------------------------------------------------------------------------------------------


@every_case
def test_what_fails_is_quarantined_and_never_wins(name: str, kind: str) -> None:
    optimizer = build(name, Poisonous(kind))
    engine = run(optimizer, evo.Stop(evaluations=800))
    assert engine.progress.quarantined > 0
    found = engine.progress.best or engine.front
    assert found is not None
    x = optimizer.space.shaped(np.atleast_2d(found.arrays["genome"]))
    assert not Poisonous.forbidden(x).any()
    assert not Poisonous.murky(x).any()
    assert np.array_equal(np.squeeze(engine.user_objective()), np.squeeze(Poisonous(kind).evaluate(x)))


@every_case
def test_nan_told_by_a_caller_never_wins(name: str, kind: str) -> None:
    optimizer = build(name, Plain(kind))
    finite: list[np.ndarray] = []
    for _ in range(15):
        candidates = optimizer.ask(None)
        results = results_of(optimizer, candidates)
        results.arrays["objective"][::3] = np.nan
        optimizer.tell(candidates, results)
        told = results.arrays["objective"].reshape(len(candidates), -1)
        finite += list(told[np.isfinite(told).all(axis=1)])
    assert np.array_equal(best_of(optimizer), np.min(finite, axis=0))  # type: ignore[arg-type]  # None is not equal


@every_case
def test_a_generation_without_any_result_is_survived(name: str, kind: str) -> None:
    optimizer = build(name, Plain(kind))
    for generation in range(8):
        candidates = optimizer.ask(None)
        results = results_of(optimizer, candidates)
        if generation in (0, 3, 4):
            results = Results(results.arrays, np.ones(len(candidates), dtype=np.bool_))
        optimizer.tell(candidates, results)
        assert (best_of(optimizer) is None) == (generation == 0)


@every_case
def test_every_candidate_lies_in_the_space(name: str, kind: str) -> None:
    optimizer = build(name, Plain(kind))
    space = optimizer.space
    for _ in range(60):
        genome = step(optimizer).rows["genome"]
        assert genome.dtype == space.dtype
        assert space.contains(genome).all()


@every_case
def test_it_gets_better(name: str, kind: str) -> None:
    problem = Plain(kind)
    optimizer = build(name, problem)
    run(optimizer, evo.Stop(evaluations=3000))
    x = problem.space.shaped(problem.space.sample(3000, np.random.default_rng(1)))
    sample = problem.evaluate(x).reshape(3000, -1) * signs(problem)
    best = best_of(optimizer)
    assert best is not None
    assert (best <= sample.min(axis=0) + 1e-9).all()


@every_case
def test_constraints_are_met_before_the_objective_counts(name: str, kind: str) -> None:
    optimizer = build(name, Plain(kind))
    for _ in range(30):
        candidates = optimizer.ask(None)
        results = results_of(optimizer, candidates)
        first = results.arrays["objective"].reshape(len(candidates), -1)[:, 0]
        results.arrays["violation"] = 1.0 / (1.0 + first - first.min())
        results.arrays["violation"][0] = 0.0
        optimizer.tell(candidates, results)
    found = optimizer.best or optimizer.front
    assert found is not None
    assert found.feasible


# Limits --------------------------------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("budget", [1, 7, 333])
def test_it_stops_exactly_at_the_budget_of_evaluations(name: str, kind: str, budget: int) -> None:
    engine = run(build(name, Plain(kind)), evo.Stop(evaluations=budget))
    assert engine.progress.evaluations == budget
    assert best_of(engine.optimizer) is not None


@every_optimizer
def test_its_state_does_not_grow(name: str) -> None:
    optimizer = build(name, Noisy(kind_of(name)))
    sizes = []
    for generation in range(2000):
        candidates = optimizer.ask(None)
        genome = candidates.rows["genome"].astype(np.float64)
        objective = cost_of(genome) + np.random.default_rng(generation).normal(size=len(genome))
        if optimizer.objective_count > 1:
            objective = np.column_stack((objective, cost_of(genome - 1.0)))
        optimizer.tell(candidates, Results({"objective": objective}, np.zeros(len(genome), dtype=np.bool_)))
        if generation % 50 == 0:
            sizes.append(sum(len(part) for part in checkpoints.encode(optimizer.state())))
    assert max(sizes[10:]) <= 1.05 * max(sizes[:10])


def cost_of(x: np.ndarray) -> np.ndarray:
    return np.asarray((x * x).sum(axis=1))


# Mistakes ------------------------------------------------------------------------------------------------------------


def _fields(name: str) -> list[str]:
    return list(inspect.signature(optimizer_class(name)).parameters)[2:]


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in BUILTIN for field in _fields(name)])
@pytest.mark.parametrize("value", [{"no": "number"}, -3.5])
def test_a_wrong_parameter_is_refused_with_its_field_named(name: str, field: str, value: Any) -> None:
    with pytest.raises(evo.SettingsError, match=rf"^optimizer\.{field}: expected "):
        build(name, Plain(kind_of(name)), **{field: value})


@every_optimizer
def test_an_unknown_parameter_is_refused(name: str) -> None:
    with pytest.raises(evo.SettingsError, match=r"optimizer\.nonsense: unknown key"):
        build(name, Plain(kind_of(name)), nonsense=1)


@every_optimizer
def test_misuse_of_ask_and_tell_is_a_clear_error(name: str) -> None:
    optimizer = build(name, Plain(kind_of(name)))
    candidates = optimizer.ask(None)
    results = results_of(optimizer, candidates)
    count = len(candidates)
    with pytest.raises(evo.UsageError, match="ask: expected generation 0 to be told first"):
        optimizer.ask(None)
    shape = results.arrays["objective"].shape
    with pytest.raises(evo.UsageError, match=f"tell: objective: expected an array of shape {re.escape(str(shape))}"):
        optimizer.tell(candidates, Results({"objective": np.zeros((count + 1, *shape[1:]))}, results.quarantined))
    with pytest.raises(evo.UsageError, match="tell: expected results with objective"):
        optimizer.tell(candidates, Results({}, results.quarantined))
    optimizer.tell(candidates, results)
    with pytest.raises(evo.UsageError, match="tell: expected the results of candidates that were asked"):
        optimizer.tell(candidates, results)
    with pytest.raises(evo.UsageError, match="ask: expected at least 1 remaining evaluation, found 0"):
        optimizer.ask(0)
    optimizer.ask(None)
    with pytest.raises(evo.UsageError, match="tell: expected the candidates of generation 1, found those of 0"):
        optimizer.tell(candidates, results)


@every_optimizer
def test_a_state_that_does_not_fit_is_refused(name: str) -> None:
    optimizer = build(name, Plain(kind_of(name)))
    step(optimizer)
    step(optimizer)
    state = optimizer.state()
    for wrong in ({}, {**state, "asked": "many"}, {k: v for k, v in state.items() if k not in ("best", "population")}):
        with pytest.raises(evo.CheckpointError, match=r"optimizer\.state: expected the state of a"):
            build(name, Plain(kind_of(name))).load_state(wrong)
    other = next((kind for other, kind in reversed(CASES) if other == name and kind != kind_of(name)), None)
    if other is not None:
        with pytest.raises(evo.CheckpointError):
            build(name, Plain(other)).load_state(state)


@every_optimizer
def test_a_space_that_it_does_not_know_is_refused(name: str) -> None:
    class Odd(Space):
        kind, dtype = "odd", np.dtype(np.float64)

        def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
            return rng.random((count, self.size))

        def from_unit(self, unit: np.ndarray) -> np.ndarray:
            return unit

        def contains(self, genomes: np.ndarray) -> np.ndarray:
            return np.ones(len(genomes), dtype=np.bool_)

        def to_spec(self) -> dict[str, Any]:
            return {}

    problem = Plain(kind_of(name))
    problem.space = Odd(3)
    with pytest.raises(evo.SettingsError, match=f"optimizer.type: {name} does not know the space Odd, only "):
        build(name, problem)

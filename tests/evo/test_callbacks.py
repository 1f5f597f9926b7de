"""Callbacks: hooks of a run, its history as arrays, and archives of what was best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo.dominance import pareto_ranks
from evo.run_view import RunView

BOX = evo.Real(-5, 5, shape=3)


class Sphere(evo.Problem):
    space = BOX

    def evaluate(self, x: np.ndarray) -> Any:
        return (x**2).sum(axis=1)


class Poisonous(Sphere):
    maximize = True
    block = 1

    def evaluate(self, x: np.ndarray) -> Any:
        if x[0, 0] > 4:
            raise ValueError("poison")
        return (x**2).sum(axis=1)


class Both(evo.Problem):
    space = evo.Real(-2, 2, shape=2)
    directions = ("min", "max")
    reference = (8.0, -1.0)

    def evaluate(self, x: np.ndarray) -> Any:
        return np.column_stack((((x - 1) ** 2).sum(axis=1), (x**2).sum(axis=1)))


class Diary(evo.Callback):
    """Writes down which hook was called in which generation."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, int]] = []
        self.failures: list[Mapping[str, Any]] = []
        self.result: evo.Result | None = None

    def on_start(self, run: RunView) -> None:
        self.entries.append(("start", run.generation))

    def on_generation(self, run: RunView) -> None:
        self.entries.append(("generation", run.generation))

    def on_improvement(self, run: RunView) -> None:
        self.entries.append(("improvement", run.generation))

    def on_checkpoint(self, run: RunView, path: Path) -> None:
        assert path.is_file()
        self.entries.append(("checkpoint", run.generation))

    def on_failure(self, run: RunView, failure: Mapping[str, Any]) -> None:
        self.failures.append(failure)

    def on_end(self, run: RunView, result: evo.Result) -> None:
        self.entries.append(("end", run.generation))
        self.result = result

    def of(self, kind: str) -> list[int]:
        return [generation for what, generation in self.entries if what == kind]


def test_every_hook_is_called_in_its_turn(tmp_path: Path) -> None:
    diary = Diary()
    result = evo.minimize(Sphere(), stop=evo.Stop(generations=20), callbacks=[diary], output=tmp_path / "run")
    assert diary.entries[0] == ("start", 0)
    assert diary.entries[-1] == ("end", 20)
    assert diary.of("generation") == list(range(1, 21))
    assert diary.entries.index(("improvement", 1)) < diary.entries.index(("generation", 1))
    assert 0 < len(diary.of("improvement")) < 20
    assert diary.of("checkpoint")
    assert diary.result == result


def test_what_was_given_up_is_told() -> None:
    diary = Diary()
    result = evo.maximize(Poisonous(), stop=evo.Stop(generations=5), callbacks=[diary])
    assert result.quarantined == len(diary.failures) > 0
    assert all("poison" in failure["error"] for failure in diary.failures)


@pytest.mark.parametrize("hook", ["on_generation", "on_improvement", "on_failure"])
def test_a_hook_may_end_the_run(hook: str) -> None:
    class Ending(evo.Callback):
        pass

    setattr(Ending, hook, lambda self, run, *more: run.generation >= 3)
    result = evo.maximize(Poisonous(), stop=evo.Stop(generations=500), callbacks=[Ending()])
    assert result.stop_reason == "callback"
    assert 3 <= result.generations < 500


def test_an_error_in_a_hook_ends_the_run_and_what_was_saved_can_be_resumed(tmp_path: Path) -> None:
    class Wrong(evo.Callback):
        def on_generation(self, run: RunView) -> None:
            if run.generation == 7:
                raise LookupError("mine")

    options: Any = {"stop": evo.Stop(generations=12), "checkpoint": {"every": 1}}
    with pytest.raises(LookupError, match="mine"):
        evo.minimize(Sphere(), callbacks=[Wrong()], output=tmp_path / "run", **options)
    resumed = evo.resume(tmp_path / "run", problem=Sphere())
    assert resumed.digest == evo.minimize(Sphere(), **options).digest


def test_a_state_of_another_callback_is_refused(tmp_path: Path) -> None:
    stop = evo.Stop(generations=3)
    evo.minimize(Sphere(), stop=stop, callbacks=[evo.History(["mean"])], output=tmp_path / "run")
    with pytest.raises(evo.CheckpointError, match="callbacks: expected the state of a History, found one without"):
        evo.resume(tmp_path / "run", problem=Sphere(), callbacks=[evo.History(["std"])])


def test_callbacks_change_nothing() -> None:
    plain = evo.minimize(Sphere(), stop=evo.Stop(generations=10), seed=4)
    watched = evo.minimize(
        Sphere(), stop=evo.Stop(generations=10), seed=4, callbacks=[Diary(), evo.History(), evo.HallOfFame()]
    )
    assert watched.digest == plain.digest


def test_a_history_is_arrays_of_what_was_chosen() -> None:
    history = evo.History(["objective", "x", "min", "max", "feasible", "sigma"], every=2)
    result = evo.minimize(Sphere(), optimizer="cma-es", stop=evo.Stop(generations=10), callbacks=[history])
    assert history["generation"].tolist() == [2, 4, 6, 8, 10]
    assert history["objective"][-1] == result.objective
    assert np.array_equal(history["x"][-1], result.x)
    assert (history["min"] <= history["max"]).all()
    assert (history["sigma"] > 0).all()
    assert (history["feasible"] == 1.0).all()
    assert history["evaluations"][-1] == result.evaluations


def test_a_history_is_in_the_users_sense() -> None:
    history = evo.History({"best": lambda run: run.objective, "top": lambda run: -run.individuals.objective.min()})
    result = evo.maximize(Poisonous(), stop=evo.Stop(generations=5), callbacks=[history])
    assert history["best"][-1] == result.objective > 0
    assert history["top"].max() == result.objective


def test_a_history_of_several_objectives_has_a_column_for_each() -> None:
    history = evo.History(["mean", "hypervolume", "front"])
    result = evo.minimize(Both(), stop=evo.Stop(generations=5), callbacks=[history])
    assert history["mean"].shape == (5, 2)
    assert (history["mean"] >= 0).all()
    assert history["hypervolume"][-1] == result.hypervolume
    assert result.front is not None
    assert history["front"][-1] == len(result.front)


def test_a_history_is_bounded() -> None:
    history = evo.History(limit=16)
    evo.minimize(Sphere(), stop=evo.Stop(generations=300), callbacks=[history])
    assert 8 <= len(history) <= 16
    assert np.array_equal(np.diff(history["generation"]), np.full(len(history) - 1, history.every))


def test_the_hall_of_fame_holds_the_best_of_all_and_none_twice() -> None:
    seen: list[np.ndarray] = []

    class Seen(evo.Callback):
        def on_generation(self, run: RunView) -> None:
            seen.append(np.column_stack((run.individuals.objective, run.individuals.genome)))

    fame = evo.HallOfFame(7)
    evo.minimize(Sphere(), stop=evo.Stop(generations=15), callbacks=[fame, Seen()])
    best = np.unique(np.concatenate(seen), axis=0)[:7]
    assert np.array_equal(fame.objectives, best[:, 0])
    assert np.array_equal(fame.x, best[:, 1:])


def test_the_hall_of_fame_puts_the_feasible_first() -> None:
    class Constrained(Sphere):
        def evaluate(self, x: np.ndarray) -> Any:
            return evo.Evaluation((x**2).sum(axis=1), 1.0 - x[:, :1])

    fame = evo.HallOfFame(5)
    evo.minimize(Constrained(), stop=evo.Stop(generations=15), callbacks=[fame])
    assert (fame.violations == 0).all()
    assert (fame.x[:, 0] >= 1).all()


@pytest.mark.parametrize("size", [40, 10_000])
def test_a_pareto_archive_holds_what_nothing_dominated_so_far(size: int) -> None:
    seen: list[np.ndarray] = []

    class Seen(evo.Callback):
        def on_generation(self, run: RunView) -> None:
            seen.append(run.individuals.objective)

    archive = evo.ParetoArchive(size)
    evo.minimize(Both(), optimizer={"type": "nsga2", "population": 30}, stop=evo.Stop(generations=20),
                 callbacks=[archive, Seen()])  # fmt: skip
    everything = np.unique(np.concatenate(seen), axis=0)
    best = everything[pareto_ranks(everything, np.zeros(len(everything))) == 0] * [1, -1]
    found = archive.objectives
    assert len(found) == min(size, len(best))
    assert (pareto_ranks(found * [1, -1], np.zeros(len(found))) == 0).all()
    if size > len(best):
        assert {tuple(point) for point in found} == {tuple(point) for point in best}


@pytest.mark.parametrize("callback", [evo.History(["objective", "std"], limit=8), evo.HallOfFame(4)])
def test_a_resumed_run_goes_on_with_what_they_hold(callback: evo.Callback, tmp_path: Path) -> None:
    kind = type(callback)
    fresh = (lambda: evo.History(["objective", "std"], limit=8)) if kind is evo.History else (lambda: evo.HallOfFame(4))
    whole, first, second = fresh(), fresh(), fresh()
    evo.minimize(Sphere(), stop=evo.Stop(generations=30), callbacks=[whole])
    evo.minimize(Sphere(), stop=evo.Stop(generations=13), callbacks=[first], output=tmp_path / "run")
    evo.resume(tmp_path / "run", problem=Sphere(), stop=evo.Stop(generations=30), callbacks=[second])
    assert evo.checkpoints.digest(dict(second.state())) == evo.checkpoints.digest(dict(whole.state()))
    assert evo.checkpoints.digest(dict(first.state())) != evo.checkpoints.digest(dict(whole.state()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: evo.History(limit=1), r"history\.limit: expected"),
        (lambda: evo.History("mean"), r"history\.record: expected names"),
        (lambda: evo.HallOfFame(0), "HallOfFame: size: expected"),
        (lambda: evo.minimize(Sphere(), callbacks=[len]), "callbacks: expected instances"),  # type: ignore[list-item]
        (lambda: evo.minimize(Sphere(), callbacks=[evo.ParetoArchive()]), "ParetoArchive: expected a problem with"),
        (lambda: evo.minimize(Both(), callbacks=[evo.HallOfFame()]), "HallOfFame: expected a problem with"),
        (lambda: evo.minimize(Sphere(), callbacks=[evo.History(["maen"])]), 'maen: unknown, did you mean "mean"'),
    ],
)
def test_a_mistake_is_named(make: Any, message: str) -> None:
    with pytest.raises(evo.UsageError, match=message):
        make()


# Tolerances ----------------------------------------------------------------------------------------------------------


def test_a_run_ends_when_the_best_gets_hardly_better() -> None:
    history = evo.History(["objective"])
    stop = evo.Stop(generations=5000, f_tolerance=1e-3, window=20)
    result = evo.minimize(Sphere(), optimizer="cma-es", stop=stop, callbacks=[history])
    best = history["objective"]
    assert result.stop_reason == "tolerance"
    assert best[-21] - best[-1] <= 1e-3 < best[-22] - best[-1] + 1e-3
    assert result.generations < 500


def test_a_run_ends_when_the_best_hardly_moves() -> None:
    history = evo.History(["x"])
    stop = evo.Stop(generations=5000, x_tolerance=1e-2, window=10)
    result = evo.minimize(Sphere(), optimizer="cma-es", stop=stop, callbacks=[history])
    assert result.stop_reason == "tolerance"
    assert np.abs(history["x"][-11:] - history["x"][-11]).max() <= 1e-2


def test_the_tolerance_of_several_objectives_is_about_the_hypervolume() -> None:
    result = evo.minimize(Both(), stop=evo.Stop(generations=2000, f_tolerance=1e-2))
    assert result.stop_reason == "tolerance"
    assert result.generations < 500


@pytest.mark.parametrize("stop", [{"f_tolerance": 1e-4, "window": 9}, {"x_tolerance": 1e-2, "window": 9}])
def test_a_resumed_run_ends_in_the_same_generation(stop: dict[str, Any], tmp_path: Path) -> None:
    options: Any = {"optimizer": "de", "seed": 2}
    limits = evo.Stop(generations=3000, **stop)
    whole = evo.minimize(Sphere(), stop=limits, **options)

    def almost(engine: Any) -> bool:
        return bool(engine.progress.generation == whole.generations - 4)

    evo.minimize(
        Sphere(),
        stop=limits,
        output=tmp_path / "run",
        callback=almost,
        **options,
    )
    resumed = evo.resume(tmp_path / "run", problem=Sphere())
    assert (resumed.generations, resumed.stop_reason, resumed.digest) == (whole.generations, "tolerance", whole.digest)


def test_a_tolerance_in_x_needs_numbers() -> None:
    with pytest.raises(evo.SettingsError, match=r"stop\.x_tolerance: expected one objective on a space"):
        evo.minimize(len, evo.Permutation(5), stop=evo.Stop(x_tolerance=1))
    with pytest.raises(evo.SettingsError, match=r"stop\.window: expected f_tolerance or x_tolerance beside it"):
        evo.Stop(window=5)
    with pytest.raises(evo.SettingsError, match=r"stop\.f_tolerance: expected a number, 0 or more"):
        evo.Stop(f_tolerance=-1)

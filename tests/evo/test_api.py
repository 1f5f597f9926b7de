"""`minimize`, `maximize`, `resume`: what they refuse, in one clear line, and what they leave behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo.checkpoints import load, save
from evo.problems.combinatorial import OneMax
from evo.problems.continuous import Rastrigin, Sphere

SHORT = evo.Stop(generations=12)


def total(x: np.ndarray) -> float:
    return float(x.sum())


class Mismatched(evo.Problem):
    space = evo.Real(0, 1, shape=2)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x  # (batch, 2) where (batch,) is due


class Worded(Mismatched):
    def evaluate(self, x: np.ndarray) -> Any:
        return ["low"] * len(x)


class Lonely(Mismatched):
    def evaluate(self, x: np.ndarray) -> Any:
        return 1.0


class Complex(Mismatched):
    def evaluate(self, x: np.ndarray) -> Any:
        return x.sum(axis=1) + 1j


class Forgetful(Mismatched):
    def evaluate(self, x: np.ndarray) -> Any:
        return None


class Violated(Mismatched):
    def evaluate(self, x: np.ndarray) -> Any:
        return evo.Evaluation(x.sum(axis=1), violations=np.full((len(x), 1), np.nan))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evo.minimize(Sphere), r"expected a Problem or a function, found <class .*did you mean Sphere\(\)\?"),
        (lambda: evo.minimize(3), "expected a Problem or a function, found 3"),  # type: ignore[arg-type]  # tested
        (lambda: evo.minimize(total), "space: a function needs one"),
        (lambda: evo.minimize(Sphere(), evo.Real(0, 1)), "a Problem has its own space"),
        (lambda: evo.minimize(Sphere(), sede=3), 'sede: unknown option, did you mean "seed"?'),  # type: ignore[call-arg]  # tested
        (lambda: evo.minimize(Sphere(), seed=-1), "seed: expected a whole number"),
        (lambda: evo.minimize(Sphere(), workers=-1), "workers: expected a whole number, 0 or more"),
        (lambda: evo.minimize(Sphere(), stop={"generations": 3}), "stop: expected an evo.Stop"),  # type: ignore[arg-type]  # tested
        (lambda: evo.minimize(Sphere(), optimizer="gaa"), r'optimizer.type: expected .*did you mean "ga"\?'),
        (lambda: evo.minimize(Sphere(), checkpoint={"intervall": 3}), r'did you mean "interval"\?'),
        (lambda: evo.maximize(Sphere()), "Sphere is minimised; set maximize = True"),
        (lambda: evo.minimize(type("Bare", (evo.Problem,), {})()), "Bare.space: expected a space"),
        (lambda: evo.minimize(total, "cube"), "space: expected a space such as"),  # type: ignore[arg-type]  # tested
    ],
)
def test_a_mistake_in_the_call_is_a_usage_error_that_names_it(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(
        evo.UsageError, match=re.escape(message) if "*" not in message and "\\" not in message else message
    ):
        call()


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (Mismatched(), r"objectives: expected an array of shape \(1,\), found \(1, 2\)"),
        (Worded(), r"objectives: expected numbers of shape \(1,\), found list"),
        (Lonely(), r"objectives: expected an array of shape \(1,\), found \(\)"),
        (Violated(), "violations: expected a finite number"),
        (Complex(), r"objectives: expected numbers of shape \(1,\), found ndarray"),
        (Forgetful(), r"objectives: expected numbers of shape \(1,\), found NoneType None"),
    ],
)
def test_an_objective_of_the_wrong_shape_ends_the_run_and_is_named(
    problem: evo.Problem, message: str, tmp_path: Path
) -> None:
    with pytest.raises(evo.RunFailedError, match=message):
        evo.minimize(problem, stop=SHORT, output=tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["stop_reason"] == "failed"
    assert re.search(message, result["error"])
    assert load(tmp_path / "run")["run"]["generation"] == 0


def test_a_run_leaves_the_files_of_the_contract(tmp_path: Path) -> None:
    result = evo.minimize(Rastrigin(4), stop=SHORT, output=tmp_path / "run")
    names = {p.relative_to(tmp_path / "run").as_posix() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert {"settings.yaml", "events.jsonl", "result.json", "solution.json", "checkpoints/latest"} <= names
    assert (tmp_path / "run" / "checkpoints" / "latest").read_text().strip() == "gen-00000012.msgpack"
    content = json.loads((tmp_path / "run" / "result.json").read_text())
    assert content["digest"] == result.digest
    assert content["evaluations"] == 1200
    assert content["evaluations_by"] == {"in_process": 1200}
    solution = json.loads((tmp_path / "run" / "solution.json").read_text())
    assert solution["objective"] == result.objective
    kinds = [json.loads(line)["event"] for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert {"generation", "improved", "checkpoint", "executor"} <= set(kinds)


def test_the_first_checkpoint_is_saved_before_the_first_evaluation(tmp_path: Path) -> None:
    def look(x: np.ndarray) -> float:
        assert (tmp_path / "run" / "checkpoints" / "gen-00000000.msgpack").exists()
        return float(x.sum())

    evo.minimize(look, evo.Real(0, 1, shape=2), stop=evo.Stop(generations=2), output=tmp_path / "run")


def test_a_folder_that_holds_a_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    evo.minimize(Sphere(2), stop=SHORT, output=tmp_path / "run")
    before = (tmp_path / "run" / "result.json").read_bytes()
    with pytest.raises(evo.UsageError, match=r"holds a run already.*--overwrite"):
        evo.minimize(Sphere(2), stop=SHORT, seed=2, output=tmp_path / "run")
    assert (tmp_path / "run" / "result.json").read_bytes() == before


def test_overwriting_removes_a_run_and_nothing_else(tmp_path: Path) -> None:
    evo.minimize(Sphere(2), stop=evo.Stop(generations=30), output=tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    evo.minimize(Sphere(2), stop=SHORT, output=tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"
    assert load(tmp_path / "run")["run"]["generation"] == 12


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(evo.UsageError, match=r"file/run: cannot be used as the run's folder"):
        evo.minimize(Sphere(2), stop=SHORT, output=tmp_path / "file" / "run")


def test_a_closure_is_resumed_when_it_is_given_again(tmp_path: Path) -> None:
    shift = 0.25

    def closure(x: np.ndarray) -> float:
        return float(((x - shift) ** 2).sum())

    space = evo.Real(0, 1, shape=3)
    whole = evo.minimize(closure, space, stop=evo.Stop(generations=24))
    evo.minimize(closure, space, stop=SHORT, output=tmp_path / "run")
    with pytest.raises(evo.CheckpointError, match=r"cannot be imported again.*problem="):
        evo.resume(tmp_path / "run", stop=evo.Stop(generations=24))
    resumed = evo.resume(tmp_path / "run", problem=closure, stop=evo.Stop(generations=24))
    assert resumed.digest == whole.digest


def test_a_function_of_a_module_is_imported_again(tmp_path: Path) -> None:
    evo.maximize(total, evo.Binary(10), stop=SHORT, output=tmp_path / "run")
    resumed = evo.resume(tmp_path / "run", stop=evo.Stop(generations=24))
    assert resumed.objective == 10
    assert resumed.digest == evo.maximize(total, evo.Binary(10), stop=evo.Stop(generations=24)).digest


def test_a_checkpoint_of_another_problem_is_refused(tmp_path: Path) -> None:
    evo.minimize(Sphere(2), stop=SHORT, output=tmp_path / "run")
    with pytest.raises(evo.CheckpointError, match=r"another problem.*\"sphere\", found \"onemax\""):
        evo.resume(tmp_path / "run", problem=OneMax(10))
    with pytest.raises(evo.CheckpointError, match=r"another problem.*another space"):
        evo.resume(tmp_path / "run", problem=Sphere(3))


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(evo.CheckpointError, match="expected a checkpoint of a run"):
        evo.resume(save(tmp_path / "other.msgpack", {"weights": np.zeros(3)}))
    (tmp_path / "text.msgpack").write_text("no checkpoint at all")
    with pytest.raises(evo.CheckpointError, match=r"text\.msgpack"):
        evo.resume(tmp_path / "text.msgpack")


def test_a_folder_without_a_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(evo.CheckpointError, match=str(tmp_path)):
        evo.resume(tmp_path)
    with pytest.raises(evo.CheckpointError, match="there is no such file or folder"):
        evo.resume(tmp_path / "nothing")


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_newest_checkpoint_is_passed_over_with_a_message(damage: str, tmp_path: Path) -> None:
    whole = evo.minimize(Sphere(2), stop=evo.Stop(generations=24))
    evo.minimize(Sphere(2), stop=SHORT, output=tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "gen-00000012.msgpack"
    content = bytearray(newest.read_bytes())
    if damage == "truncated":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 4
    newest.write_bytes(content)
    with pytest.raises(evo.CheckpointError, match="the newest good one beside it is"):
        evo.resume(newest)
    told: list[dict[str, Any]] = []
    result = evo.resume(tmp_path / "run", stop=evo.Stop(generations=24), observers=[told.append])
    assert result.digest == whole.digest
    assert any("gen-00000012" in event.get("message", "") for event in told if event["event"] == "alert")


def test_a_finished_run_resumed_is_as_it_was(tmp_path: Path) -> None:
    first = evo.minimize(Sphere(2), stop=SHORT, output=tmp_path / "run")
    again = evo.resume(tmp_path / "run")
    assert (again.digest, again.generations, again.stop_reason) == (first.digest, 12, "generations")


def test_an_interrupt_from_the_keyboard_saves_and_goes_on_to_the_caller(tmp_path: Path) -> None:
    calls = 0

    def objective(x: np.ndarray) -> float:
        nonlocal calls
        calls += 1
        if calls == 550:
            raise KeyboardInterrupt
        return float((x**2).sum())

    space = evo.Real(-1, 1, shape=3)
    with pytest.raises(KeyboardInterrupt):
        evo.minimize(objective, space, stop=SHORT, output=tmp_path / "run")
    assert load(tmp_path / "run")["run"]["generation"] == 5
    resumed = evo.resume(tmp_path / "run", problem=objective)
    assert resumed.digest == evo.minimize(objective, space, stop=SHORT).digest


def test_a_problem_may_write_into_its_argument() -> None:
    def spoiling(x: np.ndarray) -> np.ndarray:
        x *= x
        return np.asarray(x.sum(axis=1))

    def sparing(x: np.ndarray) -> np.ndarray:
        return np.asarray((x * x).sum(axis=1))

    space = evo.Real(-1, 1, shape=3)
    digests = {evo.minimize(f, space, stop=SHORT, vectorized=True).digest for f in (spoiling, sparing)}
    assert len(digests) == 1


def test_improve_replaces_genomes_by_better_ones() -> None:
    class Climbing(Sphere):
        def improve(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]  # the hook as a method
            return x * 0.5

    result = evo.minimize(Climbing(3), stop=evo.Stop(generations=60))
    assert result.objective is not None
    assert result.objective < 1e-12
    assert result.objective == pytest.approx(float((result.x**2).sum()))


def test_an_empty_name_is_no_folder() -> None:
    with pytest.raises(evo.UsageError, match="output: expected a folder's name, found ''"):
        evo.minimize(lambda x: 0.0, evo.Real(0, 1, shape=2), output="")


def test_a_wrong_seed_is_told_by_its_own_name() -> None:
    with pytest.raises(evo.SettingsError, match=r"^seed: expected"):
        evo.minimize(lambda x: 0.0, evo.Real(0, 1, shape=2), seed=-1)


def test_a_timeout_that_cannot_hold_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="evaluation_timeout has no effect with workers=0"):
        evo.minimize(lambda x: float(x.sum()), evo.Real(0, 1, shape=2), stop=evo.Stop(generations=1),
                     fault_tolerance={"evaluation_timeout": 5})  # fmt: skip


class Diagonal(evo.Problem):
    """On a line, as far down as a limit lets."""

    space = evo.Real(-2, 2, shape=2)
    equality_tolerance = 0.01

    def evaluate(self, x: np.ndarray) -> Any:
        return evo.Evaluation(x.sum(axis=1), 0.5 - x[:, 0], x[:, 0] - x[:, 1])


def test_an_equality_holds_within_its_tolerance() -> None:
    result = evo.minimize(Diagonal(), optimizer="de", stop=evo.Stop(generations=150), seed=1)
    assert result.feasible
    assert result.x == pytest.approx([0.5, 0.49], abs=1e-3)


def test_a_function_may_give_equalities_too() -> None:
    def point(x: np.ndarray) -> Any:
        return evo.Evaluation(float(x.sum()), equalities=[x[0] - 1.0, x[1] - 0.5])

    result = evo.minimize(point, evo.Real(-2, 2, shape=2), optimizer="de", stop=evo.Stop(generations=200))
    assert result.feasible
    assert result.x == pytest.approx([1.0, 0.5], abs=2e-4)


def test_equalities_are_checked_like_violations() -> None:
    class Nan(Diagonal):
        def evaluate(self, x: np.ndarray) -> Any:
            return evo.Evaluation(x.sum(axis=1), equalities=np.full(len(x), np.nan))

    with pytest.raises(evo.RunFailedError, match="equalities: expected a finite number, found"):
        evo.minimize(Nan(), stop=evo.Stop(generations=1))
    Nan.equality_tolerance = -1.0
    with pytest.raises(evo.ProblemError, match=r"equality_tolerance: expected a number, 0 or more, found -1\.0"):
        evo.minimize(Nan(), stop=evo.Stop(generations=1))

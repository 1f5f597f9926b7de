"""A run with several objectives: how a problem names them, what the run leaves, how it stops and resumes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import evo
from evo import checkpoints
from evo.cli import main
from evo.cli.supervisor import _result as result_of
from evo.engine import Engine
from evo.indicators import hypervolume

SHORT = evo.Stop(generations=20)


class Ring(evo.Problem):
    """Close to a point and far from another one; not within a circle."""

    space = evo.Real(-2, 2, shape=2)
    directions = ("min", "max")
    reference = (8.0, -1.0)

    def evaluate(self, x: np.ndarray) -> Any:
        near, far = ((x - 1) ** 2).sum(axis=1), (x**2).sum(axis=1)
        return evo.Evaluation(np.column_stack((near, far)), 0.25 - far)


def both(x: np.ndarray) -> tuple[float, float]:
    return float((x**2).sum()), float(((x - 2) ** 2).sum())


def negative(x: np.ndarray) -> tuple[float, float]:
    return -float((x**2).sum()), -float(((x - 2) ** 2).sum())


BOX = evo.Real(-4, 4, shape=3)


def test_the_result_is_the_feasible_front_in_the_users_sense() -> None:
    result = evo.minimize(Ring(), stop=SHORT, seed=3)
    assert result.front is not None
    x, objectives = result.front.x, result.front.objectives
    assert x.shape == (len(result.front), 2)
    found = Ring().evaluate(x)
    assert np.array_equal(objectives, found.objectives)
    assert (found.violations <= 0).all()
    assert result.feasible
    near, far = objectives[np.argsort(objectives[:, 0])].T
    assert (np.diff(far) > 0).all(), "of two points of a front each is better in something"
    assert (np.diff(near) > 0).all()
    assert result.objective == objectives.tolist()
    assert result.x is x
    assert result.hypervolume == pytest.approx(hypervolume(objectives * [1, -1], [8.0, 1.0]))


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_function_has_as_many_objectives_as_the_call_says(vectorized: bool) -> None:
    def batch(x: np.ndarray) -> np.ndarray:
        return np.array([both(row) for row in x])

    result = evo.minimize(
        batch if vectorized else both, BOX, objectives=2, reference=(20, 20), stop=SHORT, vectorized=vectorized
    )
    assert result.front is not None
    assert result.objective == [list(both(x)) for x in result.x]


def test_maximized_and_minimized_negatives_are_the_same_run() -> None:
    low = evo.minimize(both, BOX, objectives=2, stop=SHORT)
    high = evo.maximize(negative, BOX, objectives=2, stop=SHORT)
    named = evo.minimize(negative, BOX, objectives=("max", "max"), stop=SHORT)
    assert low.digest == high.digest == named.digest
    assert np.array_equal(low.objective, -np.array(high.objective))


def test_auto_and_the_default_choose_nsga2() -> None:
    default = evo.minimize(both, BOX, objectives=2, stop=SHORT)
    assert default.digest == evo.minimize(both, BOX, objectives=2, stop=SHORT, optimizer="nsga2").digest
    auto = evo.minimize(both, BOX, objectives=2, stop=SHORT, optimizer="auto")
    assert auto.objective == default.objective


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: evo.minimize(both, BOX, objectives=2, optimizer="cma-es"), "cma-es is for one objective, the problem"),
        (lambda: evo.minimize(sum, BOX, optimizer="nsga2"), "nsga2 is for several objectives, the problem has 1"),
        (lambda: evo.minimize(both, BOX, objectives=0), "objectives: expected their number"),
        (lambda: evo.minimize(both, BOX, objectives=("min", "least")), "objectives: expected their number, or"),
        (lambda: evo.maximize(both, BOX, objectives=("min", "max")), "objectives: maximize makes all larger"),
        (lambda: evo.minimize(both, BOX, objectives=2, reference=(1,)), "reference: expected 2 finite numbers"),
        (lambda: evo.minimize(sum, BOX, reference=(1,)), "reference: expected none with one objective"),
        (lambda: evo.minimize(Ring(), objectives=2), "problem: a Problem has its own space"),
        (lambda: evo.minimize(both, BOX, objectives=2, stop=evo.Stop(stall=5)), "stop.stall: with several"),
        (lambda: evo.minimize(both, BOX, objectives=2, stop=evo.Stop(target=5)), "stop.target: with several"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_clear_line(call: Any, expected: str) -> None:
    with pytest.raises(evo.EvoError) as raised:
        call()
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("directions", [("min",), "min", ("min", "down"), ("max",)])
def test_directions_that_mean_nothing_are_refused(directions: Any) -> None:
    problem = Ring()
    problem.directions, problem.reference = directions, None
    with pytest.raises(evo.ProblemError, match=r"Ring\.directions: expected"):
        evo.minimize(problem, stop=SHORT)


@pytest.mark.parametrize("wrong", [lambda x: (1.0, 2.0, 3.0), lambda x: 1.0, lambda x: (1.0, np.nan)])
def test_a_wrong_number_of_objectives_is_the_failure_of_the_individual(wrong: Any) -> None:
    with pytest.raises(evo.RunFailedError, match=r"objective"):
        evo.minimize(wrong, BOX, objectives=2, stop=SHORT)

    def sometimes(x: np.ndarray) -> Any:
        return wrong(x) if x[0] > 0 else both(x)

    result = evo.minimize(sometimes, BOX, objectives=2, stop=SHORT)
    assert result.quarantined > 0
    assert (result.x[:, 0] <= 0).all()


def test_two_objectives_where_one_is_expected_are_told_with_a_hint() -> None:
    with pytest.raises(evo.RunFailedError, match=r"shape \(1,\), found \(1, 2\); several objectives are named by"):
        evo.minimize(both, BOX, stop=SHORT)


def test_where_nothing_is_feasible_the_least_infeasible_are_told() -> None:
    def never(x: np.ndarray) -> evo.Evaluation:
        return evo.Evaluation(both(x), 1.0 + abs(x[0]))

    result = evo.minimize(never, BOX, objectives=2, reference=(50, 50), stop=evo.Stop(generations=60))
    assert not result.feasible
    assert result.hypervolume is None
    assert np.abs(result.x[:, 0]).max() < 0.1


def test_the_stall_of_the_hypervolume_ends_a_run() -> None:
    volumes: list[float] = []

    def note(engine: Engine) -> None:
        volumes.append(engine.hypervolume() or 0.0)

    result = evo.minimize(Ring(), stop=evo.Stop(stall=5, generations=5000), seed=1, callback=note)
    assert result.stop_reason == "stall"
    assert max(volumes[-5:]) <= max(volumes[:-5])
    assert volumes[-6] == max(volumes)


def test_a_hypervolume_is_a_target() -> None:
    whole = evo.minimize(Ring(), stop=SHORT, seed=2).hypervolume
    assert whole is not None
    result = evo.minimize(Ring(), stop=evo.Stop(target=0.9 * whole, generations=500), seed=2)
    assert result.stop_reason == "target"
    assert result.generations < 20
    assert result.hypervolume is not None
    assert result.hypervolume >= 0.9 * whole


def test_saved_and_resumed_it_ends_the_same(tmp_path: Path) -> None:
    whole = evo.minimize(both, BOX, objectives=("min", "min"), reference=(30, 30), stop=SHORT)
    evo.minimize(both, BOX, objectives=2, reference=(30, 30), stop=evo.Stop(generations=8), output=tmp_path / "run")
    resumed = evo.resume(tmp_path / "run", stop=SHORT)
    assert resumed.digest == whole.digest
    assert resumed.hypervolume == whole.hypervolume
    assert resumed.objective == whole.objective
    again = evo.resume(tmp_path / "run")  # finished: nothing is evaluated, the front is there all the same
    assert again.objective == whole.objective


def test_the_files_hold_the_front(tmp_path: Path) -> None:
    result = evo.minimize(Ring(), stop=SHORT, output=tmp_path / "run")
    assert result.front is not None
    content = json.loads((tmp_path / "run" / "result.json").read_text())
    assert content["objective"] == result.objective
    assert content["hypervolume"] == result.hypervolume
    solution = json.loads((tmp_path / "run" / "solution.json").read_text())
    assert solution == {"x": result.front.x.tolist(), "objective": result.objective, "feasible": True}
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    last = next(event for event in reversed(events) if event["event"] == "generation")
    assert last["front"] == len(result.front)
    assert last["hypervolume"] == result.hypervolume
    improved = [event["hypervolume"] for event in events if event["event"] == "improved"]
    assert improved == sorted(improved)
    assert len(improved) > 5


def test_the_command_line_runs_tells_and_inspects(tmp_path: Path) -> None:
    file = tmp_path / "zdt.yaml"
    file.write_text("problem: {type: zdt1, dimensions: 8}\nstop: {generations: 30}\nworkers: 0\n")
    shell = CliRunner()
    run = shell.invoke(main, ["run", str(file), "--output", str(tmp_path / "run")])
    assert run.exit_code == 0, run.output
    assert re.search(r"front \d+ points, hypervolume 0\.8", run.output)
    shown = shell.invoke(main, ["inspect", str(tmp_path / "run")]).output
    assert re.search(r"best +\d+ points", shown)
    assert "hypervolume 0." in shown
    found = json.loads(shell.invoke(main, ["inspect", str(tmp_path / "run"), "--json"]).output)
    assert found["best"] == json.loads((tmp_path / "run" / "result.json").read_text())["objective"]


def test_the_code_of_the_page_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "two-objectives.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n".join(blocks), "two-objectives.md", "exec"), names)
    assert hypervolume(names["result"].front.objectives, names["problem"].reference) > 0.85


def test_the_result_of_a_run_that_died_is_told_from_its_checkpoint(tmp_path: Path) -> None:
    result = evo.minimize(Ring(), stop=SHORT, output=tmp_path / "run")
    told = result_of(checkpoints.load(tmp_path / "run"))
    assert told["objective"] == result.objective
    assert told["feasible"]
    assert told["digest"] == result.digest

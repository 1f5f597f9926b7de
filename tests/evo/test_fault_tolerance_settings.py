"""Where the fault-tolerance settings of a run come from, and what a run does that tolerates nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import evo
from evo.cli.group import main
from evo.distributed.executor import ignore
from evo.distributed.in_process import InProcessExecutor
from evo.errors import ExecutorError, RunFailedError, SettingsError
from evo.run import _tolerance
from evo.settings import settings_from_mapping

SPACE = evo.Real(-1, 1, shape=2)


def settings_with(**sections: Any) -> Any:
    return settings_from_mapping({"problem": {"type": "any"}, **sections})


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(fault_tolerance={"max_restarts": 5, "health_check_interval": 7})
    assert _tolerance(settings, None).max_restarts == 5
    monkeypatch.setenv("EVO_MAX_RESTARTS", "6")
    monkeypatch.setenv("EVO_HEALTH_CHECK_INTERVAL", "8")
    assert _tolerance(settings, None).max_restarts == 6
    found = _tolerance(settings, {"max_restarts": 7})
    assert (found.max_restarts, found.health_check_interval) == (7, 8)


def test_retries_may_be_given_under_either_name_also_after_settings_were_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(fault_tolerance={"max_task_retries": 5})
    again = settings_from_mapping(settings.to_mapping())
    assert _tolerance(again, None).max_retries == 6
    monkeypatch.setenv("EVO_MAX_TASK_RETRIES", "1")
    assert _tolerance(again, None).max_retries == 2
    with pytest.raises(SettingsError, match="max_task_retries"):
        settings_with(fault_tolerance={"max_task_retries": 5, "max_retries": 3})


def test_the_interval_of_checkpoints_has_two_names_that_must_agree() -> None:
    settings = settings_with(fault_tolerance={"checkpoint_interval": 4})
    assert settings.checkpoint.interval == 4
    assert settings_from_mapping(settings.to_mapping()).checkpoint.interval == 4
    with pytest.raises(SettingsError, match="checkpoint_interval"):
        settings_with(fault_tolerance={"checkpoint_interval": 4}, checkpoint={"interval": 5})


def test_a_variable_that_is_out_of_range_is_an_error_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVO_MAX_RESTARTS", "-1")
    with pytest.raises(SettingsError, match="EVO_MAX_RESTARTS: expected an integer >= 0, found '-1'"):
        evo.minimize(lambda x: float(x.sum()), SPACE, stop=evo.Stop(generations=2), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_tolerates_nothing_ends_at_the_first_failure_with_a_checkpoint(tmp_path: Path) -> None:
    calls = 0

    def fails_in_the_second_generation(x: np.ndarray) -> float:
        nonlocal calls
        calls += 1
        if calls == 60:
            raise ValueError("the model diverged")
        return float(x.sum())

    output = tmp_path / "run"
    options: Any = {"stop": evo.Stop(generations=9), "output": output, "optimizer": {"type": "ga", "population": 40}}
    with pytest.raises(RunFailedError, match=r"ValueError: the model diverged; it is the first failure"):
        evo.minimize(
            fails_in_the_second_generation, SPACE, fault_tolerance={"enable_fault_tolerance": False}, **options
        )
    result = json.loads((output / "result.json").read_text())
    assert (result["stop_reason"], result["generations"]) == ("failed", 1)
    assert "gen-00000001" in (output / "checkpoints" / "latest").read_text()
    assert calls == 60  # not tried again
    assert evo.resume(output, problem=lambda x: float(x.sum()), accept_changed_problem=True).generations == 9


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("max_restarts", "expected NAME=VALUE"),
        ("max_restart=2", 'did you mean "max_restarts"'),
        ("max_restarts=-2", "expected a whole number, 0 or more, found -2"),
    ],
)
def test_a_wrong_setting_on_the_command_line_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["run", "nothing.yaml", "--fault-tolerance", text])
    assert found.exit_code == 2
    assert complaint in " ".join(found.output.split())


class LosesItsHead(InProcessExecutor):
    """In the third generation."""

    def start(self, evaluator: Any, listener: Any, delivered: Any = ignore) -> None:
        self.listener, self.left = listener, 3
        super().start(evaluator, listener, delivered)

    def collect(self, should_stop: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            self.listener("executor", {"name": "ray", "state": "head_lost", "workers": 0, "error": "refused"})
            raise ExecutorError("the head of the Ray cluster is lost: refused")
        return super().collect(should_stop)

    def report(self) -> dict[str, Any]:
        return {"metrics": {"tasks_done": 2}, "workers": [], "nodes": []}


def test_when_the_head_is_lost_the_run_is_saved_before_anything_else_and_the_result_has_the_metrics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("evo.distributed.make_executor", lambda *settings, **options: LosesItsHead())
    output = tmp_path / "run"
    with pytest.raises(RunFailedError, match="the head of the Ray cluster is lost"):
        evo.minimize(
            lambda x: float(x.sum()),
            SPACE,
            stop=evo.Stop(generations=9),
            output=output,
            checkpoint={"interval": 1000, "seconds": 1000},
        )
    events = [json.loads(line) for line in (output / "events.jsonl").read_text().splitlines()]
    told = [(e["event"], e["generation"]) for e in events if e["event"] == "checkpoint" or "head_lost" in e.values()]
    assert told[:3] == [("checkpoint", 0), ("checkpoint", 2), ("executor", 2)]
    result = json.loads((output / "result.json").read_text())
    assert result["stop_reason"] == "failed"
    assert result["metrics"] == {"tasks_done": 2}
    assert result["workers"] == result["nodes"] == []


def test_generation_events_carry_the_metrics_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reports(InProcessExecutor):
        def report(self) -> dict[str, Any]:
            return {"metrics": {"tasks_done": 2}}

    monkeypatch.setattr("evo.distributed.make_executor", lambda *settings, **options: Reports())
    monkeypatch.setattr("evo.engine.METRICS_SECONDS", 0.0)
    events: list[dict[str, Any]] = []
    evo.minimize(lambda x: float(x.sum()), SPACE, stop=evo.Stop(generations=3), observers=[events.append])
    assert [e["metrics"] for e in events if e["event"] == "generation"][-1] == {"tasks_done": 2}

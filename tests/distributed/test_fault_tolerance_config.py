"""Where a setting comes from, which place wins, and what a wrong one is told."""

from __future__ import annotations

from typing import Any

import pytest

from evo.distributed.fault_tolerance_config import ENVIRONMENT, FaultToleranceConfig
from evo.errors import SettingsError


def resolve(**layers: Any) -> FaultToleranceConfig:
    return FaultToleranceConfig.resolve(**{"environment": {}, **layers})


def test_the_defaults_are_the_documented_ones() -> None:
    config = resolve()
    expected = {
        "max_retries": 3,
        "max_task_retries": 2,
        "retry_delay": 5.0,
        "health_check_interval": 30.0,
        "enable_fault_tolerance": True,
        "max_restarts": 3,
        "enable_health_monitoring": True,
        "checkpoint_interval": 10,
        "breaker_failures": 3,
        "breaker_window": 3600.0,
        "breaker_timeout": 300.0,
        "heartbeat_timeout": 120.0,
        "evaluation_timeout": None,
        "on_cluster_loss": None,
    }
    assert {name: getattr(config, name) for name in expected} == expected


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default() -> None:
    layers: dict[str, Any] = {"file": {"max_restarts": 4}}
    assert resolve(**layers).max_restarts == 4
    layers["environment"] = {"EVO_MAX_RESTARTS": "5"}
    assert resolve(**layers).max_restarts == 5
    layers["command_line"] = {"max_restarts": 6}
    assert resolve(**layers).max_restarts == 6
    assert resolve(file={"max_restarts": 4, "retry_delay": 1}, environment={"EVO_MAX_RESTARTS": "5"}).retry_delay == 1


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("EVO_FAULT_TOLERANCE_ENABLED", "false", "enable_fault_tolerance", False),
        ("EVO_FAULT_TOLERANCE_ENABLED", "1", "enable_fault_tolerance", True),
        ("EVO_MAX_RESTARTS", "0", "max_restarts", 0),
        ("EVO_MAX_TASK_RETRIES", "4", "max_task_retries", 4),
        ("EVO_MAX_TASK_RETRIES", "4", "max_retries", 5),
        ("EVO_HEALTH_MONITORING_ENABLED", "Off", "enable_health_monitoring", False),
        ("EVO_HEALTH_CHECK_INTERVAL", "2.5", "health_check_interval", 2.5),
        ("EVO_HEALTH_CHECK_INTERVAL", " ", "health_check_interval", 30.0),
    ],
)
def test_a_setting_comes_from_its_variable(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(resolve(environment={variable: text}), name) == value


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ENVIRONMENT:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("EVO_MAX_RESTARTS", "9")
    assert FaultToleranceConfig.resolve().max_restarts == 9


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("EVO_MAX_RESTARTS", "-1", "EVO_MAX_RESTARTS: expected an integer >= 0, found '-1'"),
        ("EVO_MAX_RESTARTS", "2.5", "EVO_MAX_RESTARTS: expected an integer >= 0, found '2.5'"),
        ("EVO_MAX_TASK_RETRIES", "many", "EVO_MAX_TASK_RETRIES: expected an integer >= 0, found 'many'"),
        ("EVO_FAULT_TOLERANCE_ENABLED", "2", "EVO_FAULT_TOLERANCE_ENABLED: expected true or false, found '2'"),
        ("EVO_HEALTH_CHECK_INTERVAL", "0", "EVO_HEALTH_CHECK_INTERVAL: expected a number of seconds > 0, found '0'"),
        (
            "EVO_HEALTH_CHECK_INTERVAL",
            "inf",
            "EVO_HEALTH_CHECK_INTERVAL: expected a number of seconds > 0, found 'inf'",
        ),
        (
            "EVO_HEALTH_CHECK_INTERVAL",
            "nan",
            "EVO_HEALTH_CHECK_INTERVAL: expected a number of seconds > 0, found 'nan'",
        ),
    ],
)
def test_a_wrong_variable_is_named_with_what_was_expected_and_found(variable: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        resolve(environment={variable: text})
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("max_retries", 0, "an integer >= 1"),
        ("max_retries", True, "an integer >= 1"),
        ("retry_delay", -1, "a number of seconds >= 0"),
        ("retry_delay", "5", "a number of seconds >= 0"),
        ("max_restarts", 1.5, "an integer >= 0"),
        ("evaluation_timeout", 0, 'a number of seconds > 0, or "auto"'),
        ("deadline_factor", 1, "a number > 1"),
        ("max_quarantined", 1.1, "a share between 0 and 1"),
        ("on_cluster_loss", "panic", "local, wait or stop"),
        ("breaker_window", 0, "a number of seconds > 0"),
        ("enable_fault_tolerance", "yes", "true or false"),
    ],
)
def test_a_wrong_field_is_named_wherever_it_stands(field: str, value: object, expected: str) -> None:
    message = f"fault_tolerance.{field}: expected {expected}, found {value!r}"
    for build in (
        lambda: FaultToleranceConfig(**{field: value}),
        lambda: FaultToleranceConfig.from_mapping({field: value}),
        lambda: resolve(command_line={field: value}),
    ):
        with pytest.raises(SettingsError) as error:
            build()
        assert str(error.value) == message


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"fault_tolerance.max_retrys: expected one of .*max_retries"):
        FaultToleranceConfig.from_mapping({"max_retrys": 3})


def test_retries_are_one_setting_under_two_names() -> None:
    assert FaultToleranceConfig(max_retries=5).max_task_retries == 4
    assert FaultToleranceConfig(max_task_retries=4).max_retries == 5
    assert FaultToleranceConfig(max_retries=5, max_task_retries=4).max_retries == 5
    for build in (FaultToleranceConfig, lambda **names: FaultToleranceConfig.from_mapping(names)):
        with pytest.raises(SettingsError, match=r"max_task_retries: expected max_retries - 1 = 4 or no value, found 1"):
            build(max_retries=5, max_task_retries=1)
    with pytest.raises(SettingsError, match=r"max_retries - 1 = 2 or no value, found 5"):
        FaultToleranceConfig.from_mapping({"max_retries": 3, "max_task_retries": 5})


def test_a_stronger_place_replaces_retries_whatever_name_it_uses() -> None:
    assert resolve(file={"max_retries": 8}, environment={"EVO_MAX_TASK_RETRIES": "1"}).max_retries == 2
    assert resolve(file={"max_task_retries": 8}, command_line={"max_retries": 3}).max_task_retries == 2


def test_a_mapping_of_it_builds_it_again() -> None:
    config = FaultToleranceConfig(max_retries=7, evaluation_timeout=3.0, on_cluster_loss="wait")
    assert FaultToleranceConfig.from_mapping(config.to_mapping()) == config
    assert FaultToleranceConfig().to_mapping()["evaluation_timeout"] == "auto"
    assert FaultToleranceConfig.from_mapping(FaultToleranceConfig().to_mapping()) == FaultToleranceConfig()

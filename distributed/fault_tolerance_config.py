"""`FaultToleranceConfig`: how much is tolerated, and where each setting comes from.

Command line before environment before file before default.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, cast

from evo.errors import SettingsError

OnClusterLoss = Literal["local", "wait", "stop"]

ENVIRONMENT = {
    "EVO_FAULT_TOLERANCE_ENABLED": "enable_fault_tolerance",
    "EVO_MAX_RESTARTS": "max_restarts",
    "EVO_MAX_TASK_RETRIES": "max_task_retries",
    "EVO_HEALTH_MONITORING_ENABLED": "enable_health_monitoring",
    "EVO_HEALTH_CHECK_INTERVAL": "health_check_interval",
}
"""Variables that are read, and the setting that each of them gives."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a setting may be: `accepts` takes a value of the right type, `expected` says it in words."""

    expected: str
    accepts: Callable[[Any], bool]


def _integer(least: int) -> _Rule:
    return _Rule(
        f"an integer >= {least}",
        lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least,
    )


def _seconds(*, zero: bool = False) -> _Rule:
    def accepts(value: Any) -> bool:
        return _is_number(value) and math.isfinite(value) and (value > 0 or (zero and value == 0))

    return _Rule(f"a number of seconds {'>= 0' if zero else '> 0'}", accepts)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_SWITCH = _Rule("true or false", lambda v: isinstance(v, bool))
_TIMEOUT = _Rule(
    'a number of seconds > 0, or "auto"', lambda v: v is None or (_is_number(v) and math.isfinite(v) and v > 0)
)

_RULES: dict[str, _Rule] = {
    "enable_fault_tolerance": _SWITCH,
    "max_retries": _integer(1),
    "max_task_retries": _integer(0),
    "retry_delay": _seconds(zero=True),
    "max_retry_delay": _seconds(zero=True),
    "max_restarts": _integer(0),
    "evaluation_timeout": _TIMEOUT,
    "deadline_factor": _Rule("a number > 1", lambda v: _is_number(v) and math.isfinite(v) and v > 1),
    "deadline_floor": _seconds(),
    "max_quarantined": _Rule("a share between 0 and 1", lambda v: _is_number(v) and 0 <= v <= 1),
    "on_cluster_loss": _Rule("local, wait or stop", lambda v: v is None or v in ("local", "wait", "stop")),
    "checkpoint_interval": _integer(1),
    "enable_health_monitoring": _SWITCH,
    "health_check_interval": _seconds(),
    "heartbeat_timeout": _seconds(),
    "breaker_failures": _integer(0),
    "breaker_window": _seconds(),
    "breaker_timeout": _seconds(),
    "breaker_max_timeout": _seconds(),
}


@dataclass(frozen=True, slots=True)
class FaultToleranceConfig:
    """What the `FaultToleranceManager` goes by. Times are in seconds; a wrong value raises `SettingsError`."""

    enable_fault_tolerance: bool = True
    """False: the first failure ends the run."""
    max_retries: int = 3
    """Attempts that an individual or a task gets, the first one included."""
    max_task_retries: int | None = None
    """The same counted as repetitions: `max_retries` - 1, and filled in as that. Give one of the two."""
    retry_delay: float = 5.0
    """The second repetition waits this long, every further one twice as long; the first one goes at once."""
    max_retry_delay: float = 60.0
    """No wait is longer."""
    max_restarts: int = 3
    """Times in a row that a slot's worker is replaced; a delivered chunk starts the count anew."""
    evaluation_timeout: float | None = None
    """The longest that one individual may take. None (``auto`` in a file): measured deadlines alone, which move work
    and never condemn an individual."""
    deadline_factor: float = 4.0
    """A chunk's deadline as a multiple of its expected cost."""
    deadline_floor: float = 5.0
    """No deadline is shorter."""
    max_quarantined: float = 0.9
    """The run is given up when more than this share of a generation's individuals is quarantined."""
    on_cluster_loss: OnClusterLoss | None = None
    """When no node is left. None: ``local`` for problems that come with evo, ``stop`` for the user's code."""
    checkpoint_interval: int = 10
    """Generations between two checkpoints."""
    enable_health_monitoring: bool = True
    """False: nodes are not sampled and heartbeats not awaited."""
    health_check_interval: float = 30.0
    heartbeat_timeout: float = 120.0
    """A worker that has sent no heartbeat for this long is taken for dead."""
    breaker_failures: int = 3
    """A breaker opens at more failures than this within `breaker_window`."""
    breaker_window: float = 3600.0
    breaker_timeout: float = 300.0
    """An open breaker admits a probe after this long, after twice as long when the probe fails, and so on …"""
    breaker_max_timeout: float = 3600.0
    """… up to this."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            rule = _RULES[field.name]
            if field.name == "max_task_retries" and value is None:
                continue
            if not rule.accepts(value):
                raise SettingsError(_message(f"fault_tolerance.{field.name}", rule, value))
        self._reconcile_retries()

    def _reconcile_retries(self) -> None:
        if self.max_task_retries is None:
            object.__setattr__(self, "max_task_retries", self.max_retries - 1)
        elif self.max_retries == FaultToleranceConfig.__dataclass_fields__["max_retries"].default:
            object.__setattr__(self, "max_retries", self.max_task_retries + 1)
        elif self.max_task_retries != self.max_retries - 1:
            raise SettingsError(_contradiction(self.max_retries, self.max_task_retries))

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """From a plain mapping, as a file holds it. An unknown key or a wrong value raises `SettingsError`."""
        return cls(**_checked(settings))

    @classmethod
    def resolve(
        cls,
        *,
        file: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        command_line: Mapping[str, Any] | None = None,
    ) -> Self:
        """From all the places where a setting can stand; the command line wins, then the environment, then the file.

        Parameters
        ----------
        file
            The section ``fault_tolerance`` of a problem file, or the keyword arguments of a call.
        environment
            Variables by name, see `ENVIRONMENT`. None: those of this process.
        command_line
            Settings given for this one run.
        """
        merged: dict[str, Any] = {}
        variables = _from_environment(os.environ if environment is None else environment)
        for layer in (_checked(file or {}), variables, _checked(command_line or {})):
            if {"max_retries", "max_task_retries"} & layer.keys():  # the same thing under two names: replace both
                merged.pop("max_retries", None)
                merged.pop("max_task_retries", None)
            merged.update(layer)
        return cls(**merged)

    def to_mapping(self) -> dict[str, Any]:
        """Every setting with its value, as `from_mapping` reads it."""
        mapping = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.evaluation_timeout is None:
            mapping["evaluation_timeout"] = "auto"
        return mapping


def _message(where: str, rule: _Rule, found: object) -> str:
    return f"{where}: expected {rule.expected}, found {found!r}"


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in _RULES:
            raise SettingsError(f"fault_tolerance.{name}: expected one of {', '.join(_RULES)}, found {name!r}")
        if name == "evaluation_timeout" and value == "auto":
            value = None
        elif name == "max_task_retries" and value is None:
            continue
        if not _RULES[name].accepts(value):
            raise SettingsError(_message(f"fault_tolerance.{name}", _RULES[name], value))
        values[name] = value
    if (
        "max_retries" in values
        and values.get("max_task_retries", values["max_retries"] - 1) != values["max_retries"] - 1
    ):
        raise SettingsError(_contradiction(values["max_retries"], values["max_task_retries"]))
    return values


def _contradiction(max_retries: int, max_task_retries: int) -> str:
    return (
        f"fault_tolerance.max_task_retries: expected max_retries - 1 = {max_retries - 1} or no value, "
        f"found {max_task_retries}"
    )


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, name in ENVIRONMENT.items():
        text = environment.get(variable, "").strip()
        if not text:  # an empty variable is an unset one
            continue
        rule = _RULES[name]
        value = _parsed(text, switch=rule is _SWITCH)
        if not rule.accepts(value):
            raise SettingsError(_message(variable, rule, text))
        values[name] = value
    return values


def _parsed(text: str, *, switch: bool) -> Any:
    """A variable's text as a switch, an integer or a number; itself where it is none of them."""
    if switch:
        words = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        return words.get(text.lower(), text)
    for kind in (int, float):
        try:
            return cast(Any, kind)(text)
        except ValueError:
            continue
    return text

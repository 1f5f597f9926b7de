"""The settings of a run: what a problem.yaml may say, checked, with an error that names the field and its line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from evo import strict_yaml
from evo.errors import SettingsError
from evo.suggestion import suggestion

MAX_SEED = 2**63

_DURATION = re.compile(
    r"(?:(?P<d>[\d.]+)\s*d)?\s*(?:(?P<h>[\d.]+)\s*h)?\s*(?:(?P<m>[\d.]+)\s*m(?:in)?)?\s*(?:(?P<s>[\d.]+)\s*s)?"
)
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


# ------------------------------------------------------------------------------------------------- values


def parse_number(value: Any) -> float | None:
    """`value` as a finite number, None where it is none. Booleans are not numbers; the string "1e5" is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, np.integer, np.floating)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def parse_whole(value: Any) -> int | None:
    """`value` as a whole number, None where it is none; 1e5 and 10.0 are whole, exactly."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, np.integer, np.floating)):
        return None
    try:
        return int(value) if not isinstance(value, (float, np.floating)) or value == int(value) else None
    except (ValueError, OverflowError):  # "1e5", inf, nan
        number = parse_number(value)
        return int(number) if number is not None and number == int(number) else None


def parse_seconds(value: Any) -> float | None:
    """A duration in seconds: a number, or a text such as 90s, 10m, 1h30m, 2d; None where it is none."""
    number = parse_number(value)
    if number is not None or not isinstance(value, str) or not value.strip():
        return number
    match = _DURATION.fullmatch(value.strip().lower())
    if match is None:
        return None
    parts = {unit: parse_number(text) for unit, text in match.groupdict().items() if text is not None}
    if any(amount is None for amount in parts.values()):
        return None
    return sum(_SECONDS[unit] * (amount or 0.0) for unit, amount in parts.items())


def show(value: Any) -> str:
    """`value` as an error quotes it: short, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."


def _wrong(expected: str, value: Any) -> PydanticCustomError:
    return PydanticCustomError(
        "wrong", "expected {expected}, found {found}", {"expected": expected, "found": show(value)}
    )


def _positive_whole(value: Any) -> int:
    number = parse_whole(value)
    if number is None or number < 1:
        raise _wrong("a positive whole number", value)
    return number


def _whole_from_zero(value: Any) -> int:
    number = parse_whole(value)
    if number is None or number < 0:
        raise _wrong("a whole number, 0 or more", value)
    return number


def _seed(value: Any) -> int:
    number = parse_whole(value)
    if number is None or not 0 <= number < MAX_SEED:
        raise _wrong("a whole number from 0 to 2**63 - 1", value)
    return number


def _finite(value: Any) -> float:
    number = parse_number(value)
    if number is None:
        raise _wrong("a number", value)
    return number


def _finite_from_zero(value: Any) -> float:
    number = parse_number(value)
    if number is None or number < 0:
        raise _wrong("a number, 0 or more", value)
    return number


def _above_one(value: Any) -> float:
    number = parse_number(value)
    if number is None or number <= 1:
        raise _wrong("a number above 1", value)
    return number


def _share(value: Any) -> float:
    number = parse_number(value)
    if number is None or not 0 <= number <= 1:
        raise _wrong("a share between 0 and 1", value)
    return number


def _positive_seconds(value: Any) -> float:
    seconds = parse_seconds(value)
    if seconds is None or seconds <= 0:
        raise _wrong("a positive time in seconds (or with a unit: 90s, 10m, 2h)", value)
    return seconds


def _seconds_from_zero(value: Any) -> float:
    seconds = parse_seconds(value)
    if seconds is None or seconds < 0:
        raise _wrong("a time in seconds (or with a unit: 90s, 10m, 2h), 0 or more", value)
    return seconds


def _timeout(value: Any) -> float | str:
    if value == "auto":
        return "auto"
    seconds = parse_seconds(value)
    if seconds is None or seconds <= 0:
        raise _wrong('a positive time in seconds (or with a unit: 90s, 10m, 2h), or "auto"', value)
    return seconds


def _workers(value: Any) -> int | str:
    if value == "auto":
        return "auto"
    number = parse_whole(value)
    if number is None or number < 0:
        raise _wrong('a whole number, 0 or more, or "auto"', value)
    return number


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong("a name", value)
    return value.strip()


def _address(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong("an address: auto, host:port or ray://host:port", value)
    return value.strip()


def _cluster_loss(value: Any) -> str:
    if value not in ("local", "wait", "stop"):
        raise _wrong("one of local, wait, stop", value)
    return str(value)


def _compression(value: Any) -> str:
    if value not in ("none", "zstd"):
        raise _wrong("none or zstd", value)
    return str(value)


def _journal(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if value != "auto":
        raise _wrong("true, false or auto", value)
    return "auto"


PositiveWhole = Annotated[int, BeforeValidator(_positive_whole)]
WholeFromZero = Annotated[int, BeforeValidator(_whole_from_zero)]
Finite = Annotated[float, BeforeValidator(_finite)]
FiniteFromZero = Annotated[float, BeforeValidator(_finite_from_zero)]
PositiveSeconds = Annotated[float, BeforeValidator(_positive_seconds)]
SecondsFromZero = Annotated[float, BeforeValidator(_seconds_from_zero)]
Name = Annotated[str, BeforeValidator(_name)]


# ------------------------------------------------------------------------------------------------- models


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProblemSettings(_Section):
    """What is solved. In the file the parameters stand beside `type`."""

    type: Name
    """A built-in name, or ``module:Class``."""
    parameters: dict[str, Any] = Field(default_factory=dict)


class OptimizerSettings(_Section):
    """How it is solved. In the file the parameters stand beside `type`."""

    type: Name | None = None
    """None: the problem's own default."""
    parameters: dict[str, Any] = Field(default_factory=dict)


class StopSettings(_Section):
    """When the run ends: the first criterion that holds. None of them: the problem's own default budget."""

    generations: PositiveWhole | None = None
    time: PositiveSeconds | None = None
    """Seconds of optimisation."""
    target: Finite | None = None
    """An objective that is good enough."""
    stall: PositiveWhole | None = None
    """Generations without an improvement."""
    evaluations: PositiveWhole | None = None
    f_tolerance: FiniteFromZero | None = None
    """An improvement of the best that is too little, over `window` generations."""
    x_tolerance: FiniteFromZero | None = None
    """A move of the best that is too little, over `window` generations."""
    window: PositiveWhole | None = None


class ClusterSettings(_Section):
    """An existing Ray cluster."""

    address: Annotated[str, BeforeValidator(_address)] = "auto"


class CheckpointSettings(_Section):
    """When the run is saved: every `interval` generations or `seconds`, whichever comes first."""

    interval: PositiveWhole = 10
    seconds: PositiveSeconds = 30.0
    keep: PositiveWhole = 3
    """Files kept, the newest."""
    every: PositiveWhole | None = None
    """Every so many generations a file that is kept for good, beside the newest."""
    compression: Annotated[Literal["none", "zstd"], BeforeValidator(_compression)] = "none"
    """zstd: large arrays are compressed (extra ``evo-engine[zstd]``)."""
    journal: Annotated[StrictBool | Literal["auto"], BeforeValidator(_journal)] = "auto"
    """Keep every finished evaluation between checkpoints; auto: where one takes more than 50 ms."""
    directory: Name | None = None
    """Where checkpoints are copied to, beside the run's folder: any URL of fsspec (extra ``evo-engine[remote]``)."""
    walltime: PositiveSeconds | None = None
    """When a batch system ends the job, in seconds from the start of this process; SLURM tells it by itself."""
    stop_before_walltime: PositiveSeconds = 60.0
    """So much earlier the run saves and stops, to be resumed by the next job."""


class FaultToleranceSettings(_Section):
    """How failures of evaluations, workers and nodes are met: `evo.distributed.FaultToleranceConfig`, as a file has it.

    What each one means, and what no value means, is said there.
    """

    enable_fault_tolerance: StrictBool = True
    max_retries: PositiveWhole = 3
    max_task_retries: WholeFromZero | None = None
    retry_delay: SecondsFromZero = 5.0
    max_retry_delay: SecondsFromZero = 60.0
    max_restarts: WholeFromZero = 3
    evaluation_timeout: Annotated[float | Literal["auto"], BeforeValidator(_timeout)] = "auto"
    deadline_factor: Annotated[float, BeforeValidator(_above_one)] = 4.0
    deadline_floor: PositiveSeconds = 5.0
    max_quarantined: Annotated[float, BeforeValidator(_share)] = 0.9
    on_cluster_loss: Annotated[Literal["local", "wait", "stop"], BeforeValidator(_cluster_loss)] | None = None
    checkpoint_interval: PositiveWhole | None = None
    """Another name for `CheckpointSettings.interval`."""
    enable_health_monitoring: StrictBool = True
    health_check_interval: PositiveSeconds = 30.0
    heartbeat_timeout: PositiveSeconds = 120.0
    breaker_failures: WholeFromZero = 3
    breaker_window: PositiveSeconds = 3600.0
    breaker_timeout: PositiveSeconds = 300.0
    breaker_max_timeout: PositiveSeconds = 3600.0

    @model_validator(mode="after")
    def _reconcile(self) -> Self:
        """`max_retries` and `max_task_retries` count the same thing: both are set where one is, and agree."""
        if self.max_task_retries is None or self.max_task_retries == self.max_retries - 1:
            return self
        if "max_retries" in self.model_fields_set:
            raise _wrong(f"max_task_retries = max_retries - 1 = {self.max_retries - 1}", self.max_task_retries)
        return self.model_copy(update={"max_retries": self.max_task_retries + 1})


class Settings(_Section):
    """A whole problem.yaml."""

    problem: ProblemSettings
    optimizer: OptimizerSettings = OptimizerSettings()
    stop: StopSettings = StopSettings()
    seed: Annotated[int, BeforeValidator(_seed)] = 1
    workers: Annotated[int | Literal["auto"], BeforeValidator(_workers)] = "auto"
    cluster: ClusterSettings | None = None
    checkpoint: CheckpointSettings = CheckpointSettings()
    fault_tolerance: FaultToleranceSettings = FaultToleranceSettings()

    @model_validator(mode="after")
    def _reconcile(self) -> Self:
        """`fault_tolerance.checkpoint_interval` is `checkpoint.interval`."""
        wanted = self.fault_tolerance.checkpoint_interval
        if wanted is None or wanted == self.checkpoint.interval:
            return self
        if "interval" in self.checkpoint.model_fields_set:
            expected = f"fault_tolerance.checkpoint_interval = checkpoint.interval = {self.checkpoint.interval}"
            raise _wrong(expected, wanted)
        return self.model_copy(update={"checkpoint": self.checkpoint.model_copy(update={"interval": wanted})})

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, complete, laid out as in the file; `settings_from_mapping` gives the same settings back."""
        mapping = self.model_dump()
        for section in ("problem", "optimizer"):
            parameters = mapping[section].pop("parameters")
            mapping[section].update({key: _plain(value, f"{section}.{key}") for key, value in parameters.items()})
        return mapping

    def to_yaml(self) -> str:
        """The text of a settings.yaml; `load_settings` gives the same settings back."""
        return strict_yaml.dump(self.to_mapping())


def _plain(value: Any, field: str) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{field}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{field}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SettingsError(f"{field}: expected plain data (numbers, text, lists, mappings), found {show(value)}")


# ------------------------------------------------------------------------------------------------- reading


def load_settings(path: str | Path) -> Settings:
    """Read a problem.yaml.

    Raises
    ------
    SettingsError
        One line per mistake: ``problem.yaml, line 7: stop.generatoins: unknown key, did you mean "generations"?``
    """
    path = Path(path)
    source = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"{source}: no such file") from None
    except IsADirectoryError:
        raise SettingsError(f"{source}: expected a settings file such as problem.yaml, found a folder") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{source}, line {line}: expected a YAML text in UTF-8, found other bytes") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SettingsError(f"{source}: cannot be read: {reason}") from None
    return _validate(strict_yaml.parse(text, source), source)


def settings_from_mapping(mapping: Mapping[str, Any], source: str = "settings") -> Settings:
    """Settings from plain values laid out as in the file. Raises `SettingsError`; `source`, if any, begins its text."""
    return _validate(strict_yaml.Document(mapping), source)


def fault_tolerance_from_mapping(mapping: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The section ``fault_tolerance`` alone, checked, complete but for what has no value. Raises `SettingsError`."""
    whole = {"problem": {"type": "any"}, "fault_tolerance": mapping}
    return settings_from_mapping(whole, source).fault_tolerance.model_dump(exclude_none=True)


def _validate(document: strict_yaml.Document, source: str) -> Settings:
    raw = document.value
    if raw is None:
        raise SettingsError(f"{source}: empty, expected at least problem: {{type: ...}}")
    if not isinstance(raw, Mapping):
        raise SettingsError(f"{source}: expected a mapping with the key problem, found {show(raw)}")
    try:
        return Settings.model_validate(_lay_out(raw))
    except ValidationError as error:
        mistakes = []
        for details in error.errors(include_url=False):
            location = tuple(details["loc"])
            line = document.line(location)
            where = source if line is None else f"{source}, line {line}"
            where = f"{where}: " if where else ""
            mistakes.append((line or 0, f"{where}{'.'.join(map(str, location))}: {_translate(details, location)}"))
        mistakes.sort(key=lambda mistake: mistake[0])
        raise SettingsError("\n".join(text for _, text in mistakes)) from None


def _lay_out(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """From the file's layout to the models': parameters apart from `type`, short forms written out."""
    sections = {str(key): value for key, value in raw.items()}
    for section in ("problem", "optimizer"):
        value = sections.get(section)
        if isinstance(value, str):  # `optimizer: hgs` is short for `optimizer: {type: hgs}`
            sections[section] = {"type": value}
        elif isinstance(value, Mapping):
            words = {str(key): item for key, item in value.items()}
            kind = {"type": words.pop("type")} if "type" in words else {}
            sections[section] = {**kind, "parameters": words}
    if isinstance(sections.get("cluster"), str):
        sections["cluster"] = {"address": sections["cluster"]}
    for section, value in list(sections.items()):
        if value is None and section in Settings.model_fields and section != "problem":
            del sections[section]  # `stop:` with nothing after it
        elif isinstance(value, Mapping) and section not in ("problem", "optimizer"):
            sections[section] = {str(key): item for key, item in value.items()}
    return sections


def _translate(details: Any, location: tuple[str | int, ...]) -> str:
    kind = details["type"]
    if kind == "missing":
        return f"missing, expected {'a built-in name or module:Class' if location[-1] == 'type' else '{type: ...}'}"
    if kind == "extra_forbidden":
        return _unknown_key(location)
    if kind == "wrong":
        return str(details["msg"])
    if kind in ("bool_type", "bool_parsing"):
        return f"expected true or false, found {show(details['input'])}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"expected a mapping, found {show(details['input'])}"
    return f"{details['msg']}, found {show(details['input'])}"


def _unknown_key(location: tuple[str | int, ...]) -> str:
    """What was probably meant: the same key of another section, or a key of this one with nearly that name."""
    key = str(location[-1])
    sections = dict(_sections())
    known = list(Settings.model_fields) if len(location) == 1 else sections.get(str(location[0]), [])
    for section, keys in sections.items():
        if key in keys:
            return f'unknown key here, did you mean "{section}.{key}"?'
    if len(location) > 1 and key in Settings.model_fields:
        return f'unknown key here, did you mean "{key}" at the top?'
    return f"unknown key{suggestion(key, known) or ', expected one of ' + ', '.join(known)}"


def _sections() -> Iterator[tuple[str, list[str]]]:
    models: dict[str, type[BaseModel]] = {
        "problem": ProblemSettings,
        "optimizer": OptimizerSettings,
        "stop": StopSettings,
        "cluster": ClusterSettings,
        "checkpoint": CheckpointSettings,
        "fault_tolerance": FaultToleranceSettings,
    }
    for section, model in models.items():
        yield section, [key for key in model.model_fields if key != "parameters"]


def locate(path: Path, field: str) -> str:
    """Where a settings file says something of `field` (dotted): ``problem.yaml, line 3``, or the file's name alone."""
    try:
        line = strict_yaml.parse(path.read_text(encoding="utf-8-sig"), str(path)).line(tuple(field.split(".")))
    except (OSError, ValueError, SettingsError):  # gone or changed since it was read
        line = None
    return str(path) if line is None else f"{path}, line {line}"

"""From the file that a command is given to settings and a problem, with errors that name the file."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo.errors import ProblemError, SettingsError, UsageError

if TYPE_CHECKING:
    from evo.problem import Problem
    from evo.settings import Settings

INSTANCE_SUFFIX = ".vrp"


def read_settings(path: Path) -> Settings:
    """The settings of a problem.yaml, or those that a bare CVRPLIB instance stands for."""
    from evo.settings import load_settings, settings_from_mapping

    if path.suffix.lower() == INSTANCE_SUFFIX:
        return settings_from_mapping({"problem": {"type": "cvrp", "instance": path.name}}, str(path))
    if path.suffix == ".msgpack" or (path.is_dir() and (path / "checkpoints").is_dir()):
        raise UsageError(
            f"{path}: expected a problem.yaml or a .vrp file, found a run; did you mean: evo resume {path}?"
        )
    return load_settings(path)


def build_problem(settings: Settings, path: Path) -> Problem:
    """The problem that the settings of this file describe."""
    from evo import registry

    kind, parameters = settings.problem.type, settings.problem.parameters
    if path.suffix.lower() == INSTANCE_SUFFIX:  # the error names it already
        return registry.build_problem(kind, parameters, path.parent)
    with naming(path):
        try:
            return registry.build_problem(kind, parameters, path.parent)
        except UsageError as error:
            raise ProblemError(_of_parameter(str(error), parameters, path.parent)) from error


def _of_parameter(message: str, parameters: Mapping[str, Any], folder: Path) -> str:
    """The message of an error in a problem's constructor, which knows no file, with the key that it is about first."""
    if re.match(r"problem\b", message):
        return message
    guilty = [key for key, value in parameters.items() if message.endswith(f", found {value!r}")]
    for key, value in parameters.items():
        if message.startswith(f"{key}:"):
            return f"problem.{message}"
        path = str(folder / value) if isinstance(value, str) else None
        if path is not None and message.startswith((f"{path}:", f"{path},")):
            return f"problem.{key}: {os.path.abspath(path)}{message.removeprefix(path)}"
    if len(guilty) == 1 and (field := re.match(r"\w+: ", message)):
        return f"problem.{guilty[0]}: {message.removeprefix(field[0])}"
    return f"problem: {message}"


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name, and the line, before an error that begins with a field of the settings."""
    try:
        yield
    except (SettingsError, ProblemError) as error:
        match = re.match(r"(problem|optimizer|stop|cluster|checkpoint|fault_tolerance)\b([.]\w+)?", str(error))
        if match is None:
            raise
        from evo.settings import locate

        raise type(error)(f"{locate(path, match[0])}: {error}") from error

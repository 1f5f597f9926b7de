"""From the file that a command is given to settings and a problem, with errors that name the file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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

    with naming(path):
        return registry.build_problem(settings.problem.type, settings.problem.parameters, path.parent)


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

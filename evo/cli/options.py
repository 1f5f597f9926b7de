"""Options that several commands share, and the kinds of values they take."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def converted(parse: str, accepts: Callable[[Any], bool], expected: str) -> Callable[..., Any]:
    """A callback that turns an option's text into a value as a settings file would, or says what was expected."""

    def convert(ctx: click.Context, param: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        from evo import settings

        value = getattr(settings, parse)(text)
        if value is None or not accepts(value):
            raise click.BadParameter(f'expected {expected}, found "{text}"', ctx, param)
        return value

    return convert


class Location(click.ParamType):  # type: ignore[type-arg]  # generic in click's newest version alone
    """A path, or an fsspec URL, which stays a text."""

    name = "location"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:
        return value if "://" in str(value) else Path(value)


class NewFolder(click.ParamType):  # type: ignore[type-arg]  # generic in click's newest version alone
    """A run's folder that is to be made, or made again."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if not str(value).strip():  # a variable of the shell that is not set; a Path would mean the working directory
            self.fail("expected a folder, found an empty name", param, ctx)
        return Path(value)


SEEDS: tuple[Callable[[Any], bool], str] = (lambda v: 0 <= v < 2**63, "a whole number from 0 to 2**63 - 1")


def _workers(ctx: click.Context, param: click.Parameter, text: str | None) -> int | str | None:
    if text == "auto":
        return text
    count: int | None = converted("parse_whole", lambda v: v >= 0, 'a whole number, 0 or more, or "auto"')(
        ctx, param, text
    )
    return count


def _remember_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta["evo.debug"] = value


debug = click.option(
    "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_remember_debug,
    help="Show the traceback of an error.",
)  # fmt: skip
path = click.option(
    "--path", "paths", multiple=True, metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where your own code is imported from, before the working directory; may be given again.",
)  # fmt: skip
seed = click.option(
    "--seed", metavar="N", help="Seed of the random streams.",
    callback=converted("parse_whole", *SEEDS),
)  # fmt: skip
generations = click.option(
    "--generations", metavar="N", callback=converted("parse_whole", lambda v: v >= 1, "a positive whole number"),
    help="Stop after so many generations, counted from the start of the run.",
)  # fmt: skip
seconds = click.option(
    "--time", "seconds", metavar="SECONDS",
    callback=converted("parse_seconds", lambda v: v > 0, "a positive time in seconds (or with a unit: 90s, 10m, 2h)"),
    help="Stop after so many seconds of optimisation, counted from the start of the run; 90s, 10m, 2h work too.",
)  # fmt: skip
workers = click.option(
    "--workers", metavar="N|auto", callback=_workers,
    help="0: evaluate in this process; n: in so many Ray workers; auto: on every core.",
)  # fmt: skip
walltime = click.option(
    "--walltime", metavar="SECONDS",
    callback=converted("parse_seconds", lambda v: v > 0, "a positive time in seconds (or with a unit: 90s, 10m, 2h)"),
    help="When the batch system ends this job, from its start: shortly before, the run saves and stops (exit code 75). "
    "Under SLURM that is known.",
)  # fmt: skip
wait_for_workers = click.option("--wait-for-workers", is_flag=True, help="Start only when the workers are there.")
supervise = click.option(
    "--supervise", is_flag=True,
    help="Start the run as a child, and resume it from its newest checkpoint should it die.",
)  # fmt: skip


def tolerance(texts: tuple[str, ...]) -> dict[str, Any]:
    """The settings that ``NAME=VALUE`` texts give, checked as those of a file. Raises `SettingsError`."""
    from evo import settings, strict_yaml
    from evo.errors import SettingsError

    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f'expected NAME=VALUE, found "{text}"')
        given[name.strip()] = strict_yaml.parse(value, text).value
    checked = settings.fault_tolerance_from_mapping(given, "--fault-tolerance")
    return {name: checked[name] for name in given}


def _checked_tolerance(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    from evo.errors import SettingsError

    try:
        tolerance(texts)
    except SettingsError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    return texts


fault_tolerance = click.option(
    "--fault-tolerance", metavar="NAME=VALUE", multiple=True, callback=_checked_tolerance,
    help="A setting of the section fault_tolerance; wins over the environment and the file. May be given again.",
)  # fmt: skip


def of_a_run(command: F) -> F:
    """What `run` and `resume` have in common, in the order of their help."""
    shared = (
        generations,
        seconds,
        walltime,
        workers,
        wait_for_workers,
        fault_tolerance,
        supervise,
        path,
        display,
        debug,
    )
    for option in reversed(shared):
        command = option(command)
    return command


def display(command: F) -> F:
    """``--json`` and ``--quiet``."""
    command = click.option("--quiet", is_flag=True, help="Show the last line alone.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Show every event as a line of JSON.")(command)


def make_importable(folders: Sequence[Path]) -> list[Path]:
    """Put folders first on Python's path, the working directory after them; return all of them, absolute."""
    wanted = list(dict.fromkeys(folder.absolute() for folder in (*folders, Path.cwd())))
    sys.path[:] = [
        *map(str, wanted),
        *(entry for entry in sys.path if Path(os.path.abspath(entry)) not in wanted),
    ]
    return wanted

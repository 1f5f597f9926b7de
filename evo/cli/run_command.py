"""`evo run`: from a problem.yaml, or a bare instance, to a finished run in a folder of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evo.errors import UsageError

from . import options

if TYPE_CHECKING:
    from evo.events import Observer
    from evo.interrupt import Interrupt
    from evo.result import Result
    from evo.settings import Settings


@click.command("run")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--output", type=options.NewFolder(), metavar="DIR", help="The run's folder.  [default: runs/<name>-<n>]")
@click.option("--overwrite", is_flag=True, help="Replace the run that the folder holds.")
@options.seed
@options.of_a_run
def command(
    file: Path,
    output: Path | None,
    overwrite: bool,
    seed: int | None,
    generations: int | None,
    seconds: float | None,
    walltime: float | None,
    workers: int | str | None,
    wait_for_workers: bool,
    fault_tolerance: tuple[str, ...],
    supervise: bool,
    paths: tuple[Path, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Run the problem that FILE describes.

    FILE is a problem.yaml, or a CVRPLIB instance (.vrp). Options win over the file. The run leaves a folder with its
    settings, checkpoints, events, solution and result. Ctrl-C saves, and shows the command to go on with; SIGUSR1 saves
    and goes on.

    \b
    Examples:
      evo run problem.yaml
      evo run problem.yaml --seed 2 --time 10m --output runs/long
      evo run X-n101-k25.vrp --generations 500 --workers 0
      evo run problem.yaml --json > events.jsonl
    """
    with contextlib.suppress(ValueError, PermissionError):  # told by whoever reads it
        if not file.exists():
            raise UsageError(f"{file}: no such file")
    if supervise:
        return _supervised(file, output, overwrite, paths, as_json)
    from .session import conduct

    importable: list[Path] = []

    def start(observers: Sequence[Observer], interrupt: Interrupt) -> Result:
        from .problem_file import build_problem, naming, read_settings

        settings = _with_options(read_settings(file), seed, generations, seconds, workers, walltime)
        folders = options.make_importable([file.absolute().parent, *paths])
        problem = build_problem(settings, file)
        if ":" in settings.problem.type:
            importable.extend(folders)
        from evo.run import run

        _warn_of_timeout(settings, fault_tolerance, observers)
        with run_folder(output, file.stem) as folder, naming(file):
            return run(
                settings,
                problem,
                output=folder,
                overwrite=overwrite,
                wait_for_workers=wait_for_workers,
                fault_tolerance=options.tolerance(fault_tolerance),
                observers=observers,
                interrupt=interrupt,
            )

    return conduct(f"evo: running {file}", start, as_json=as_json, quiet=quiet, paths=importable)


def _supervised(file: Path, output: Path | None, overwrite: bool, paths: Sequence[Path], as_json: bool) -> int:
    from evo.run_folder import RunFolder

    from .supervisor import arguments, supervise

    if output is not None and not overwrite:
        RunFolder.refuse_run(output)  # what is resumed later must be this run
    context = click.get_current_context()
    importable = [file.absolute().parent, *paths]
    with run_folder(output, file.stem) as folder:
        first = ["--output", str(folder), *arguments(context, "supervise", "output")]
        # All other options are in the checkpoint.
        kept = arguments(context, *(context.params.keys() - {"wait_for_workers", "as_json", "quiet"}))
        code = [word for path in importable for word in ("--path", str(path))]
        return supervise(
            folder,
            ["run", *first],
            ["resume", *code, *kept, str(folder)],
            paths=importable,
            as_json=as_json,
        )


def _warn_of_timeout(settings: Settings, fault_tolerance: tuple[str, ...], observers: Sequence[Observer]) -> None:
    """Say where a limit that was asked for does not hold."""
    from evo.distributed.fault_tolerance_config import FaultToleranceConfig
    from evo.events import EventBus

    if settings.workers != 0:
        return
    in_file = settings.fault_tolerance.model_dump(exclude_none=True)
    config = FaultToleranceConfig.resolve(file=in_file, command_line=options.tolerance(fault_tolerance))
    if config.evaluation_timeout is not None:
        EventBus(observers).emit(
            "alert",
            message="evaluation_timeout has no effect with workers 0: an evaluation in this process cannot be broken "
            "off; give --workers 1 or more",
        )


def _with_options(
    settings: Settings,
    seed: int | None,
    generations: int | None,
    seconds: float | None,
    workers: int | str | None,
    walltime: float | None,
) -> Settings:
    limits = {name: value for name, value in (("generations", generations), ("time", seconds)) if value is not None}
    changes: dict[str, Any] = {
        name: value for name, value in (("seed", seed), ("workers", workers)) if value is not None
    }
    if walltime is not None:
        changes["checkpoint"] = settings.checkpoint.model_copy(update={"walltime": walltime})
    return settings.model_copy(update={**changes, "stop": settings.stop.model_copy(update=limits)})


@contextlib.contextmanager
def run_folder(output: Path | None, name: str) -> Iterator[Path]:
    """The run's folder; one that was made here goes again if nothing came to be in it."""
    if output is not None:
        yield output
        return
    folder = new_folder(Path("runs"), name)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # not empty: a run
            folder.rmdir()


def new_folder(parent: Path, name: str) -> Path:
    """Make ``parent/name-1``, or the first number that is free, also when others do the same at this moment."""
    number = 1
    while True:
        folder = parent / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if parent.exists() and not parent.is_dir():
                raise UsageError(f"{parent}: expected a folder, found a file; name another one with --output") from None
            number += 1
        except OSError as error:
            raise UsageError(
                f"{folder}: cannot be made: {error.strerror or error}; name another folder with --output"
            ) from error
        else:
            return folder

"""`evo resume`: go on from a checkpoint to exactly the result that the run would have had."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from evo.events import Observer
    from evo.interrupt import Interrupt
    from evo.result import Result


@click.command("resume")
@click.argument("path", metavar="PATH", type=options.Location())
@click.option(
    "--output", type=options.NewFolder(), metavar="DIR",
    help="Go on in a new folder; by default in the run's own, and where PATH lies in none in runs/<name>-<n>.",
)  # fmt: skip
@click.option(
    "--from", "generation", metavar="GENERATION",
    callback=options.converted("parse_whole", lambda v: v >= 0, "a whole number, 0 or more"),
    help="Branch off at an older checkpoint of the folder; needs --output.",
)  # fmt: skip
@click.option(
    "--reseed", metavar="SEED", callback=options.converted("parse_whole", *options.SEEDS),
    help="Go on with other random streams, on purpose.",
)  # fmt: skip
@click.option(
    "--accept-changed-problem", is_flag=True,
    help="Go on although the problem's data or code are not what they were.",
)  # fmt: skip
@options.of_a_run
def command(
    path: str | Path,
    output: Path | None,
    generation: int | None,
    reseed: int | None,
    accept_changed_problem: bool,
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
    """Go on with the run in PATH until its budget is used.

    PATH is a run's folder (its newest good checkpoint is taken) or one checkpoint file; that file alone is enough, and
    the run goes on in a new folder then. Or the URL of either.
    The result is bit for bit that of a run that was never interrupted. --generations and --time name new totals.
    Code of your own is imported from the folders given by --path, the working directory and the installed packages,
    never from where the checkpoint says; if it has changed since, that is an error, unless --accept-changed-problem
    says that the objective still means the same.

    \b
    Examples:
      evo resume runs/problem-1
      evo resume runs/problem-1 --generations 2000
      evo resume gen-00000120.msgpack --path my_code --output runs/copy
      evo resume s3://bucket/runs/1 --output runs/1
      evo resume runs/problem-1 --from 500 --reseed 2 --output runs/other
    """
    if output is not None:
        from evo.run_folder import RunFolder

        RunFolder.refuse_run(output, can_overwrite=False)
    if supervise:
        return _supervised(path, output, generation, paths, as_json)
    from .session import conduct

    importable: list[Path] = []

    def start(observers: Sequence[Observer], interrupt: Interrupt) -> Result:
        importable.extend(options.make_importable(paths))
        from evo.run import resume
        from evo.stopping import Stop

        return resume(
            path,
            stop=Stop(generations=generations, time=seconds),
            workers=workers,
            walltime=walltime,
            generation=generation,
            reseed=reseed,
            output=output,
            accept_changed_problem=accept_changed_problem,
            wait_for_workers=wait_for_workers,
            fault_tolerance=options.tolerance(fault_tolerance),
            observers=observers,
            interrupt=interrupt,
        )

    with _new_folder(path, output, generation) as output:
        where = "" if output is None else f" in {output}"
        return conduct(f"evo: resuming {path}{where}", start, as_json=as_json, quiet=quiet, paths=importable)


@contextlib.contextmanager
def _new_folder(path: str | Path, output: Path | None, generation: int | None) -> Iterator[Path | None]:
    """The new folder to go on in; None: the run's own, or there is nothing to go on with, or it needs a name."""
    if output is not None or generation is not None:
        yield output
        return
    if isinstance(path, Path):
        from evo.run_folder import RunFolder

        if not path.exists() or RunFolder.of(path) is not None:
            yield None
            return
        name = path.absolute().stem
    else:
        name = PurePosixPath(path.partition("://")[2]).stem or "run"
    from .run_command import run_folder

    with run_folder(None, name) as folder:
        yield folder


def _supervised(
    path: str | Path, output: Path | None, generation: int | None, paths: Sequence[Path], as_json: bool
) -> int:
    from evo.errors import UsageError
    from evo.run_folder import RunFolder

    from .supervisor import arguments, supervise

    with _new_folder(path, output, generation) as new:
        own = RunFolder.of(path) if isinstance(path, Path) else None
        folder = new or (None if own is None else own.path)
        if folder is None:
            raise UsageError(f"{path}: there is no such file or folder")
        context = click.get_current_context()
        in_new = [] if new is None else ["--output", str(new)]
        return supervise(
            folder,
            ["resume", *in_new, *arguments(context, "supervise", "output")],
            ["resume", *arguments(context, "supervise", "path", "output", "generation", "reseed"), str(folder)],
            paths=paths,
            as_json=as_json,
        )

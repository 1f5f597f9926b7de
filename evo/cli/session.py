"""What `run` and `resume` share: display, signals, and the last words of a run."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from evo.errors import RunFailedError
from evo.events import Observer
from evo.interrupt import Interrupt
from evo.progress import Display, choose_display
from evo.progress import text as words

from .group import FAILED, FINISHED, INTERRUPTED
from .signals import SignalHandling

if TYPE_CHECKING:
    from evo.result import Result

Start = Callable[[Sequence[Observer], Interrupt], "Result"]

REASONS = {
    "generations": "all generations are done",
    "evaluations": "all evaluations are used",
    "time": "the time is up",
    "target": "the target is reached",
    "stall": "no improvement any more",
    "tolerance": "the best stands still",
    "callback": "the callback said so",
    "interrupted": "interrupted",
}


def conduct(headline: str, start: Start, *, as_json: bool, quiet: bool, paths: Sequence[Path]) -> int:
    """Run with a display and signal handling, say how it ended, and return the exit code.

    Parameters
    ----------
    headline
        Shown at once, before anything slow is imported.
    start
        Builds the run and carries it out.
    paths
        Folders that user code is imported from: the line to resume with names them.
    """
    with own_stdout(as_json) as out, choose_display(out, json=as_json, quiet=quiet) as display:
        display.begin(headline)
        with SignalHandling(display.notice, lambda: display.status.checkpoint is not None) as signals:
            try:
                result = start([display], signals.interrupt)
            except RunFailedError as error:
                raise _with_way_back(error, display, paths) from error
            display.end(*_last_words(result, display, paths))
    if result.stop_reason != "interrupted":
        return FINISHED
    return INTERRUPTED if _is_saved(result, display) else FAILED


def _is_saved(result: Result, display: Display) -> bool:
    """Whether there is a checkpoint to go on from: of this part of the run, or of one before."""
    from evo.checkpoints.folder import generations
    from evo.run_folder import CHECKPOINTS

    if display.status.checkpoint is not None:
        return True
    folder = None if result.output is None else result.output / CHECKPOINTS
    return folder is not None and folder.is_dir() and bool(generations(folder))


@contextlib.contextmanager
def own_stdout(exclusive: bool) -> Iterator[TextIO]:
    """Standard output; with `exclusive` for the caller alone: what anybody else prints goes to standard error."""
    if not exclusive:
        yield sys.stdout
        return
    out = sys.stdout
    try:
        descriptor = out.fileno()
    except (OSError, ValueError):  # replaced by an object of Python's own
        with contextlib.redirect_stdout(sys.stderr):
            yield out
        return
    out.flush()
    mine = os.fdopen(os.dup(descriptor), "w", encoding="utf-8")
    try:
        os.dup2(2, descriptor)  # also what libraries in C print
        with contextlib.redirect_stdout(sys.stderr):
            yield mine
    finally:
        os.dup2(mine.fileno(), descriptor)
        with contextlib.suppress(OSError):  # the reader has left
            mine.close()


def resume_line(folder: Path, paths: Sequence[Path]) -> str:
    """The command that goes on with a run, fit to be pasted into a shell."""
    words = ["evo", "resume", str(folder)]
    for path in paths:
        if path != Path.cwd():
            words += ["--path", _short(path)]
    return shlex.join(words)


def _short(path: Path) -> str:
    """Relative to the working directory where it lies in it."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _last_words(result: Result, display: Display, paths: Sequence[Path]) -> tuple[list[tuple[str, str]], str]:
    status = display.status
    objective = words.number(result.objective)
    if result.objective is not None and not result.feasible:
        objective += " (infeasible)"
    if result.hypervolume is not None:
        objective += f", hypervolume {words.number(result.hypervolume)}"
    if status.gap is not None:
        objective += f", gap {words.gap(status.gap)}"
    by = ", ".join(f"{count:,} in {_place(name)}" for name, count in result.evaluations_by.items())
    rows = [
        ("stopped", REASONS.get(result.stop_reason, result.stop_reason)),
        ("objective", objective),
        ("generations", f"{result.generations:,}"),
        ("evaluations", f"{result.evaluations:,}" + (f" ({by})" if by else "")),
        ("time", words.duration(result.seconds)),
    ]
    if result.quarantined or result.retries:
        rows.append(("faults", f"{result.retries:,} retried, {result.quarantined:,} set aside"))
    rows.append(("digest", result.digest))
    run = status.run
    if (
        run.get("event") == "resumed"
        and run["generation"] == result.generations
        and result.stop_reason != "interrupted"
    ):
        rows.append(("note", "the run was finished already; to extend it, give a new total: --generations or --time"))
    line = (
        f"{result.stop_reason}: objective {objective}, {words.plural(result.generations, 'generation')}, "
        f"{words.plural(result.evaluations, 'evaluation')}, {words.duration(result.seconds)}"
    )
    if result.output is not None:
        folder = _short(result.output)
        rows.append(("folder", folder))
        line += f", {folder}"
        if result.stop_reason == "interrupted":
            command = resume_line(Path(folder), paths)
            if status.checkpoint is not None and status.checkpoint[0] < result.generations:
                rows.append(("saved", f"generation {status.checkpoint[0]:,}"))
            rows.append(("go on with", command))
            line += f", go on with: {command}"
    return rows, line


def _place(name: str) -> str:
    return "this process" if name == "in_process" else "Ray workers" if name == "ray" else name


def _with_way_back(error: RunFailedError, display: Display, paths: Sequence[Path]) -> RunFailedError:
    """The error, with the command to resume by where something was saved."""
    status = display.status
    output = status.run.get("output")
    if status.checkpoint is None or output is None:
        return error
    command = resume_line(Path(_short(Path(output))), paths)
    return type(error)(f"{error}\nsaved at generation {status.checkpoint[0]}; to go on: {command}")

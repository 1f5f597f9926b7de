"""`supervise`: a small parent that starts a run as its child, and resumes it from the newest checkpoint when it dies.

The child may be ended by anything: a signal, the system for want of memory, a crash in the user's code, Ray. The parent
imports neither Ray nor numba nor the user's code, so that nothing of that can end it too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click

from evo import checkpoints
from evo.checkpoints import folder as checkpoint_folder
from evo.errors import CheckpointError
from evo.events import Event, EventLog, plain
from evo.run_folder import RunFolder
from evo.walltime import JOB_START, process_start

from .group import FAILED, INTERRUPTED
from .inspect_command import front_of
from .session import resume_line
from .signals import SAVE, SHOW_CURSOR, SIGNALS

RESTARTS = 3
"""So many in a row without a newer checkpoint; then it would go on for ever."""
LONGEST_PAUSE = 60.0
"""Before a restart, seconds: none before the first in a row, then 1, 2, 4, …"""


def arguments(context: click.Context, *without: str) -> list[str]:
    """The parameters that a command was called with, as words of a command line; not those named in `without`."""
    options: list[str] = ["--debug"] if context.meta.get("evo.debug") else []
    positional: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if parameter.name in without or value is None or value is False:
            continue
        if isinstance(parameter, click.Argument):
            positional.append(str(value))
        elif value is True:
            options.append(parameter.opts[0])
        else:
            for each in value if parameter.multiple else (value,):
                options += [parameter.opts[0], str(each)]
    return [*options, "--", *positional]


def supervise(
    folder: Path, first: Sequence[str], again: Sequence[str], *, paths: Sequence[Path] = (), as_json: bool = False
) -> int:
    """Run until the run ends on purpose, or dies too often; the exit code.

    Parameters
    ----------
    folder
        The run's folder.
    first, again
        evo's arguments for the first child, and for every one after something was saved.
    paths
        Where user code is imported from, for the command to go on with.
    as_json
        Standard output is for events.
    """
    return _Supervisor(folder, first, again, paths, as_json).run()


class _Supervisor:
    def __init__(
        self, folder: Path, first: Sequence[str], again: Sequence[str], paths: Sequence[Path], as_json: bool
    ) -> None:
        self._folder = RunFolder(folder.absolute())
        self._shown = folder
        self._first = list(first)
        self._again = list(again)
        self._paths = paths
        self._as_json = as_json
        self._environment = {JOB_START: str(process_start()), **os.environ}
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped_by: int | None = None
        self._passed_on = False
        self._stop = threading.Event()

    def run(self) -> int:
        before, is_new = self._saved(), not self._folder.holds_run()
        command, farthest, restarts = self._first, -1, 0
        with self._handling_signals():
            while True:
                word, status = self._live(command)
                if word is not None:
                    return word
                saved = self._saved()
                began = bool(saved.items() - before.items())
                if self._stopped_by is not None:
                    return INTERRUPTED if saved else FAILED
                if status == INTERRUPTED:  # told twice, and not by us
                    return status
                newest = max(saved, default=-1)
                restarts = 1 if newest > farthest else restarts + 1
                farthest = max(farthest, newest)
                if restarts > RESTARTS:
                    self._give_up(status, newest if began else -1)
                    return FAILED
                if began:
                    command, doing = self._again, f"resuming from generation {newest:,}"
                else:
                    doing = "starting it again"
                    if is_new and self._folder.holds_run():  # settings and events, and nothing to go on from
                        RunFolder.create(self._folder.path, overwrite=True).release()
                count = f"restart {restarts} of at most {RESTARTS} without a newer checkpoint"
                self._tell(newest if began else -1, f"the run died ({_how(status)}); {doing} ({count})")
                if self._stop.wait(min(2.0 ** (restarts - 2), LONGEST_PAUSE) if restarts > 1 else 0.0):
                    return INTERRUPTED if saved else FAILED

    def _live(self, command: list[str]) -> tuple[int | None, int]:
        """Start a child and wait for its end: its last word, None where it died, and its status."""
        reader, writer = os.pipe()
        path = f"import sys; sys.path[:] = {sys.path!r}"  # it imports the same evo, whatever lies in this folder
        code = f"{path}; from evo.cli.supervised import main; main({writer})"
        with open(reader, "rb") as words:
            try:
                self._child = subprocess.Popen(
                    [sys.executable, "-c", code, *command],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(writer,),
                    env=self._environment,
                    process_group=0,  # Ctrl-C reaches it through this process alone: twice would mean "at once"
                )
            finally:
                os.close(writer)
            if self._stopped_by is not None and not self._passed_on:  # while it was being started
                self._pass_on(self._stopped_by)
            status = self._child.wait()
            os.set_blocking(reader, False)  # somebody forked from it may still hold the other end
            word = words.read(1)
        if word:
            return word[0], status
        with contextlib.suppress(OSError):
            os.killpg(self._child.pid, signal.SIGKILL)  # what it had started
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), SHOW_CURSOR)
        return None, status

    def _saved(self) -> dict[int, int]:
        """The generations that have a checkpoint, and when each was written."""
        found: dict[int, int] = {}
        path = self._folder.checkpoints
        with contextlib.suppress(FileNotFoundError):
            for generation in checkpoint_folder.generations(path):
                found[generation] = (path / checkpoint_folder.file_name(generation)).stat().st_mtime_ns
        return found

    # Signals

    @contextlib.contextmanager
    def _handling_signals(self) -> Iterator[None]:
        handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = dict.fromkeys(SIGNALS, self._handle)
        if SAVE is not None:
            handlers[SAVE] = self._handle_save
        before: dict[signal.Signals, Any] = {}
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under `nohup`
                before[number] = signal.signal(number, handler)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._stopped_by = number
        self._stop.set()
        self._pass_on(number)

    def _handle_save(self, number: int, _: FrameType | None) -> None:
        if self._child is not None:
            self._child.send_signal(number)

    def _pass_on(self, number: int) -> None:
        if self._child is not None:
            self._passed_on = True
            self._child.send_signal(number)

    # Words

    def _give_up(self, status: int, newest: int) -> None:
        """Say so, and leave the result that the child has not left; `newest` is -1 where nothing was saved."""
        message = f"the run died ({_how(status)}), {RESTARTS} restarts brought no newer checkpoint: given up"
        if newest < 0:
            self._tell(newest, message)
            return
        message += f"; saved at generation {newest}; to go on: {resume_line(self._shown, self._paths)}"
        self._tell(newest, message)
        try:
            content = {**_result(checkpoints.load(self._folder.checkpoints, warn=lambda text: None)), "error": message}
            self._folder.write_result(content)
        except (CheckpointError, OSError, KeyError) as error:  # the checkpoint may be why the run dies
            self._tell(newest, f"no result can be written: {error}")
            return
        self._emit("finished", newest, {**content, "output": str(self._folder.path)})

    def _tell(self, generation: int, message: str) -> None:
        click.echo(f"evo: {message}", err=True)
        self._emit("alert", generation, {"message": message})

    def _emit(self, kind: str, generation: int, fields: dict[str, Any]) -> None:
        event: Event = {"event": kind, "time": round(time.time(), 3), "generation": max(generation, 0), **fields}
        if self._as_json:
            click.echo(json.dumps(plain(event)))
        if not self._folder.events.exists():  # the run has not begun
            return
        with contextlib.suppress(OSError):  # a full disk: it was said on the screen
            log = EventLog(self._folder.events, lambda complaint: None)
            log(event)
            log.close()


def _result(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `result.json`, from a checkpoint alone."""
    progress = checkpoint["run"]
    best, front = progress["best"], progress.get("front")
    objective: Any = None
    if best is not None:
        objective = -best["objective"] if checkpoint["problem"]["maximize"] else best["objective"]
    feasible = best is not None and best["violation"] <= 0
    if front is not None:
        objective, feasible = front_of(front, checkpoint["problem"]), bool((front["violation"] <= 0).all())
    return {
        "objective": objective,
        "feasible": feasible,
        "generations": progress["generation"],
        "evaluations": progress["evaluations"],
        "evaluations_by": progress["evaluated_by"],
        "seconds": round(progress["seconds"], 3),
        "stop_reason": "failed",
        "seed": checkpoint["settings"]["seed"],
        "quarantined": progress["quarantined"],
        "retries": progress["retries"],
        "digest": checkpoints.digest(checkpoint["optimizer"]["state"]),
    }


def _how(status: int) -> str:
    """In words, what a process ended by."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"

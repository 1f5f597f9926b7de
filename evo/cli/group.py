"""`evo`: the commands by name, and how their errors become one line and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import select
import sys
from typing import Any

import click

from evo.errors import EvoError, UsageError
from evo.suggestion import nearest

FINISHED, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 75

COMMANDS = {
    "run": "Run the problem of a problem.yaml or a .vrp file.",
    "resume": "Go on with a run that was interrupted, or extend one.",
    "inspect": "Show what a checkpoint holds, or how two differ.",
    "checkpoints": "List, verify or prune a run's checkpoints.",
    "validate": "Check a problem.yaml without running it.",
    "problems": "List the built-in problems.",
    "warmup": "Compile all kernels ahead.",
}


class EvoGroup(click.Group):
    """Commands that are imported when they are called; every error in one line, with a code that scripts can read."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"evo.cli.{name}_command").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):  # without importing them
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = nearest(name, COMMANDS)
            if near is not None:
                hint = f'did you mean "{near}"?'
            elif os.path.exists(name):
                hint = f"did you mean: evo {'resume' if os.path.isdir(name) else 'run'} {name}?"
            else:
                hint = f"expected one of {', '.join(COMMANDS)}"
            raise click.UsageError(f'unknown command "{name}", {hint}', ctx)
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Parse, run, and leave with the exit code."""
        extra["standalone_mode"] = False
        extra.setdefault("prog_name", "evo")
        try:
            code = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = FINISHED
        except click.ClickException as error:
            code = _mistake(error)
        except click.Abort:
            click.echo("evo: broken off", err=True)
            code = FAILED
        _flush()
        sys.exit(code or FINISHED)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            if isinstance(error, BrokenPipeError) and _reader_has_left():
                raise  # click ends in silence
            if ctx.meta.get("evo.debug"):
                import traceback

                traceback.print_exc()
            return _failure(error, hint=not ctx.meta.get("evo.debug"))


def _reader_has_left() -> bool:
    """Whether standard output is a pipe that nobody reads any more, as behind ``| head``."""
    watch = select.poll()
    try:
        watch.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):  # no file of the system's
        return False
    return any(seen & (select.POLLERR | select.POLLHUP) for _, seen in watch.poll(0))


def _flush() -> None:
    """Write out what is buffered; where nobody reads any more, Python must not fail over it when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_IN_PYTHON = re.compile(r"(?<=[a-z]) \(\w+=True\)")
"""What an option is called in Python, behind its name on the command line."""


def _failure(error: Exception, *, hint: bool) -> int:
    if isinstance(error, EvoError):
        for line in _IN_PYTHON.sub("", str(error)).splitlines():
            click.echo(f"evo: {line}", err=True)
        return MISTAKE if isinstance(error, UsageError) else FAILED
    text = " ".join(f"{type(error).__name__}: {error}".split())
    more = " (--debug shows where)" if hint else ""
    click.echo(f"evo: unexpected error: {text}{more}", err=True)
    return FAILED


def _mistake(error: click.ClickException) -> int:
    message = " ".join(error.format_message().split())
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else "evo"
    click.echo(f"{path}: {message} (see {path} --help)", err=True)
    return MISTAKE


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from evo.versions import evo_version

        click.echo(f"evo {evo_version()}")
        ctx.exit()


@click.command(
    "evo",
    cls=EvoGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 finished, 1 the run failed, 2 a mistake in the command or a file, 75 interrupted and saved.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
def main() -> None:
    """Evolutionary optimization whose runs survive anything.

    \b
    Examples:
      evo run problem.yaml              run a problem
      evo run instance.vrp --time 60    solve a CVRPLIB instance for a minute
      evo resume runs/problem-1         go on after Ctrl-C, a crash or a power cut
    """

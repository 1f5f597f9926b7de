"""`evo checkpoints`: what lies in a run's folder of checkpoints, whether it is sound, and making room."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from evo.progress import text

from . import options
from .group import FAILED

_FOLDER = click.argument(
    "folder", metavar="FOLDER", type=click.Path(exists=True, file_okay=False, path_type=Path)
)  # fmt: skip
_JSON = click.option("--json", "as_json", is_flag=True, help="As lines of JSON.")


@click.group("checkpoints")
@options.debug
def command() -> None:
    """List, verify or prune the checkpoints in a run's folder.

    \b
    Examples:
      evo checkpoints list runs/problem-1
      evo checkpoints verify runs/problem-1
      evo checkpoints prune runs/problem-1 --keep 1
    """


@command.command("list")
@_FOLDER
@_JSON
@options.debug
def list_command(folder: Path, as_json: bool) -> int:
    """Show every checkpoint of a run: generation, best, when it was saved, size, and whether it is sound.

    \b
    Examples:
      evo checkpoints list runs/problem-1
      evo checkpoints list runs/problem-1 --json
    """
    rows = list(_checked(folder))
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return 0
    click.echo(f"{'generation':>12}  {'best':>14}  {'saved':<19}  {'size':>9}  state")
    for row in rows:
        saved = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["saved"]))
        best = "" if row["best"] is None else text.number(row["best"])
        state = row["error"] or "good"
        click.echo(f"{row['generation']:>12,}  {best:>14}  {saved}  {text.size(row['bytes']):>9}  {state}")
    return 0


@command.command("verify")
@_FOLDER
@_JSON
@options.debug
def verify_command(folder: Path, as_json: bool) -> int:
    """Read every checkpoint of a run, and its journal; exit code 1 where anything is damaged.

    \b
    Examples:
      evo checkpoints verify runs/problem-1
    """
    from evo.checkpoints.journal import read_journal

    rows = list(_checked(folder))
    bad = [row["error"] for row in rows if row["error"]]
    records = read_journal(_checkpoints_of(folder), bad.append)
    if as_json:
        click.echo(json.dumps({"checkpoints": len(rows), "journal": len(records), "damaged": bad}))
    else:
        for line in bad:
            click.echo(line)
        click.echo(
            f"{text.plural(len(rows), 'checkpoint')}, {text.plural(len(records), 'record')} in the journal: "
            + (f"{len(bad)} damaged" if bad else "all good")
        )
    return FAILED if bad else 0


@command.command("prune")
@_FOLDER
@click.option("--keep", metavar="N", default="1", help="How many to keep, the newest that are good.  [default: 1]",
              callback=options.converted("parse_whole", lambda v: v >= 1, "a positive whole number"))  # fmt: skip
@click.option("--every", metavar="N", help="Keep those of every so many generations, too.",
              callback=options.converted("parse_whole", lambda v: v >= 1, "a positive whole number"))  # fmt: skip
@options.debug
def prune_command(folder: Path, keep: int, every: int | None) -> int:
    """Remove older checkpoints of a run that is not going on.

    \b
    Examples:
      evo checkpoints prune runs/problem-1
      evo checkpoints prune runs/problem-1 --keep 2 --every 100
    """
    from evo.checkpoints import CheckpointStore

    with _locked(folder):
        warnings: list[str] = []
        store = CheckpointStore(_checkpoints_of(folder), keep, every=every, warn=warnings.append)
        removed = store.prune()
    for line in warnings:
        click.echo(line, err=True)
    left = text.plural(len(store.generations()), "checkpoint")
    click.echo(f"{text.plural(len(removed), 'checkpoint')} removed, {left} kept")
    return 0


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep runs out meanwhile, and stay out while one goes on."""
    from evo.run_folder import RunFolder

    run = RunFolder.of(folder)
    with run or contextlib.nullcontext():
        if run is not None:
            run.lock()
        yield


def _checkpoints_of(folder: Path) -> Path:
    from evo.run_folder import CHECKPOINTS

    inside = folder / CHECKPOINTS
    return inside if inside.is_dir() else folder


def _checked(folder: Path) -> Iterator[dict[str, Any]]:
    """Every checkpoint, read: generation, file, bytes, when it was saved, best, and what is wrong with it."""
    from evo.checkpoints.checkpoint import read_file
    from evo.checkpoints.folder import file_name, generations
    from evo.errors import CheckpointError

    from .inspect_command import summarize

    where = _checkpoints_of(folder)
    found = generations(where)
    if not found:
        raise CheckpointError(f"{where}: there are no checkpoints (gen-*.msgpack) in this folder")
    for generation in found:
        path = where / file_name(generation)
        with contextlib.suppress(FileNotFoundError):  # pruned a moment ago by the run that goes on
            status = path.stat()
            row = {"generation": generation, "file": str(path), "bytes": status.st_size, "saved": status.st_mtime}
            try:
                yield {**row, "best": summarize(read_file(path))["best"], "error": None}
            except CheckpointError as error:
                yield {**row, "best": None, "error": str(error)}

"""`evo inspect`: what a checkpoint holds. Reading it runs nothing that the file holds, and needs no user code."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evo.progress import text

from . import options

if TYPE_CHECKING:
    from evo.checkpoints import Checkpoint


@click.command("inspect")
@click.argument("paths", metavar="PATH", nargs=-1, required=True, type=options.Location())
@click.option("--diff", "as_diff", is_flag=True, help="Tell in which fields two checkpoints differ.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@options.debug
def command(paths: tuple[str | Path, ...], as_diff: bool, as_json: bool) -> int:
    """Show what the checkpoint in PATH holds: a file, or a folder for its newest good one, or the URL of either.

    \b
    Examples:
      evo inspect runs/problem-1
      evo inspect --diff runs/problem-1 runs/problem-2
      evo inspect runs/problem-1/checkpoints/gen-00000120.msgpack --json
    """
    from evo import checkpoints

    expected = 2 if as_diff else 1
    if len(paths) != expected:
        raise click.UsageError(f"expected {text.plural(expected, 'PATH')}, found {len(paths)}")
    if as_diff:
        return _show_differences(paths[0], paths[1], as_json=as_json)
    path = paths[0]
    damaged: list[str] = []
    checkpoint = checkpoints.load(path, warn=damaged.append)
    summary = summarize(checkpoint)
    summary["damaged"] = damaged
    if as_json:
        import json

        from evo.events import plain

        click.echo(json.dumps(plain(summary)))
    else:
        _show(summary)
    return 0


def _show_differences(first: str | Path, second: str | Path, *, as_json: bool) -> int:
    """A line for each field that differs; nothing where the checkpoints are equal."""
    from evo import checkpoints
    from evo.checkpoints.comparing import described, differences

    for found in differences(dict(checkpoints.load(first)), dict(checkpoints.load(second))):
        if as_json:
            import json

            click.echo(json.dumps({"field": found.field, "difference": described(found)}))
        else:
            click.echo(f"{found.field}: {described(found)}")
    return 0


def summarize(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint in plain data: what it is of, how far it is, and the bytes of each of its arrays.

    A field that is not there, as in a checkpoint of somebody's own loop, is None.
    """
    run, settings = _section(checkpoint, "run"), _section(checkpoint, "settings")
    problem, optimizer = _section(checkpoint, "problem"), _section(checkpoint, "optimizer")
    best = run.get("best")
    objective = best.get("objective") if isinstance(best, Mapping) else None
    if objective is not None and problem.get("maximize"):
        objective = -objective  # a run minimises
    front = run.get("front")
    if isinstance(front, Mapping):
        objective = front_of(front, problem)
    path = checkpoint.path
    status = path.stat() if path is not None else None
    from evo.checkpoints.checkpoint import format_of

    version, kind = (None, None) if path is None else format_of(path)
    return {
        "file": checkpoint.name,
        "checksum": "good",  # or it could not have been read
        "checksum_kind": kind,
        "format": version,
        "bytes": status.st_size if status else None,
        "saved": status.st_mtime if status else None,
        "problem": problem.get("label") or problem.get("type"),
        "optimizer": optimizer.get("type"),
        "seed": settings.get("seed"),
        "stop": settings.get("stop"),
        "generation": run.get("generation"),
        "evaluations": run.get("evaluations"),
        "evaluations_by": run.get("evaluated_by"),
        "seconds": run.get("seconds"),
        "best": objective,
        "hypervolume": run.get("hypervolume"),
        "retries": run.get("retries"),
        "quarantined": run.get("quarantined"),
        "finished": run.get("finished"),
        "versions": dict(_section(checkpoint, "versions")),
        "sizes": dict(array_sizes(checkpoint)),
    }


def front_of(front: Mapping[str, Any], problem: Mapping[str, Any]) -> list[list[float]]:
    """The objectives of a checkpoint's front, in the user's sense."""
    signs = [-1.0 if direction == "max" else 1.0 for direction in problem.get("directions", ())]
    return [[sign * value for sign, value in zip(signs, row, strict=True)] for row in front["objective"].tolist()]


def array_sizes(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """Dotted name and bytes of every array in a tree."""
    import numpy as np

    for name, value in tree.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, np.ndarray):
            yield dotted, value.nbytes
        elif isinstance(value, Mapping):
            yield from array_sizes(value, f"{dotted}.")
        elif isinstance(value, (list, tuple)):
            yield from array_sizes({str(i): item for i, item in enumerate(value)}, f"{dotted}.")


def _section(checkpoint: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = checkpoint.get(name)
    return value if isinstance(value, Mapping) else {}


def _show(summary: Mapping[str, Any]) -> None:
    stop = ", ".join(f"{k} {v:g}" for k, v in (summary["stop"] or {}).items() if v is not None)
    versions = ", ".join(f"{k} {v}" for k, v in summary["versions"].items())
    by = ", ".join(f"{count:,} {name}" for name, count in (summary["evaluations_by"] or {}).items())
    saved = summary["saved"]
    rows = [
        ("file", summary["file"]),
        ("checksum", f"{summary['checksum']} ({summary['checksum_kind']})"),
        ("format", None if summary["format"] is None else f"version {summary['format']}"),
        ("saved", None if saved is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(saved))),
        ("size", None if summary["bytes"] is None else text.size(summary["bytes"])),
        ("problem", summary["problem"]),
        ("optimizer", summary["optimizer"]),
        ("seed", summary["seed"]),
        ("stop", stop),
        ("generation", summary["generation"]),
        ("best", None if summary["best"] is None else text.number(summary["best"])),
        ("hypervolume", None if summary["hypervolume"] is None else text.number(summary["hypervolume"])),
        ("evaluations", summary["evaluations"] if not by else f"{summary['evaluations']:,} ({by})"),
        ("time", None if summary["seconds"] is None else text.duration(summary["seconds"])),
        ("faults", f"{summary['retries']} retried, {summary['quarantined']} set aside" if summary["retries"] else None),
        ("finished", summary["finished"]),
        ("versions", versions),
    ]
    for name, value in rows:
        if value not in (None, ""):
            click.echo(f"{name:<12}{value}")
    sizes = sorted(summary["sizes"].items(), key=lambda item: -item[1])
    if sizes:
        click.echo("arrays")
        width = max(len(name) for name, _ in sizes)
        for name, size in sizes:
            click.echo(f"  {name:<{width}}  {text.size(size)}")
    for line in summary["damaged"]:
        click.echo(f"damaged     {line}")

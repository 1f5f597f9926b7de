"""`evo validate`: everything that `evo run` checks before it starts, and nothing that it does."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command("validate")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@options.path
@options.debug
def command(file: Path, paths: tuple[Path, ...]) -> int:
    """Check FILE: read it, build the problem and the optimizer, and say what a run would do.

    \b
    Examples:
      evo validate problem.yaml
      evo validate problem.yaml --path my_code
    """
    from .problem_file import build_problem, naming, read_settings

    settings = read_settings(file)
    options.make_importable([file.absolute().parent, *paths])
    problem = build_problem(settings, file)
    from evo.run_state import new_parts

    with naming(file):
        parts = new_parts(settings, problem)
    limits = ", ".join(f"{name} {value:g}" for name, value in parts.stop.to_mapping().items())
    click.echo(f"{file}: OK")
    click.echo(f"problem    {problem.describe()}")
    click.echo(f"optimizer  {parts.optimizer.name}")
    click.echo(f"stop       {limits}")
    click.echo(f"workers    {parts.settings.workers}")
    click.echo(f"seed       {parts.settings.seed}")
    return 0

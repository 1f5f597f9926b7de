"""`evo problems`: what can be solved out of the box."""

from __future__ import annotations

import click

from . import options


@click.command("problems")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@options.debug
def command(as_json: bool) -> int:
    """List the built-in problems: names for `problem.type` in a problem.yaml.

    \b
    Examples:
      evo problems
      evo problems --json
    """
    from evo.registry import builtin_problems

    found = builtin_problems()
    if as_json:
        import json

        click.echo(json.dumps(found))
        return 0
    width = max(map(len, found))
    for name, line in found.items():
        click.echo(f"{name:<{width}}  {line}")
    click.echo('\nYour own: type: "module:Class", a subclass of evo.Problem.')
    return 0

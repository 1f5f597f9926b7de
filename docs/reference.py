"""Writes docs/reference.md from the docstrings: python docs/reference.py (--check: is it up to date?)"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("reference.md")
SECTIONS: dict[str, list[str]] = {
    "Running": ["evo.api:minimize", "evo.api:maximize", "evo.api:Options", "evo.run:resume", "evo.stopping:Stop",
                "evo.result:Result", "evo.result:ParetoFront"],
    "Problems": ["evo.problem:Problem", "evo.problem:Evaluation"],
    "Spaces": ["evo.spaces:Real", "evo.spaces:Integer", "evo.spaces:Binary", "evo.spaces:Permutation",
               "evo.categorical:Categorical", "evo.mixed:Mixed", "evo.sampling:unit_points"],
    "Optimizers": ["evo.optimizers.auto:Auto", "evo.optimizers.ga:GeneticAlgorithm", "evo.optimizers.cma_es:CMAES",
                   "evo.optimizers.cma_es:SeparableCMAES", "evo.optimizers.l_shade:LSHADE",
                   "evo.optimizers.de:DifferentialEvolution", "evo.optimizers.es:EvolutionStrategy",
                   "evo.optimizers.pso:ParticleSwarm", "evo.optimizers.nsga2:NSGA2"],
    "A loop of your own": ["evo.ask_tell:AskTell"],
    "Watching and recording": ["evo.callbacks:Callback", "evo.run_view:RunView", "evo.run_view:Individuals",
                               "evo.history:History", "evo.archives:HallOfFame", "evo.archives:ParetoArchive"],
    "Indicators": ["evo.indicators:hypervolume", "evo.indicators:igd_plus"],
    "Writing an optimizer": ["evo.optimizers.base:Optimizer", "evo.optimizers.base:Candidates",
                             "evo.optimizers.base:Results", "evo.optimizers.generational:Generational",
                             "evo.optimizers.generational:Told", "evo.rng:stream", "evo.rng:Purpose"],
    "Checkpoints": ["evo.checkpoints:load", "evo.checkpoints:save", "evo.checkpoints:snapshot",
                    "evo.checkpoints:digest", "evo.checkpoints:CheckpointStore", "evo.checkpoints:BackgroundWriter",
                    "evo.checkpoints:Checkpoint"],
    "Work in parallel": ["evo.distributed:map"],
    "Vehicle routing": ["evo.problems.cvrp:read", "evo.problems.cvrp:generate", "evo.problems.cvrp:CVRP",
                        "evo.problems.cvrp:Solution"],
    "Errors": ["evo.errors:EvoError", "evo.errors:UsageError", "evo.errors:SettingsError", "evo.errors:ProblemError",
               "evo.errors:InstanceError", "evo.errors:CheckpointError", "evo.errors:RunFailedError"],
}  # fmt: skip
"""Title -> ``module:name`` of what stands below it."""


def page() -> str:
    """The whole page."""
    lines = ["# Reference", "", "Made from the docstrings by `python docs/reference.py`.", ""]
    for title, names in SECTIONS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += entry(name)
    return "\n".join(lines).rstrip() + "\n"


def entry(name: str) -> list[str]:
    """What is said of one function or class, and of its own public members."""
    module, _, attribute = name.partition(":")
    thing = getattr(importlib.import_module(module), attribute)
    public = f"evo.{attribute}" if attribute in dir(importlib.import_module("evo")) else f"{module}.{attribute}"
    lines = [f"### `{public}`", "", *code(attribute, thing), *text(thing)]
    if isinstance(thing, type):
        lines += members(thing)
    return lines


def code(name: str, thing: Any) -> list[str]:
    """How it is called."""
    if isinstance(thing, type) and (thing.__init__ is object.__init__ or issubclass(thing, (Exception, dict))):
        return []
    try:
        call = inspect.signature(thing)
    except (TypeError, ValueError):
        return []
    shown = re.sub(r" at 0x[0-9a-f]+", "", str(call)).replace("'", "")
    return ["```text", *textwrap.wrap(f"{name}{shown}", 116, subsequent_indent="    "), "```", ""]


def text(thing: Any) -> list[str]:
    """The docstring as Markdown: its sections become lists."""
    doc = inspect.getdoc(thing) if thing.__doc__ else None
    if not doc:
        return []
    lines, listed = [], False
    rows = doc.replace("``", "`").splitlines()
    at = 0
    while at < len(rows):
        row = rows[at]
        if at + 1 < len(rows) and re.fullmatch(r"-{3,}", rows[at + 1]) and row:
            lines += [f"**{row}**", ""]
            listed = row != "Notes"
            at += 2
            continue
        if listed and row and not row.startswith(" "):
            lines.append(f"- `{row}`")
        else:
            lines.append("  " + row.strip() if listed and row else row)
        at += 1
    return [*lines, ""]


def members(cls: type) -> list[str]:
    """The methods, properties and documented attributes that a class has of its own."""
    lines = []
    for name, comment in attributes(cls):
        lines.append(f"- `{name}`: {comment}")
    for name, member in vars(cls).items():
        plain = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        if name.startswith("_") or not inspect.isfunction(plain) or not plain.__doc__:
            continue
        call = "" if isinstance(member, property) else re.sub(r"\((self|cls)(, )?", "(", str(inspect.signature(plain)))
        first = inspect.cleandoc(plain.__doc__).split("\n\n")[0].replace("``", "`").replace("\n", " ")
        shown = call.replace("'", "").partition(" ->")[0]
        lines.append(f"- `{name}{shown}`: {first}")
    return [*lines, ""] if lines else []


def attributes(cls: type) -> list[tuple[str, str]]:
    """The attributes of a class with the strings that stand below them in the source."""
    source = inspect.getsource(cls)
    found = re.findall(r'^    ([a-z]\w*)(?::|\s=)[^\n]*\n    """(.*?)"""', source, re.MULTILINE | re.DOTALL)
    return [(name, " ".join(comment.split()).replace("``", "`")) for name, comment in found]


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if not options.check:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        raise SystemExit("docs/reference.md is not what the docstrings say: python docs/reference.py")


if __name__ == "__main__":
    main()

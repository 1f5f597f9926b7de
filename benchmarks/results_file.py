"""RESULTS.md: sections between markers, each rewritten by the benchmark that made it; and what machine this is."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
PREFACE = """# Results

What the benchmarks in this folder measured. Each section names the command that made it, the machine and the versions;
it lies between markers, and the command rewrites it. What was concluded from one stands below it, with its date.
"""


def update_section(name: str, title: str, lines: Sequence[str], path: Path = RESULTS) -> None:
    """Replace the section between the markers of `name`; append it where there is none yet."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = "\n".join([begin, f"## {title}", "", *lines, end])
    text = path.read_text(encoding="utf-8") if path.exists() else PREFACE
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    found = pattern.search(text)
    before, after = (text[: found.start()], text[found.end() :]) if found else (f"{text.rstrip()}\n\n", "\n")
    path.write_text(before + section + after, encoding="utf-8")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first column is text and whose other columns are numbers."""
    widths = [max(len(str(row[column])) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(header), f"|{'|'.join(f' {part} ' for part in rule)}|", *map(line, rows)]


def today() -> str:
    """The date, as 2026-01-31."""
    return date.today().isoformat()


def cpu_model() -> str:
    """The processor's name and the number of cores that this process may use."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)):
        model = found[1].strip()
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def versions(*distributions: str) -> str:
    """Python's version and those of installed distributions, as one line."""
    parts = [f"Python {platform.python_version()}"]
    for name in distributions:
        try:
            parts.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(parts)


def evo_version() -> str:
    """evo's version; from a checkout with the commit that changed it last ("+" where it was changed since)."""
    version = importlib.metadata.version("evo-engine")
    root = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    code = ("evo", "problems", "distributed", "checkpoints")
    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *code)
        return f"{version} ({git('log', '-1', '--format=%h', '--', *code)}{'+' if changed else ''})"
    except (OSError, subprocess.CalledProcessError):
        return version

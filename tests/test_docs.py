"""The code of the README and the pages in docs/ runs as it stands there, each page from its first line to its last.

A block whose first line is a comment with a file's name is that file. A comment in the page's source before a block,
``<!-- needs: pymoo -->``, leaves it out where that module is not installed; ``<!-- not run: why -->`` always.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"checkpoints.md", "faults.md"}
"""Pages about parts of a larger program of the reader's."""
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in ELSEWHERE)]
BLOCK = re.compile(r"(?:<!-- (?P<note>[^\n]*) -->\n+)?^```(?P<language>python|yaml)\n(?P<code>.*?)^```$", re.M | re.S)
FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml))\b.*\n")


def script_of(page: Path, folder: Path) -> str:
    """The page's code; files that it shows are written."""
    parts = []
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        note, code = block["note"] or "", block["code"]
        if note.startswith("not run: "):
            continue
        kind, _, module = note.partition(": ")
        if kind == "needs" and importlib.util.find_spec(module) is None:
            continue
        if named := FILE.match(code):
            (folder / named[1]).write_text(code)
        elif block["language"] == "python":
            parts.append(code)
    return "\n".join(parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    script = script_of(page, tmp_path)
    if not script:
        pytest.skip("a page without code")
    (tmp_path / "page.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\n{script}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" in index} == pages


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The package as it is installed: one folder `evo`, used from inside a folder that has another `evo/` in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def installed(site: Path) -> None:
    """Lay the four folders out as a wheel does."""
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "evo", site / "evo", ignore=leave_out)
    for folder in ("checkpoints", "distributed", "problems"):
        shutil.copytree(ROOT / folder, site / "evo" / folder, ignore=leave_out)


def test_an_installed_package_is_not_shadowed_by_a_checkout_in_driver_or_workers(tmp_path: Path) -> None:
    site, checkout = tmp_path / "site", tmp_path / "checkout"
    installed(site)
    for folder in ("evo", "distributed", "problems", "checkpoints"):
        (checkout / folder).mkdir(parents=True)
        (checkout / folder / "__init__.py").write_text("raise RuntimeError('the checkout was imported')\n")
    # The path is an environment variable's, and the command line puts the working directory before it.
    starter = "import sys; sys.path.remove(''); from evo.cli import main; main()"
    process = subprocess.run(
        [
            *(sys.executable, "-c", starter, "run", str(ROOT / "examples" / "cvrp" / "delivery.yaml"), "--json"),
            *("--workers", "1", "--wait-for-workers", "--generations", "3", "--output", str(tmp_path / "run")),
        ],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    events = [json.loads(line) for line in process.stdout.splitlines()]
    assert events[-1]["evaluations_by"] == {"ray": events[-1]["evaluations"]}, events

"""Going back to an older checkpoint, on another random stream, and looking at what lies there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import evo
from evo import checkpoints
from evo.checkpoints.comparing import described, differences
from evo.cli import main
from evo.run_folder import RunFolder

PROBLEM = """
problem: {type: sphere, dimensions: 4}
optimizer: {type: ga, population: 20}
stop: {generations: 12}
workers: 0
checkpoint: {every: 5, keep: 1}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("branches")
    (folder / "problem.yaml").write_text(PROBLEM)
    assert evo_("run", folder / "problem.yaml", "--output", folder / "run").exit_code == 0
    return folder / "run"


def evo_(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def result_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def generations(folder: Path) -> list[int]:
    return checkpoints.CheckpointStore(folder / "checkpoints").generations()


def test_every_nth_generation_is_kept_though_the_loop_is_fast(run: Path) -> None:
    assert generations(run) == [0, 5, 10, 12]


def test_a_branch_from_an_older_checkpoint_ends_the_same_and_leaves_the_run_alone(run: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    found = evo_("resume", run, "--from", 5, "--output", tmp_path / "branch")
    assert found.exit_code == 0, found.output
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert result_of(tmp_path / "branch")["digest"] == result_of(run)["digest"]
    assert generations(tmp_path / "branch") == [5, 10, 12], "its start is saved in it"


def test_another_seed_makes_another_run_that_can_be_repeated(run: Path, tmp_path: Path) -> None:
    digests = {}
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        found = evo_("resume", run, "--from", 5, "--output", tmp_path / name, "--reseed", seed)
        assert found.exit_code == 0, found.output
        digests[name] = result_of(tmp_path / name)["digest"]
        assert result_of(tmp_path / name)["seed"] == seed
    assert digests["a"] == digests["b"]
    assert len({*digests.values(), result_of(run)["digest"]}) == 3


def test_a_branch_needs_a_folder_and_a_generation_that_is_there(run: Path, tmp_path: Path) -> None:
    alone = evo_("resume", run, "--from", 5)
    assert alone.exit_code == 2
    assert "output: expected a new folder, found none" in alone.stderr
    missing = evo_("resume", run, "--from", 6, "--output", tmp_path / "x")
    assert missing.exit_code == 2
    assert "expected a checkpoint of generation 6, found 0, 5, 10, 12" in missing.stderr
    assert not (tmp_path / "x").exists()
    file = evo_("resume", run / "checkpoints" / "gen-00000012.msgpack", "--from", 5, "--output", tmp_path / "y")
    assert file.exit_code == 0, "the folder of that file is meant"


def test_inspect_tells_which_fields_differ(run: Path) -> None:
    files = [run / "checkpoints" / f"gen-{generation:08d}.msgpack" for generation in (5, 10)]
    found = evo_("inspect", "--diff", *files)
    assert found.exit_code == 0
    lines = dict(line.split(": ", 1) for line in found.stdout.splitlines())
    assert lines["run.generation"] == "5 | 10"
    assert lines["optimizer.state.asked"] == "5 | 10"
    assert "of 80 elements" in lines["optimizer.state.population.genome"]
    assert not any(name.startswith(("settings", "problem", "versions")) for name in lines)
    assert evo_("inspect", "--diff", files[0], files[0]).stdout == ""
    first = json.loads(evo_("inspect", "--diff", "--json", *files).stdout.splitlines()[0])
    assert set(first) == {"field", "difference"}
    assert "expected 2 PATHs, found 1" in evo_("inspect", "--diff", files[0]).stderr
    assert "expected 1 PATH, found 2" in evo_("inspect", *files).stderr


def test_differences_are_the_innermost_fields() -> None:
    first = {"a": 1, "b": {"c": [1, 2, 3], "d": "same"}, "x": np.array([1.0, np.nan, 3.0]), "only": None}
    second = {"a": 1.0, "b": {"c": [1, 5], "d": "same"}, "x": np.array([1.0, np.nan, 4.0]), "more": {}}
    found = {each.field: described(each) for each in differences(first, second)}
    assert found == {
        "a": "1 | 1.0",
        "b.c.1": "2 | 5",
        "b.c.2": "3 | (missing)",
        "x": "1 of 3 elements",
        "only": "None | (missing)",
        "more": "(missing) | {}",
    }
    assert described(next(differences(np.zeros(9), np.zeros((3, 3))))) == (
        "float64 array of shape (9,) | float64 array of shape (3, 3)"
    )
    assert described(next(differences(np.zeros(9), np.zeros(9, np.int8)))) == "float64 | int8"


def test_checkpoints_are_listed_verified_and_pruned(tmp_path: Path) -> None:
    (tmp_path / "problem.yaml").write_text(PROBLEM)
    folder = tmp_path / "run"
    assert evo_("run", tmp_path / "problem.yaml", "--output", folder).exit_code == 0
    listed = [json.loads(line) for line in evo_("checkpoints", "list", folder, "--json").stdout.splitlines()]
    assert [row["generation"] for row in listed] == [0, 5, 10, 12]
    assert [row["error"] for row in listed] == [None] * 4
    assert listed[0]["best"] is None
    assert listed[3]["best"] < listed[1]["best"]
    table = evo_("checkpoints", "list", folder / "checkpoints").stdout.splitlines()
    assert len(table) == 5
    assert table[-1].split()[0] == "12"
    assert table[-1].endswith("good")
    good = evo_("checkpoints", "verify", folder)
    assert (good.exit_code, good.stdout) == (0, "4 checkpoints, 0 records in the journal: all good\n")
    damaged = folder / "checkpoints" / "gen-00000012.msgpack"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    (folder / "checkpoints" / "journal-00000012.bin").write_bytes(b"torn")
    bad = evo_("checkpoints", "verify", folder)
    assert bad.exit_code == 1
    assert "2 damaged" in bad.stdout
    assert "gen-00000012.msgpack: damaged" in bad.stdout
    pruned = evo_("checkpoints", "prune", folder, "--keep", 1)
    assert pruned.exit_code == 0, pruned.output
    assert "2 checkpoints removed, 2 checkpoints kept" in pruned.stdout
    assert "gen-00000012.msgpack: damaged" in pruned.stderr
    assert generations(folder) == [10, 12]


def test_nothing_is_pruned_under_a_run_that_goes_on(run: Path) -> None:
    with RunFolder(run) as folder:
        folder.lock()
        refused = evo_("checkpoints", "prune", run)
        assert refused.exit_code == 2
        assert "is writing into this folder" in refused.stderr
        assert evo_("checkpoints", "list", run).exit_code == 0
    assert evo_("checkpoints", "list", run.parent).exit_code == 2


def test_reseeding_in_place_is_possible_and_stays(tmp_path: Path) -> None:
    evo.minimize(
        lambda x: float((x**2).sum()), evo.Real(-1, 1, shape=2), stop=evo.Stop(generations=3), output=tmp_path / "run"
    )
    problem = lambda x: float((x**2).sum())  # noqa: E731 - the same bytecode as above
    evo.resume(tmp_path / "run", problem=problem, reseed=99, stop=evo.Stop(generations=5))
    assert checkpoints.load(tmp_path / "run")["settings"]["seed"] == 99

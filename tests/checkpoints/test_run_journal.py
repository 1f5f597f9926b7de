"""Killed in the middle of a generation, a run loses only the evaluations that were under way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo import checkpoints
from evo.checkpoints import disk
from evo.checkpoints.journal import read_journal, segments

MODULE = '''
import os, time
import numpy as np
import evo
from evo.evaluation import ProblemEvaluator
from evo.optimizers.base import Best, Candidates, Optimizer
from evo.rng import Purpose, stream

class Ahead(Optimizer):
    """Samples around the best, and asks two generations before it knows the results."""
    name = "ahead"
    lookahead = 2
    def __init__(self, problem, seed, population=10, elitism=2):
        self.problem, self.seed, self.size, self.elitism = problem, seed, population, elitism
        self.asked, self._best = 0, None
    def evaluator(self):
        return ProblemEvaluator(self.problem)
    def parameters(self):
        return {"population": self.size, "elitism": self.elitism}
    def ask(self, remaining):
        rng, space = stream(self.seed, self.asked, Purpose.SAMPLING), self.problem.space
        genomes = space.sample(self.size, rng)
        if self._best is not None:
            genomes = np.clip(self._best.arrays["genome"] + 0.1 * genomes, -5, 5)
        context = {"seed": self.seed, "generation": self.asked}
        self.asked += 1
        return Candidates({"genome": genomes}, context)
    def tell(self, candidates, results):
        for genome, objective in zip(candidates.rows["genome"], results.arrays["objective"]):
            found = Best(float(objective), 0.0, {"genome": genome.copy()})
            if found.better_than(self._best):
                self._best = found
    @property
    def best(self):
        return self._best
    def state(self):
        best = self._best
        return {"asked": self.asked, "best": best and [best.objective, best.arrays["genome"]]}
    def load_state(self, state):
        self.asked, best = state["asked"], state["best"]
        self._best = best and Best(best[0], 0.0, {"genome": best[1]})

class Dear(evo.Problem):
    space = evo.Real(-5, 5, shape=4)
    block = 2
    optimizers = {"ahead": "dear_module:Ahead"}
    def __init__(self, pause=0.06, deadly=False):
        self.pause, self.deadly = pause, deadly
    def evaluate(self, x):
        with open("diary", "a") as file:
            for row in x:
                file.write(row.tobytes().hex() + "\\n")
        if self.deadly and (x[:, 0] > 4).any():
            os._exit(1)
        if (x[:, 1] > 4.5).any():
            raise ValueError("too large")
        time.sleep(self.pause * len(x))
        return (x ** 2).sum(axis=1)
'''
RUNNER = """
import sys
import evo
from dear_module import Dear
what, folder, workers, optimizer, generations, deadly = sys.argv[1:]
problem = Dear(deadly=deadly == "True")
stop = evo.Stop(generations=int(generations))
if what == "start":
    result = evo.minimize(problem, stop=stop, seed=3, optimizer={"type": optimizer, "population": 10, "elitism": 2},
                          output=folder, workers=int(workers), checkpoint={"interval": 1000, "seconds": 1000})
else:
    result = evo.resume(folder, stop=stop, workers=int(workers))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dear_module.py").write_text(MODULE)
    (tmp_path / "runner.py").write_text(RUNNER)
    return tmp_path


def launch(folder: Path, what: str, name: str, workers: int, optimizer: str, deadly: bool = False) -> Any:
    arguments = [what, name, str(workers), optimizer, "4", str(deadly)]
    with (folder / f"{name}-{what}.log").open("w") as log:
        return subprocess.Popen([sys.executable, "runner.py", *arguments], cwd=folder, stdout=log, stderr=log)


def result_of(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name / "result.json").read_text())
    return content


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the state that the test waits for did not come"
        time.sleep(0.01)


def kept_rows(folder: Path, name: str) -> int:
    return sum(len(record["rows"]) for record in read_journal(folder / name / "checkpoints", lambda message: None))


def finished(process: Any, seconds: float = 120.0) -> int:
    try:
        code: int = process.wait(timeout=seconds)
        return code
    finally:
        process.kill()


def evaluated(folder: Path) -> Counter[str]:
    return Counter((folder / "diary").read_text().split())


@pytest.mark.parametrize("optimizer", ["ga", "ahead"])
def test_a_killed_run_evaluates_again_only_what_was_under_way(folder: Path, optimizer: str) -> None:
    assert finished(launch(folder, "start", "whole", 0, optimizer)) == 0
    once = evaluated(folder)
    (folder / "diary").unlink()
    process = launch(folder, "start", "cut", 0, optimizer)
    wait_until(lambda: kept_rows(folder, "cut") >= 14)  # in the middle of the second generation
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = kept_rows(folder, "cut")
    assert finished(launch(folder, "resume", "cut", 0, optimizer)) == 0
    assert result_of(folder, "cut")["digest"] == result_of(folder, "whole")["digest"]
    assert result_of(folder, "cut")["evaluations_by"] == {"in_process": 40}
    assert kept >= 14
    again = evaluated(folder) - once
    assert sum(again.values()) <= 2, "at most the block that was under way"
    assert segments(folder / "cut" / "checkpoints") == [], "emptied by the last checkpoint"


def test_with_workers_and_deadly_rows_too_and_nobody_dies_twice_of_the_same_row(folder: Path) -> None:
    """Five rows in a hundred end their worker; the journal knows which, and so does the run that goes on."""
    whole = launch(folder, "start", "whole", 2, "ga", deadly=True)
    assert finished(whole) == 0, (folder / "whole-start.log").read_text()
    quarantined = result_of(folder, "whole")["quarantined"]
    assert quarantined > 0
    (folder / "diary").unlink()
    process = launch(folder, "start", "cut", 2, "ga", deadly=True)

    def far_enough() -> bool:
        records = read_journal(folder / "cut" / "checkpoints", lambda message: None)
        return any(not record["arrays"] for record in records) and len(records) >= 3

    wait_until(far_enough)
    process.send_signal(signal.SIGKILL)
    process.wait()
    records = read_journal(folder / "cut" / "checkpoints", lambda message: None)
    deadly = [record for record in records if not record["arrays"]]
    (folder / "diary").rename(folder / "diary-1")
    assert finished(launch(folder, "resume", "cut", 2, "ga", deadly=True)) == 0
    final = result_of(folder, "cut")
    assert final["digest"] == result_of(folder, "whole")["digest"]
    assert final["quarantined"] == quarantined
    assert sum(final["evaluations_by"].values()) == final["evaluations"] == 40
    first = [json.loads(line) for line in (folder / "cut" / "events.jsonl").read_text().splitlines()]
    assert next(e for e in first if e["event"] == "resumed")["kept"] >= len(deadly)
    # What ended a worker before ends none again: none of its genome's bytes are in the second diary.
    before = Counter((folder / "diary-1").read_text().split())
    after = evaluated(folder)
    deaths_before = {row for row in before if np.frombuffer(bytes.fromhex(row))[0] > 4}
    assert deaths_before
    known = len(deadly)
    assert len(deaths_before & set(after)) <= len(deaths_before) - known


# In this process ------------------------------------------------------------------------------------------------------


class Counting(evo.Problem):
    """Counts its rows; stops the run in the middle of a generation where it is told to."""

    space = evo.Real(-5, 5, shape=3)
    block = 2
    stop_at: int | None = None
    seen = 0

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        if Counting.stop_at is not None and Counting.seen + len(x) > Counting.stop_at:
            raise KeyboardInterrupt
        Counting.seen += len(x)
        return np.asarray((x**2).sum(axis=1))


def run(folder: Path | None, generations: int, stop_at: int | None = None, **checkpoint: Any) -> evo.Result | None:
    Counting.stop_at, Counting.seen = stop_at, 0
    plan = {"interval": 1000, "seconds": 1000, "journal": True, **checkpoint}
    try:
        return evo.minimize(
            Counting(),
            optimizer={"type": "ga", "population": 10},
            stop=evo.Stop(generations=generations),
            output=folder,
            checkpoint=plan if folder is not None else None,
        )
    except KeyboardInterrupt:
        return None


def resumed(folder: Path, generations: int, **options: Any) -> evo.Result:
    Counting.stop_at, Counting.seen = None, 0
    return evo.resume(folder, stop=evo.Stop(generations=generations), **options)


@pytest.fixture
def expected() -> str:
    whole = run(None, 6)
    assert whole is not None
    return whole.digest


def test_interrupted_in_the_middle_of_a_generation_its_finished_blocks_are_not_evaluated_again(
    tmp_path: Path, expected: str
) -> None:
    assert run(tmp_path / "run", 6, stop_at=25) is None
    assert checkpoints.load(tmp_path / "run")["run"]["generation"] == 2
    assert kept_rows(tmp_path, "run") == 4
    result = resumed(tmp_path / "run", 6)
    assert Counting.seen == 60 - 24
    assert result.digest == expected


def test_a_journal_outlives_several_interruptions(tmp_path: Path, expected: str) -> None:
    assert run(tmp_path / "run", 6, stop_at=24) is None
    seen = Counting.seen
    for at in (3, 4, 8):
        Counting.stop_at, Counting.seen = at, 0
        with pytest.raises(KeyboardInterrupt):
            evo.resume(tmp_path / "run")
        seen += Counting.seen
    result = resumed(tmp_path / "run", 6)
    assert seen + Counting.seen == 60
    assert result.digest == expected


def test_a_branch_takes_the_journal_with_it_and_leaves_it_where_it_was(tmp_path: Path, expected: str) -> None:
    assert run(tmp_path / "run", 6, stop_at=24) is None
    before = {p.name: p.read_bytes() for p in (tmp_path / "run" / "checkpoints").iterdir()}
    Counting.stop_at, Counting.seen = 2, 0
    with pytest.raises(KeyboardInterrupt):
        evo.resume(tmp_path / "run", output=tmp_path / "branch")
    assert {p.name: p.read_bytes() for p in (tmp_path / "run" / "checkpoints").iterdir()} == before
    result = resumed(tmp_path / "branch", 6)
    assert Counting.seen == 60 - 24 - 2
    assert result.digest == expected


def test_another_course_of_the_run_is_not_mistaken_for_this_one(tmp_path: Path) -> None:
    """The journal's generation 2 was asked with all evaluations to spend; now fewer are left."""
    assert run(tmp_path / "run", 6, stop_at=24) is None
    tree = dict(checkpoints.load(tmp_path / "run"))
    tree["pending"] = []
    state = tree["optimizer"]["state"]
    state["asked"] = state["told"]
    checkpoints.save(tmp_path / "run" / "checkpoints" / "gen-00000002.msgpack", tree)
    said: list[dict[str, Any]] = []
    Counting.stop_at, Counting.seen = None, 0
    evo.resume(tmp_path / "run", stop=evo.Stop(evaluations=27), observers=[said.append])
    assert Counting.seen == 7
    assert any("of other candidates" in e.get("message", "") for e in said)


def test_a_changed_problem_does_not_believe_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path / "run", 6, stop_at=24) is None
    monkeypatch.setattr(Counting, "maximize", True)
    resumed(tmp_path / "run", 6, accept_changed_problem=True)
    assert Counting.seen == 40


@pytest.mark.parametrize(("journal", "kept"), [("auto", 0), (False, 0), (True, 4)])
def test_cheap_evaluations_are_kept_only_where_asked(tmp_path: Path, journal: Any, kept: int) -> None:
    assert run(tmp_path / "run", 6, stop_at=24, journal=journal) is None
    assert kept_rows(tmp_path, "run") == kept


def test_a_disk_that_refuses_the_journal_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: str
) -> None:
    def refuse(path: Path) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "open_for_appending", refuse)
    said: list[dict[str, Any]] = []
    result = evo.minimize(
        Counting(),
        optimizer={"type": "ga", "population": 10},
        stop=evo.Stop(generations=6),
        output=tmp_path / "run",
        checkpoint={"interval": 1000, "seconds": 1000, "journal": True},
        observers=[said.append],
    )
    alerts = [e["message"] for e in said if e["event"] == "alert"]
    assert len(alerts) == 1, "told once, not for every block"
    assert "No space left on device; the run goes on without a journal" in alerts[0]
    assert result.digest == expected


def test_a_journal_made_of_nonsense_is_told_and_evaluated_again(tmp_path: Path, expected: str) -> None:
    assert run(tmp_path / "run", 6, stop_at=24) is None
    (path,) = (tmp_path / "run" / "checkpoints").glob("journal-*.bin")
    records = read_journal(path.parent)
    for mutate in (
        lambda r: r.pop("arrays"),
        lambda r: r.update(rows=np.array([500])),
        lambda r: r.update(rows=np.array([[1, 2]])),
        lambda r: r.update(arrays={"objective": "x"}),
        lambda r: r.update(failures=[3]),
        lambda r: r.update(generation="2"),
    ):
        broken = [{**record} for record in records]
        mutate(broken[0])
        path.write_bytes(b"".join(bytes(b) for record in broken for b in checkpoints.encode(record)))
        result = resumed(tmp_path / "run", 6, output=tmp_path / f"branch-{len(list(tmp_path.iterdir()))}")
        assert result.digest == expected

"""The command line in this process: options, errors, exit codes, folders; `FakeRun` stands for most runs."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import evo.run
from evo import checkpoints
from evo.cli import main
from evo.cli.group import COMMANDS
from evo.cli.run_command import new_folder
from evo.cli.session import resume_line
from evo.errors import CheckpointError, ExecutorError, RunFailedError, SolutionError
from evo.result import Result as RunResult

SPHERE = "problem: {type: sphere, dimensions: 3}\nstop: {generations: 7, time: 60}\nworkers: 0\n"


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, and Python's path as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield
    sys.path[:] = path


def evo_(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def write(name: str, text: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return name


class FakeRun:
    """Stands for `evo.run.run` and `evo.run.resume`: keeps what it was given, tells of itself, and ends as asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.stop_reason: Any = "generations"
        self.error: Exception | None = None

    def __call__(self, *arguments: Any, **options: Any) -> RunResult:
        self.calls.append((arguments, options))
        output = Path(options.get("output") or "runs/x").absolute()
        for event in (
            {"event": "started", "generation": 0, "output": str(output), "stop": {}, "seed": 1},
            {"event": "checkpoint", "generation": 0},
            {"event": "generation", "generation": 5, "evaluations": 50, "objective": 1.5, "seconds": 1.0},
            {"event": "checkpoint", "generation": 5},
            {"event": "finished", "generation": 5, "digest": "d1"},
        ):
            for observer in options["observers"]:
                observer({"time": 0.0, **event})
        print("a user's own words")
        if self.error is not None:
            raise self.error
        return RunResult(
            x=None, objective=1.5, feasible=True, solution=None, generations=5, evaluations=50,
            evaluations_by={"in_process": 20, "ray": 30}, seconds=1.0, stop_reason=self.stop_reason, seed=1,
            quarantined=0, retries=0, digest="d1", output=output,
        )  # fmt: skip

    @property
    def settings(self) -> Any:
        return self.calls[-1][0][0]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    run = FakeRun()
    monkeypatch.setattr(evo.run, "run", run)
    monkeypatch.setattr(evo.run, "resume", run)
    return run


# ---------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_explains_itself_with_examples(command: str) -> None:
    result = evo_(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: evo {command}" in result.stdout
    assert "Examples:" in result.stdout
    assert "--debug" in result.stdout


def test_the_help_lists_every_command_and_the_exit_codes() -> None:
    shown = evo_("--help").stdout
    assert all(f"  {command} " in shown for command in COMMANDS)
    assert "75" in shown


def test_the_version_is_that_of_the_distribution() -> None:
    assert evo_("--version").stdout == f"evo {evo.run.versions.evo_version()}\n"


# --------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu", "x"], 'evo: unknown command "rnu", did you mean "run"? (see evo --help)'),
        (["run"], "evo run: Missing argument 'FILE'. (see evo run --help)"),
        (["run", "nowhere.yaml"], "evo: nowhere.yaml: no such file"),
        (["run", "."], "evo: .: expected a settings file such as problem.yaml, found a folder"),
        (["run", "a.yaml", "--sede", "1"], "--sede"),
        (["run", "a.yaml", "--seed", "-1"], 'expected a whole number from 0 to 2**63 - 1, found "-1"'),
        (["run", "a.yaml", "--time", "ten"], "expected a positive time in seconds (or with a unit: 90s, 10m, 2h)"),
        (["run", "a.yaml", "--generations", "0"], 'expected a positive whole number, found "0"'),
        (["run", "a.yaml", "--workers", "many"], 'expected a whole number, 0 or more, or "auto", found "many"'),
        (["run", "a.yaml", "--path", "nowhere"], "nowhere"),
        (["resume", "nowhere"], "evo: nowhere: there is no such file or folder"),
        (["resume", "."], "there are no checkpoints"),
        (["inspect", "nowhere"], "evo: nowhere: there is no such file or folder"),
        (["validate", "nowhere.yaml"], "evo: nowhere.yaml: no such file"),
    ],
)
def test_a_mistake_in_the_command_is_one_line_and_exit_code_2(arguments: list[str], said: str) -> None:
    result = evo_(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


MODULE = """
import evo
class NoProblem: pass
class NoSpace(evo.Problem):
    def evaluate(self, x): return x.sum(axis=1)
class NoEvaluate(evo.Problem):
    space = evo.Real(0, 1, shape=2)
class Good(evo.Problem):
    space = evo.Real(0, 1, shape=2)
    def __init__(self, scale=1.0): self.scale = scale
    def evaluate(self, x): return self.scale * x.sum(axis=1)
class Raises(Good):
    def __init__(self): raise OSError("no such simulator")
"""


@pytest.mark.parametrize("command", ["run", "validate"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("problem: {type: sphere}\nstop: {generatoins: 3}",
         'line 2: stop.generatoins: unknown key, did you mean "generations"?'),
        ("problem:\n  type: cvpr", 'line 2: problem.type: expected one of'),
        ("problem:\n  type: sphere\n  dimension: 3", 'line 3: problem.dimension: unknown key'),
        ("problem: {type: sphere}\n\noptimizer: {type: gaa}", 'line 3: optimizer.type: expected one of'),
        ("problem: {type: sphere}\noptimizer:\n  type: ga\n  sise: 3", 'line 4: optimizer.sise: unknown key'),
        ("problem: {type: 'nowhere_to_be_found:Class'}", 'problem.type: no module "nowhere_to_be_found"'),
        ("problem: {type: 'own_module:Godo'}", 'problem.type: module "own_module" has no "Godo", did you mean "Good"?'),
        ("problem: {type: 'own_module:NoProblem'}", "problem.type: expected a subclass of evo.Problem"),
        ("problem: {type: 'own_module:NoSpace'}", "NoSpace.space: expected a space"),
        ("problem: {type: 'own_module:NoEvaluate'}", "NoEvaluate has no method evaluate"),
        ("problem: {type: 'own_module:Raises'}", "raised OSError: no such simulator"),
        ("problem: {type: 'own_module:Good', scael: 2}",
         'problem.scael: unknown key, expected scale, did you mean "scale"?'),
        ("problem: {type: cvrp, instance: nowhere.vrp}", "nowhere.vrp"),
        ("problem: {type: cvrp}", "line 1: problem"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_one_line_and_leaves_nothing_behind(command: str, text: str, said: str) -> None:
    write("own_module.py", MODULE)
    result = evo_(command, write("problem.yaml", text))
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stderr.startswith("evo: ")
    assert result.stderr.count("\n") == 1
    assert not list(Path("runs").glob("*"))


INSTANCE = """\
NAME : tiny
COMMENT : none
TYPE : CVRP
DIMENSION : 3
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 10
NODE_COORD_SECTION
1 0 0
2 3 4
3 6 8
DEMAND_SECTION
1 0
2 4
3 5
DEPOT_SECTION
1
-1
EOF
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2 4\n3 5", "2 4\n3 11"), ("2 4\n3 5", "2 -4\n3 5"), ("2 3 4", "2 three 4"), ("2 3 4", "2 nan 4"),
        ("DEPOT_SECTION", "DEMAND_SECTION\n1 0\n2 4\n3 5\nDEPOT_SECTION"), ("DIMENSION : 3", "DIMENSION : 5"),
        ("CAPACITY : 10", "CAPACITY : ten"), ("3 5\nDEPOT_SECTION\n1\n-1\nEOF\n", ""),
    ],
)  # fmt: skip
def test_a_wrong_instance_is_one_line_that_names_the_file(old: str, new: str) -> None:
    assert old in INSTANCE
    result = evo_("validate", write("tiny.vrp", INSTANCE.replace(old, new)))
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("evo: tiny.vrp")
    assert result.stderr.count("\n") == 1


def test_a_run_given_to_evo_run_is_answered_with_evo_resume(fake: FakeRun) -> None:
    Path("old/checkpoints").mkdir(parents=True)
    for name in ("old", write("gen-00000001.msgpack", "")):
        result = evo_("run", name)
        assert result.exit_code == 2
        assert f"did you mean: evo resume {name}?" in result.stderr
    assert not fake.calls


@pytest.mark.parametrize(
    ("error", "code"),
    [(CheckpointError("damaged"), 2), (RunFailedError("disk full"), 1), (ExecutorError("no node is left"), 1),
     (SolutionError("route 3"), 1), (ZeroDivisionError("oh\nno"), 1)],
)  # fmt: skip
def test_an_error_in_the_run_has_its_exit_code_and_no_traceback(fake: FakeRun, error: Exception, code: int) -> None:
    fake.error = error
    result = evo_("run", write("p.yaml", SPHERE))
    assert result.exit_code == code
    assert str(error).splitlines()[0] in result.stderr
    assert "Traceback" not in result.output
    assert ("--debug" in result.stderr) == isinstance(error, ZeroDivisionError)


def test_a_failed_run_says_how_to_go_on_from_what_was_saved(fake: FakeRun) -> None:
    fake.error = RunFailedError("disk full")
    lines = evo_("run", write("p.yaml", SPHERE)).stderr.splitlines()
    assert lines == ["evo: disk full", "evo: saved at generation 5; to go on: evo resume runs/p-1"]


def test_debug_shows_the_traceback(fake: FakeRun) -> None:
    fake.error = ZeroDivisionError("oh")
    result = evo_("run", write("p.yaml", SPHERE), "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


# ----------------------------------------------------------------------------------------------- the command


def test_options_win_over_the_file_and_leave_the_rest_of_it(fake: FakeRun) -> None:
    arguments = ["--seed", "9", "--time", "2m", "--generations", "1e3", "--workers", "3", "--wait-for-workers"]
    result = evo_("run", write("p.yaml", SPHERE), *arguments, "--overwrite", "--output", "here")
    assert result.exit_code == 0, result.output
    settings, options = fake.settings, fake.calls[0][1]
    assert (settings.seed, settings.workers, settings.stop.time, settings.stop.generations) == (9, 3, 120.0, 1000)
    assert settings.problem.parameters == {"dimensions": 3}
    assert (options["overwrite"], options["wait_for_workers"], options["output"]) == (True, True, Path("here"))
    evo_("run", "p.yaml")
    assert (fake.settings.seed, fake.settings.workers, fake.settings.stop.time) == (1, 0, 60.0)


def test_a_bare_instance_is_a_cvrp_with_defaults(fake: FakeRun) -> None:
    result = evo_("run", write("in/tiny.vrp", INSTANCE), "--time", "5")
    assert result.exit_code == 0, result.output
    assert fake.settings.problem.type == "cvrp"
    assert fake.calls[0][1]["output"] == Path("runs/tiny-1")


def test_resume_passes_new_totals_on_and_leaves_the_others(fake: FakeRun) -> None:
    result = evo_("resume", "runs/x", "--generations", "50", "--workers", "auto", "--output", "new")
    assert result.exit_code == 0, result.output
    (path,), options = fake.calls[0]
    assert path == Path("runs/x")
    assert options["stop"].to_mapping() == {"generations": 50}
    assert (options["workers"], options["output"]) == ("auto", Path("new"))
    evo_("resume", "runs/x")
    assert not fake.calls[1][1]["stop"]
    assert fake.calls[1][1]["workers"] is None


def test_an_interrupted_run_ends_with_75_and_the_command_to_go_on(fake: FakeRun) -> None:
    fake.stop_reason = "interrupted"
    result = evo_("run", write("my problem.yaml", SPHERE))
    assert result.exit_code == 75
    assert result.stdout.splitlines()[-1].split(None, 3)[-1] == "evo resume 'runs/my problem-1'"
    quiet = evo_("run", "my problem.yaml", "--quiet")
    assert quiet.stdout.splitlines()[-1].endswith("go on with: evo resume 'runs/my problem-1'")


def test_the_command_to_go_on_names_the_folders_of_user_code(fake: FakeRun) -> None:
    fake.stop_reason = "interrupted"
    write("model/own_module_b.py", MODULE)
    result = evo_("run", write("model/p.yaml", "problem: {type: 'own_module_b:Good'}"), "--path", "model")
    assert result.stdout.splitlines()[-1].endswith("evo resume runs/p-1 --path model"), result.output
    assert resume_line(Path("a b"), [Path.cwd(), Path("/x y")]) == "evo resume 'a b' --path '/x y'"


def test_json_puts_events_alone_on_standard_output(fake: FakeRun) -> None:
    result = evo_("run", write("p.yaml", SPHERE), "--json")
    kinds = [json.loads(line)["event"] for line in result.stdout.splitlines()]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert "a user's own words" in result.stderr


def test_quiet_leaves_one_line(fake: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.print", lambda *_: None)
    result = evo_("run", write("p.yaml", SPHERE), "--quiet")
    assert result.stdout == "generations: objective 1.5, 5 generations, 50 evaluations, 1.0 s, runs/p-1\n"


def test_the_summary_names_what_the_contract_promises(fake: FakeRun) -> None:
    shown = evo_("run", write("p.yaml", SPHERE)).stdout
    rows = dict(line.split(None, 1) for line in shown.splitlines() if line[:1].isalpha() and " " in line.strip())
    assert rows["objective"] == "1.5"
    assert rows["evaluations"] == "50 (20 in this process, 30 in Ray workers)"
    assert rows["digest"] == "d1"
    assert rows["folder"] == "runs/p-1"


# --------------------------------------------------------------------------------------------------- folders


def test_the_default_folder_is_the_first_free_number(fake: FakeRun) -> None:
    write("p.yaml", SPHERE)
    Path("runs/p-2").mkdir(parents=True)
    write("runs/p-2/events.jsonl", "")
    for _ in range(2):
        evo_("run", "p.yaml")
        folder = fake.calls[-1][1]["output"]
        folder.mkdir(exist_ok=True)
        write(f"{folder}/events.jsonl", "")
    assert [call[1]["output"].name for call in fake.calls] == ["p-1", "p-3"]


def test_runs_that_start_together_never_share_a_folder() -> None:
    found: list[Path] = []
    together = threading.Barrier(8)

    def make() -> None:
        together.wait()
        found.extend(new_folder(Path("runs"), "x") for _ in range(10))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 80
    assert {path.name for path in found} == {f"x-{n}" for n in range(1, 81)}


def test_a_folder_that_cannot_be_made_is_a_mistake_told_in_one_line(fake: FakeRun) -> None:
    write("runs", "a file")
    result = evo_("run", write("p.yaml", SPHERE))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "runs" in result.stderr
    assert "--output" in result.stderr
    assert not fake.calls


# ------------------------------------------------------------------------------- validate, problems, inspect


def test_validate_says_what_a_run_would_do_and_does_not_do_it() -> None:
    result = evo_("validate", write("p.yaml", SPHERE))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "p.yaml: OK"
    assert any(line.split() == ["stop", "generations", "7,", "time", "60"] for line in lines)
    assert not Path("runs").exists()


def test_code_is_found_beside_the_file_in_path_and_in_the_working_directory() -> None:
    write("beside/own_a.py", MODULE)
    write("extra/own_b.py", MODULE)
    write("own_c.py", MODULE)
    for module in ("own_a", "own_b", "own_c"):
        name = write("beside/p.yaml", f"problem: {{type: '{module}:Good'}}")
        result = evo_("validate", name, "--path", "extra")
        assert result.exit_code == 0, result.output


def test_problems_lists_what_can_be_named_in_a_file() -> None:
    from evo.registry import builtin_problems

    shown = evo_("problems")
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in builtin_problems())
    assert json.loads(evo_("problems", "--json").stdout) == builtin_problems()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "p.yaml").write_text(SPHERE, encoding="utf-8")
    result = evo_("run", str(folder / "p.yaml"), "--output", str(folder / "run"))
    assert result.exit_code == 0, result.output
    return folder / "run"


def test_inspect_shows_a_run_from_its_folder_or_a_file_alike(finished: Path) -> None:
    result = json.loads((finished / "result.json").read_text())
    shown = json.loads(evo_("inspect", str(finished), "--json").stdout)
    assert shown["problem"] == "sphere"
    assert shown["generation"] == result["generations"] == 7
    assert shown["evaluations"] == result["evaluations"]
    assert shown["best"] == result["objective"]
    assert shown["finished"] == "generations"
    assert shown["checksum"] == "good"
    assert (shown["format"], shown["checksum_kind"]) == (1, "xxh3-128")
    assert shown["bytes"] > sum(shown["sizes"].values()) > 0
    assert shown["versions"]["evo"]
    text = evo_("inspect", shown["file"]).stdout
    assert text == evo_("inspect", str(finished)).stdout
    for expected in ("checksum    good", "generation  7", "problem     sphere", "optimizer.state"):
        assert expected in text


def test_inspect_shows_what_is_maximised_in_the_users_sense() -> None:
    write("p.yaml", "problem: {type: onemax, bits: 20}\nstop: {generations: 2}\nworkers: 0\n")
    assert evo_("run", "p.yaml", "--output", "run").exit_code == 0
    objective = json.loads(Path("run/result.json").read_text())["objective"]
    assert json.loads(evo_("inspect", "run", "--json").stdout)["best"] == objective > 0


def test_inspect_names_damaged_files_that_it_passed_over(finished: Path, tmp_path: Path) -> None:
    newest = json.loads(evo_("inspect", str(finished), "--json").stdout)["file"]
    good, bad = tmp_path / "gen-00000001.msgpack", tmp_path / "gen-00000002.msgpack"
    good.write_bytes(Path(newest).read_bytes())
    bad.write_bytes(Path(newest).read_bytes()[:-1])
    shown = json.loads(evo_("inspect", str(tmp_path), "--json").stdout)
    assert shown["file"] == str(good)
    assert len(shown["damaged"]) == 1
    assert bad.name in shown["damaged"][0]
    result = evo_("inspect", str(bad))
    assert result.exit_code == 2
    assert good.name in result.stderr
    assert result.stderr.count("\n") == 1


def test_inspect_shows_a_checkpoint_of_somebody_elses_loop(tmp_path: Path) -> None:
    import numpy as np

    checkpoints.save(tmp_path / "mine.msgpack", {"weights": np.zeros(10), "layers": [{"bias": np.zeros(2)}]})
    result = evo_("inspect", str(tmp_path / "mine.msgpack"))
    assert result.exit_code == 0, result.output
    assert "weights" in result.stdout
    assert "layers.0.bias" in result.stdout


def test_a_finished_run_resumed_says_so_and_can_be_extended(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    before = json.loads((folder / "result.json").read_text())
    again = evo_("resume", str(folder))
    assert again.exit_code == 0, again.output
    assert "finished already" in again.stdout
    assert json.loads((folder / "result.json").read_text())["digest"] == before["digest"]
    longer = evo_("resume", str(folder), "--generations", "9")
    assert longer.exit_code == 0, longer.output
    after = json.loads((folder / "result.json").read_text())
    assert after["generations"] == 9
    assert after["digest"] != before["digest"]


def test_a_lone_checkpoint_goes_on_in_a_new_folder_that_can_be_resumed(finished: Path) -> None:
    lone = Path("lone.msgpack")
    shutil.copy(max((finished / "checkpoints").glob("gen-*.msgpack")), lone)
    result = evo_("resume", str(lone), "--generations", "9")
    assert result.exit_code == 0, result.output
    folder = Path("runs/lone-1")
    assert f"evo: resuming {lone} in {folder}" in result.stdout
    assert any(line.split() == ["folder", str(folder)] for line in result.stdout.splitlines())
    again = evo_("resume", str(folder), "--generations", "10")
    assert again.exit_code == 0, again.output
    assert json.loads((folder / "result.json").read_text())["generations"] == 10


def test_a_lone_file_that_is_no_checkpoint_leaves_no_folder() -> None:
    assert evo_("resume", write("lone.msgpack", "x" * 100)).exit_code == 2
    assert not list(Path("runs").glob("*"))


def test_an_interrupted_run_of_which_nothing_is_saved_does_not_end_with_75(
    fake: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.stop_reason = "interrupted"
    monkeypatch.setattr("evo.progress.status.Status.checkpoint", property(lambda s: None, lambda s, v: None),
                        raising=False)  # fmt: skip
    assert evo_("run", write("p.yaml", SPHERE)).exit_code == 1


@pytest.mark.parametrize("command", ["run", "resume"])
def test_an_empty_name_is_no_folder(command: str, fake: FakeRun) -> None:
    result = evo_(command, write("p.yaml", SPHERE), "--output", "")
    assert result.exit_code == 2
    assert "--output" in result.stderr
    assert "found an empty name" in result.stderr
    assert not fake.calls


def test_a_file_given_for_a_folder_is_called_one() -> None:
    result = evo_("run", write("p.yaml", SPHERE), "--output", write("afile", ""))
    assert result.exit_code == 2
    assert result.stderr == "evo: afile: expected a folder, found a file\n"


def test_a_folder_that_holds_a_run_is_answered_with_what_the_command_can_do(finished: Path, tmp_path: Path) -> None:
    run = evo_("run", write("p.yaml", SPHERE), "--output", str(finished))
    resumed = evo_("resume", str(finished), "--output", str(finished))
    assert (run.exit_code, resumed.exit_code) == (2, 2)
    assert "--overwrite" in run.stderr
    assert "overwrite" not in resumed.stderr
    assert "=True" not in run.stderr + resumed.stderr


def test_a_total_below_what_is_done_is_a_mistake_and_changes_nothing(finished: Path) -> None:
    before = (finished / "settings.yaml").read_text()
    result = evo_("resume", str(finished), "--generations", "3")
    assert result.exit_code == 2
    assert "3 is not above the 7 already done" in result.stderr
    assert (finished / "settings.yaml").read_text() == before


@pytest.mark.parametrize("arguments", [[], ["checkpoints"]])
def test_a_command_alone_shows_its_help_in_full(arguments: list[str]) -> None:
    result = evo_(*arguments)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: evo")
    assert result.stdout.count("\n") > 10
    assert not result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("problem:\n  type: sphere\n  dimensions: five", "p.yaml, line 3: problem.dimensions: expected a whole number"),
        (
            "problem:\n  type: cvrp\n  instance: no.vrp",
            "p.yaml, line 3: problem.instance: {here}/no.vrp: cannot be read",
        ),
        ("problem:\n  type: 'own_module_c:Bad'", "p.yaml, line 1: problem: upper: expected finite"),
        ("problem:\n  type: 'own_module_c:Bad'\n  upper: x", "p.yaml, line 3: problem.upper: expected a number"),
    ],
)
def test_a_constructors_mistake_names_the_file_and_the_parameter(text: str, said: str) -> None:
    write("own_module_c.py", "import evo\nclass Bad(evo.Problem):\n"
          "    def __init__(self, upper=float('inf')): self.space = evo.Real(0, upper, shape=2)\n"
          "    def evaluate(self, x): return x.sum(axis=1)\n")  # fmt: skip
    result = evo_("validate", write("p.yaml", text))
    assert result.exit_code == 2
    assert result.stderr.startswith("evo: " + said.format(here=Path.cwd())), result.stderr


def test_a_file_that_is_not_there_is_not_said_to_be_run() -> None:
    result = evo_("run", "nothere.yaml")
    assert result.exit_code == 2
    assert result.output == "evo: nothere.yaml: no such file\n"


@pytest.mark.parametrize("text", ["hello", "", "x" * 200])
def test_a_text_given_for_a_checkpoint_is_none(text: str) -> None:
    said = evo_("resume", write("notes.txt", text)).stderr
    assert ("not a checkpoint" in said) == bool(text)
    assert "magic" not in said
    assert "64" not in said


def test_a_timeout_that_cannot_hold_is_told_at_the_start() -> None:
    text = SPHERE + "fault_tolerance: {evaluation_timeout: 5}\n"
    assert "evaluation_timeout has no effect" in evo_("run", write("p.yaml", text)).stdout
    option = evo_("run", write("q.yaml", SPHERE), "--fault-tolerance", "evaluation_timeout=5")
    assert "evaluation_timeout has no effect" in option.stdout
    assert "evaluation_timeout" not in evo_("run", "q.yaml").stdout

"""A problem that is not what it was is a question to the user; and a checkpoint never says where code comes from."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo import checkpoints, registry
from evo.fingerprint import differences, fingerprint
from evo.problem import FunctionProblem

CODE = """
import numpy as np
import evo
import helper_of_mine

class Mine(evo.Problem):
    space = evo.Real(-1, 1, shape=2)

    def __init__(self, power=2, table="table.txt"):
        self.power = power
        self.weights = np.loadtxt(table)

    def evaluate(self, x):
        # a comment
        return helper_of_mine.total(np.abs(x) ** self.power * self.weights)

def plain(x):
    return float(helper_of_mine.total(x[None])[0])
"""
HELPER = "def total(x):\n    return x.sum(axis=1)\n"
STOP = evo.Stop(generations=3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    write(tmp_path, "mine_changed.py", CODE)
    write(tmp_path, "helper_of_mine.py", HELPER)
    write(tmp_path, "table.txt", "1 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield tmp_path
    forget()


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def forget() -> None:
    for name in ("mine_changed", "helper_of_mine"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def mine() -> Any:
    return importlib.import_module("mine_changed")


def run(folder: Path) -> None:
    evo.minimize(mine().Mine(), stop=STOP, output=folder / "run")
    forget()


CHANGES = {
    "source of mine_changed": ("mine_changed.py", CODE.replace("np.abs(x)", "np.abs(x + 0.1)")),
    "source of helper_of_mine": ("helper_of_mine.py", HELPER.replace("sum", "max")),
    "arrays": ("table.txt", "1 3\n"),
    "calls": ("mine_changed.py", CODE.replace("    space =", "    block = 8\n    space =")),
    "parameters": ("mine_changed.py", CODE),
}


@pytest.mark.parametrize("what", ["source of mine_changed", "source of helper_of_mine", "arrays", "calls"])
def test_a_change_is_an_error_that_names_it_and_can_be_accepted_once(folder: Path, what: str) -> None:
    run(folder)
    write(folder, *CHANGES[what])
    longer = evo.Stop(generations=5)
    with pytest.raises(evo.CheckpointError, match=rf"not what it was, changed: .*{what}.*--accept-changed-problem"):
        evo.resume(folder / "run", stop=longer)
    forget()
    seen: list[dict[str, Any]] = []
    evo.resume(folder / "run", stop=longer, accept_changed_problem=True, observers=[seen.append])
    assert any(e["event"] == "alert" and what in e["message"] for e in seen)
    forget()
    assert evo.resume(folder / "run", stop=evo.Stop(generations=6)).generations == 6, "it is asked once"


def test_other_parameters_of_a_problem_that_is_given_are_a_change(folder: Path) -> None:
    evo.minimize(mine().Mine(power=2), stop=STOP, output=folder / "run")
    with pytest.raises(evo.CheckpointError, match=r"changed: parameters;"):
        evo.resume(folder / "run", problem=mine().Mine(power=3))
    evo.resume(folder / "run", problem=mine().Mine(power=2))


def test_another_space_cannot_be_accepted(folder: Path) -> None:
    run(folder)
    write(folder, "mine_changed.py", CODE.replace("shape=2", "shape=(1, 2)"))
    with pytest.raises(evo.CheckpointError, match="another space"):
        evo.resume(folder / "run", accept_changed_problem=True)


def test_comments_and_blank_lines_are_no_change(folder: Path) -> None:
    run(folder)
    write(folder, "mine_changed.py", "# new\n\n" + CODE.replace("# a comment", "# another one\n\n"))
    assert evo.resume(folder / "run").generations == 3


def test_a_function_and_what_it_calls_are_compared(folder: Path) -> None:
    evo.minimize(mine().plain, evo.Real(0, 1, shape=2), stop=STOP, output=folder / "run")
    forget()
    write(folder, "helper_of_mine.py", HELPER.replace("sum", "prod"))
    with pytest.raises(evo.CheckpointError, match="changed: source of helper_of_mine"):
        evo.resume(folder / "run")


def test_the_data_of_a_built_in_problem_are_compared_where_it_is_given(tmp_path: Path) -> None:
    from evo.problems.cvrp.generator import generate
    from evo.problems.cvrp.problem import CVRP

    evo.minimize(CVRP(generate(20, seed=1)), stop=evo.Stop(generations=1), output=tmp_path / "run")
    with pytest.raises(evo.CheckpointError, match="changed: data;"):
        evo.resume(tmp_path / "run", problem=CVRP(generate(20, seed=2)))


SCRIPT = """
import sys
import evo
OFFSET = 1.0
def shifted(x):
    return float(((x - {shift}) ** 2).sum())
def objective(x):
    return shifted(x)
{more}
class Local(evo.Problem):
    space = evo.Real(0, 1, shape=2)
    def evaluate(self, x):
        return [shifted(row) for row in x]
problem = {problem}
space = None if isinstance(problem, evo.Problem) else evo.Real(0, 1, shape=2)
if sys.argv[1] == "start":
    evo.minimize(problem, space, stop=evo.Stop(generations=2), output="run")
else:
    evo.resume("run", problem=problem, stop=evo.Stop(generations=4))
"""


@pytest.mark.parametrize("problem", ["objective", "Local()", "lambda x: float(((x - {shift}) ** 2).sum())"])
def test_in_a_script_what_the_definition_names_counts_and_the_rest_does_not(tmp_path: Path, problem: str) -> None:
    def script(shift: str, more: str, action: str) -> subprocess.CompletedProcess[str]:
        text = SCRIPT.replace("{problem}", problem).replace("{shift}", shift).replace("{more}", more)
        (tmp_path / "script.py").write_text(text)
        return subprocess.run(
            [sys.executable, "script.py", action], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    assert script("0.5", "", "start").returncode == 0
    other = script("0.25", "", "resume")
    assert "is not what it was, changed: source of __main__:" in other.stderr
    again = script("0.5", "def unrelated():\n    return 1", "resume")
    assert again.returncode == 0, again.stderr


def test_a_checkpoint_cannot_have_pythons_own_library_called() -> None:
    space = evo.Real(0, 1, shape=2).to_spec()
    flags = {"vectorized": False, "noisy": False, "maximize": False}
    for name in ("os:system", "subprocess:call", "os.path:exists"):
        with pytest.raises(evo.ProblemError, match=r"found .* of Python's own library"):
            registry.problem_from_spec({"type": "function", "data": {"function": name, "space": space, **flags}})
    with pytest.raises(evo.ProblemError, match="of Python's own library"):
        registry.problem_from_spec({"type": "argparse:Namespace", "data": {"parameters": {}}})
    with pytest.raises(evo.ProblemError, match=r"expected a subclass of evo\.Problem"):
        registry.problem_from_spec({"type": "numpy:ndarray", "data": {"parameters": {}}})


def test_a_file_without_a_fingerprint_is_no_reason_to_trust_it(folder: Path, tmp_path: Path) -> None:
    run(folder)
    tree = dict(checkpoints.load(folder / "run"))
    tree["problem"] = {name: value for name, value in tree["problem"].items() if name != "fingerprint"}
    checkpoints.save(tmp_path / "stripped.msgpack", tree)
    with pytest.raises(evo.CheckpointError, match="is not what it was"):
        evo.resume(tmp_path / "stripped.msgpack")


def test_resuming_says_where_the_code_comes_from(folder: Path) -> None:
    run(folder)
    seen: list[dict[str, Any]] = []
    evo.resume(folder / "run", observers=[seen.append])
    assert next(e for e in seen if e["event"] == "resumed")["code"] == [str(folder / "mine_changed.py")]


def test_the_fingerprint_does_not_move_while_a_run_goes_on(folder: Path) -> None:
    problem = mine().Mine()
    before = fingerprint(problem)
    evo.minimize(problem, stop=STOP)
    assert fingerprint(problem) == before
    assert differences(before, fingerprint(mine().Mine())) == []


def test_bytecode_of_another_python_is_not_compared() -> None:
    namespace: dict[str, Any] = {"__name__": "nowhere"}
    exec("def made(x):\n    return float(x.sum())", namespace)
    problem = FunctionProblem(namespace["made"], evo.Real(0, 1, shape=2))
    now = fingerprint(problem)
    name = next(key for key in now if now[key].startswith("bytecode"))
    version, value = now[name].split()[1:]
    assert differences({**now, name: f"bytecode 2.7 {value}"}, now) == []
    assert differences({**now, name: f"bytecode {version} {value[::-1]}"}, now) == [name]
    assert np.isfinite(problem.evaluate(np.zeros((1, 2)))).all()

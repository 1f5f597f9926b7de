"""Every example runs, and comes to the right result; here with less work, and mostly in its own process."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
EVO = [sys.executable, "-c", "from evo.cli import main; main()"]


def output_of(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(folder: Path, name: str, *options: str) -> str:
    return output_of(folder, sys.executable, EXAMPLES / name, *options)


def test_a_large_array_is_summed_in_chunks_by_workers(tmp_path: Path) -> None:
    out = run(tmp_path, "distributed_sum.py", "--size", "100000", "--workers", "1")
    found = re.findall(r"(\d+\.\d{6})$", out, re.MULTILINE)
    assert "sum of 100,000 numbers in 40 chunks" in out
    assert len(found) == 2
    assert found[0] == found[1]


def test_a_large_csv_is_added_up_and_its_damaged_line_is_told(tmp_path: Path) -> None:
    out = run(tmp_path, "large_csv.py", "--lines", "20000", "--chunk", "10000", "--workers", "0")
    assert len(re.findall(r"^bytes [\d,]+ to [\d,]+ failed: ValueError", out, re.MULTILINE)) == 1
    assert re.search(r"^Ghent +[\d,]+\.\d\d$", out, re.MULTILINE)


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason='needs pip install "evo-engine[examples]"')
def test_a_grid_search_tries_all_combinations(tmp_path: Path) -> None:
    out = run(tmp_path, "grid_search.py", "--samples", "200", "--workers", "0")
    assert "81 of 81" in out
    scores = [float(line.split()[0]) for line in out.splitlines()[-5:]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.8


def test_a_problem_in_python_is_minimised(tmp_path: Path) -> None:
    objective = re.match(r"objective (\S+)", run(tmp_path, "rosenbrock.py"))
    assert objective is not None
    assert float(objective[1]) < 1000


def test_a_problem_with_parameters_of_its_own_is_run_from_its_file(tmp_path: Path) -> None:
    output_of(tmp_path, *EVO, "run", EXAMPLES / "custom" / "problem.yaml", "--generations", "5", "--output", "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["feasible"]
    assert result["objective"] < 2.0


def test_routes_are_found_from_python(tmp_path: Path) -> None:
    out = run(tmp_path, "cvrp/solve.py")
    customers = [int(word) for line in re.findall(r"^Route #\d+: (.*)$", out, re.MULTILINE) for word in line.split()]
    assert sorted(customers) == list(range(1, 31))
    assert "Cost " in out


def test_routes_are_found_from_a_file(tmp_path: Path) -> None:
    output_of(
        tmp_path, *EVO, "run", EXAMPLES / "cvrp" / "delivery.yaml", "--generations", "3", "--workers", "0",
        "--output", "run",
    )  # fmt: skip
    assert "Route #1:" in (tmp_path / "run" / "solution.sol").read_text()


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason='needs pip install "evo-engine[plot]"')
def test_two_objectives_are_traded_off_and_plotted(tmp_path: Path) -> None:
    out = run(tmp_path, "two_objectives.py", "--plot", "front.png")
    found = [(float(cost), float(bent)) for cost, bent in re.findall(r"^\$ *(\S+) +(\S+) in ", out, re.MULTILINE)]
    assert found[0][0] < 3.0
    assert found[-1][1] < 0.0006
    assert found == sorted(found)
    assert [bent for _, bent in found] == sorted((bent for _, bent in found), reverse=True)
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


def numbers(out: str) -> list[float]:
    return [float(word) for word in re.findall(r"-?\d+\.\d+(?:e[+-]\d+)?", out)]


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason='needs pip install "evo-engine[examples]"')
def test_a_model_is_tuned_over_a_mixed_space(tmp_path: Path) -> None:
    out = run(tmp_path, "mixed_tuning.py", "--workers", "0", "--evaluations", "40")
    accuracy = re.match(r"accuracy (\S+) after 40 evaluations", out)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.93
    assert re.search(r"^model +(svm|neighbours|trees)$", out, re.MULTILINE)


def test_tours_are_improved_by_two_opt(tmp_path: Path) -> None:
    out = run(tmp_path, "tsp_two_opt.py")
    with_two_opt, without = (numbers(line)[0] for line in out.splitlines()[:2])
    assert with_two_opt < 6.0 < without
    assert sorted(map(int, out.splitlines()[2].split()[1:])) == list(range(60))


def test_constraints_are_met_at_the_known_optimum(tmp_path: Path) -> None:
    out = run(tmp_path, "constrained.py")
    assert "feasible: True, by tolerance" in out
    sheet, optimum = (numbers(line)[0] for line in out.splitlines()[1:])
    assert sheet == pytest.approx(optimum, rel=1e-3)


def test_noise_is_averaged_out(tmp_path: Path) -> None:
    out = run(tmp_path, "noisy.py")
    mean, optimum = (numbers(line)[-1] for line in out.splitlines()[1:3])
    assert 0.95 * optimum < mean <= optimum
    assert out == run(tmp_path, "noisy.py")


def test_a_loop_of_ones_own_is_saved_and_resumed(tmp_path: Path) -> None:
    whole = run(tmp_path, "ask_tell.py", "--file", "whole.msgpack")
    run(tmp_path, "ask_tell.py", "--file", "parts.msgpack", "--generations", "15")
    rest = run(tmp_path, "ask_tell.py", "--file", "parts.msgpack")
    assert rest.startswith("going on after generation 15\n")
    assert rest.splitlines()[1:] == whole.splitlines()
    assert numbers(whole)[0] < 1e-4


def test_no_example_is_forgotten() -> None:
    found = {str(f.relative_to(EXAMPLES)) for f in EXAMPLES.rglob("*") if f.suffix in (".py", ".yaml")}
    assert found == {
        "ask_tell.py",
        "constrained.py",
        "custom/problem.yaml",
        "custom/tuning.py",  # by custom/problem.yaml
        "cvrp/delivery.yaml",
        "cvrp/solve.py",
        "distributed_sum.py",
        "grid_search.py",
        "large_csv.py",
        "mixed_tuning.py",
        "noisy.py",
        "rosenbrock.py",
        "tsp_two_opt.py",
        "two_objectives.py",
    }

"""The cache of machine code: kept, found again, and never in the way."""

import os
import subprocess
import sys

import pytest

from evo.problems.cvrp import compilation
from evo.problems.cvrp.generator import generate
from evo.problems.cvrp.hgs import HybridGeneticSearch
from evo.problems.cvrp.problem import CVRP
from evo.problems.cvrp.trajectory_search import TrajectorySearch

# A process of its own: numba reads its settings once. `rebuild` is an entry point that compiles fast.
SCRIPT = """
from evo.problems.cvrp.kernels_population import empty_population, rebuild
from evo.problems.cvrp.compilation import cache_folder
rebuild(empty_population(2, 4, 1))
stats = rebuild.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), cache_folder("kernels_population"), sep="|")
"""


def run_script(cache, **environment):
    """Cache hits, misses and the folder, of a fresh process."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **environment}
    output = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True).stdout
    hits, misses, folder = output.strip().split("|")
    return int(hits), int(misses), folder


def files(folder, ending):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(ending)]


def test_machine_code_is_found_again_and_a_damaged_file_is_compiled_anew(tmp_path):
    hits, misses, folder = run_script(tmp_path)
    assert (hits, misses) == (0, 1)
    assert str(tmp_path) in folder
    assert run_script(tmp_path)[:2] == (1, 0)
    for ending in (".nbc", ".nbi"):
        (path,) = files(folder, ending)
        with open(path, "r+b") as file:  # one bit in the middle
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 16]))
        run_script(tmp_path)
        assert run_script(tmp_path)[:2] == (1, 0), ending
        os.truncate(path, 11)
        assert run_script(tmp_path)[:2] == (0, 1), ending
        assert run_script(tmp_path)[:2] == (1, 0), ending


def test_a_flipped_bit_in_machine_code_is_not_run(tmp_path):
    _, _, folder = run_script(tmp_path)
    (path,) = files(folder, ".nbc")
    with open(path, "r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    assert run_script(tmp_path)[:2] == (0, 1)


def test_without_a_folder_to_write_to_kernels_still_run(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    environment = {name: str(blocked) for name in ("XDG_CACHE_HOME", "HOME", "TMPDIR")}
    hits, misses, folder = run_script(blocked, **environment)
    assert hits + misses == 1  # it ran; an earlier process may have left its code in the folder of last resort
    assert str(blocked) not in folder


def test_sources_are_the_kernels_that_an_entry_point_is_made_from():
    names = [path.stem for path in compilation.sources("kernels_education")]
    assert {"kernels_education", "kernels_moves", "kernels_state", "kernels_memory", "compilation"} <= set(names)
    assert "hgs" not in names
    assert "kernels_population" not in names


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    compilation.cache_folder.cache_clear()
    yield tmp_path
    compilation.cache_folder.cache_clear()


def test_whether_kernels_are_cached_is_told_without_compiling(own_folder):
    assert not compilation.kernels_cached("kernels_education", "int32")
    compilation.mark_cached("kernels_education", "int32")
    assert compilation.kernels_cached("kernels_education", "int32")
    assert not compilation.kernels_cached("kernels_education", "float64")


def test_each_optimizer_tells_of_the_compilation_of_its_own_kernels(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    problem = CVRP(generate(10, seed=1))
    hgs, trajectories = HybridGeneticSearch(problem, 1), TrajectorySearch(problem, 1)
    assert hgs.notice()
    assert trajectories.notice()
    compilation.mark_cached("kernels_education", "int32")
    assert hgs.notice() is None
    assert trajectories.notice()
    compilation.mark_cached("kernels_trajectory", "int32")
    assert trajectories.notice() is None

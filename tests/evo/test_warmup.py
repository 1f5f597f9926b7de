"""`evo warmup` compiles what the optimizers would compile, where they look for it."""

import subprocess
import sys

from evo.problems.cvrp import ahead


def test_every_work_has_an_optimizer_and_an_instance_that_is_large_where_it_says_so():
    for name, (optimizer, rounding, n) in ahead.WORKS.items():
        assert optimizer in name
        assert ("large" in name) == (n > ahead.MATRIX_LIMIT)
        assert ahead._example(rounding, n).n == n


def test_the_command_tells_of_each_work_and_a_second_time_there_is_nothing_to_compile(tmp_path):
    code = (
        "from evo.problems.cvrp import ahead\n"
        "for name in list(ahead.WORKS)[1:]: del ahead.WORKS[name]\n"
        "ahead.compile_work(next(iter(ahead.WORKS)))\n"
        "from evo.problems.cvrp.compilation import kernels_cached\n"
        "print(kernels_cached('kernels_education', 'int32'))\n"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=280, check=True
    )
    assert found.stdout.strip() == "True"
    files = sorted(tmp_path.rglob("*.nbi"))
    assert files
    again = {path: path.stat().st_mtime_ns for path in files}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=280, check=True)
    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.nbi"))} == again

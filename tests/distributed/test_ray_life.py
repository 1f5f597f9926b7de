"""Ray's life and death, each in a process of its own: private clusters, joined ones, the user's own; and the path."""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

PRELUDE = """
import os, signal, sys, psutil
import modal_evaluator
from modal_evaluator import ModalEvaluator, assert_same, batch, expected
from evo.distributed.ray_executor import RayExecutor

def evaluate(executor, generation=0):
    each = batch(30, generation)
    executor.submit(each)
    outcome = executor.collect(lambda: False)
    assert_same(outcome.arrays, expected(each))
    assert outcome.evaluated_by == {"ray": 30}

def family():
    return [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
"""


def run(script: str, *, cwd: Path | None = None, prelude: str = PRELUDE, env: dict[str, str] | None = None) -> str:
    """Run a script in a new process; its standard output. Fails with its errors where it fails."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r})\n" + prelude + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_private_clusters_one_after_the_other_leave_no_process_and_print_nothing() -> None:
    output = run(
        """
        import ray  # which sets a variable
        handler, variables = signal.getsignal(signal.SIGTERM), dict(os.environ)
        for generation in range(2):
            executor = RayExecutor(2)
            executor.begin(ModalEvaluator(), lambda kind, fields: None)
            assert not executor.advance()  # it starts behind our back
            while not executor.advance(0.1):
                pass
            evaluate(executor, generation)
            slot = next(iter(executor._crew.slots.by_id.values()))
            slot.process.kill()
            evaluate(executor, generation + 1)
            executor.close()
            assert family() == [], family()
            assert signal.getsignal(signal.SIGTERM) is handler
            assert dict(os.environ) == variables, set(os.environ.items()) ^ set(variables.items())
        """
    )
    assert output == ""


def test_closing_while_ray_still_starts_leaves_no_process() -> None:
    run(
        """
        executor = RayExecutor(1)
        import threading, time
        for wait in (0.0, 2.0):
            executor = RayExecutor(1)
            executor.begin(ModalEvaluator(), lambda kind, fields: None)
            time.sleep(wait)  # not for a state: to break off at another stage
            executor.close()
            assert family() == [], family()
            assert [t.name for t in threading.enumerate() if t.name.startswith("evo")] == []
        executor = RayExecutor(1)  # and Ray is still of use
        executor.start(ModalEvaluator(), lambda kind, fields: None)
        evaluate(executor)
        executor.close()
        """
    )


def test_a_private_cluster_that_loses_its_head_is_begun_anew_after_whoever_listens_was_told() -> None:
    run(
        """
        told = []
        executor = RayExecutor(2)
        executor.start(ModalEvaluator(), lambda kind, fields: told.append(fields.get("state")))
        each = batch(400, sleep=0.01)
        executor.submit(each)
        head = next(p for p in psutil.Process().children(recursive=True) if p.name() == "gcs_server")
        head.kill()
        outcome = executor.collect(lambda: False)
        assert_same(outcome.arrays, expected(each))
        states = [state for state in told if state in ("head_lost", "rejoined")]
        assert states == ["head_lost", "rejoined"], told
        assert executor.workers_alive() >= 1
        executor.close()
        assert family() == [], family()
        """
    )


def test_a_driver_that_is_killed_takes_its_cluster_with_it() -> None:
    output = run(
        """
        import subprocess, time
        code = '''
        import sys; sys.path.insert(0, {path!r})
        from modal_evaluator import ModalEvaluator
        from evo.distributed.ray_executor import RayExecutor
        executor = RayExecutor(1)
        executor.start(ModalEvaluator(), lambda kind, fields: None)
        print("ready", flush=True)
        import time; time.sleep(600)
        '''.replace("\\n        ", "\\n").format(path=sys.path[0])
        driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert driver.stdout.readline() == "ready\\n"
        processes = psutil.Process(driver.pid).children(recursive=True)
        assert any(p.name() == "ray::RayWorker" for p in processes)
        driver.kill()
        driver.wait()
        _, left = psutil.wait_procs(processes, timeout=30)
        assert left == [], left
        """
    )
    assert output == ""


def test_a_ray_that_the_user_has_started_is_used_and_left_running() -> None:
    run(
        """
        import ray
        ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=80_000_000)
        executor = RayExecutor(1)
        executor.start(ModalEvaluator(), lambda kind, fields: None)
        evaluate(executor)
        executor.close()
        assert ray.is_initialized()
        assert ray.get(ray.put(1)) == 1
        """
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def head() -> Iterator[dict[str, str]]:
    """A cluster's head in processes of its own, with a token as Ray wants it; the environment that joins it."""
    folder = tempfile.mkdtemp(prefix="evo-")  # Ray's sockets need a short path
    port = free_port()
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    command = [
        str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", f"--port={port}", "--num-cpus=3",
        "--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=80000000",
        "--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={folder}",
    ]  # fmt: skip
    log = Path(folder, "head.log")
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        deadline = monotonic() + 60
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert monotonic() < deadline
            sleep(0.1)
        yield {**environment, "EVO_TEST_RAY_ADDRESS": f"127.0.0.1:{port}"}
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=10)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_executors_on_a_cluster_joined_by_address_pass_the_conformance_suite(head: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "test_conformance.py")]
    done = subprocess.run(
        [*command, "-k", "ray_2"],
        env=head,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_closing_leaves_a_joined_cluster_running_and_all_its_cores_are_used_by_default(head: dict[str, str]) -> None:
    for _ in range(2):
        run(
            """
            executor = RayExecutor(None, os.environ["EVO_TEST_RAY_ADDRESS"])
            executor.start(ModalEvaluator(), lambda kind, fields: None)
            assert executor.workers_alive() == 3
            evaluate(executor)
            executor.close()
            """,
            env=head,
        )


def test_a_cluster_that_is_not_there_is_an_error_that_names_the_address() -> None:
    run(
        """
        from evo.errors import ExecutorError
        executor = RayExecutor(1, "127.0.0.1:9")
        try:
            executor.start(ModalEvaluator(), lambda kind, fields: None)
        except ExecutorError as error:
            assert "cannot join the Ray cluster at 127.0.0.1:9" in str(error), error
        else:
            raise AssertionError("it started")
        executor.close()
        """
    )


def test_the_watch_is_told_what_ray_says_of_its_nodes() -> None:
    run(
        """
        import ray
        from evo.distributed.cluster_watch import asking, views
        executor = RayExecutor(1)
        executor.start(ModalEvaluator(), lambda kind, fields: None)
        ask = asking(ray)
        assert ask != ray.nodes  # it has a time limit
        assert views(ask()) == views(ray.nodes()) != {}
        executor.close()
        """
    )


def missing_for_metrics() -> str:
    """Why Ray serves no metrics here; empty where it does."""
    try:
        importlib.import_module("ray.dashboard.optional_deps")
    except ImportError as error:
        return f"Ray serves metrics only as ray[default] (the extra `metrics`): {error}"
    return ""


@pytest.mark.skipif(bool(missing_for_metrics()), reason=missing_for_metrics() or "-")
def test_what_is_counted_is_served_as_prometheus_text() -> None:
    run(
        """
        import time, urllib.request
        told = []
        executor = RayExecutor(1)
        executor.start(ModalEvaluator(), lambda kind, fields: told.append(fields))
        [(address,)] = [fields["metrics_at"] for fields in told if fields.get("state") == "ready"]
        found, rows, deadline = [], 0, time.monotonic() + 60
        while not found:
            assert time.monotonic() < deadline, "not within 60 s"
            evaluate(executor, rows := rows + 1)
            with urllib.request.urlopen(address, timeout=10) as reply:
                lines = reply.read().decode().splitlines()
            found = [line for line in lines if line.startswith("ray_evo_rows_done{")]
        assert 30 <= float(found[0].split()[-1]) <= 30 * rows, found
        kinds = [line for line in lines if line.startswith("ray_evo_actor_health{")]
        assert any('type="worker"' in line and float(line.split()[-1]) == 1.0 for line in kinds), kinds
        executor.close()
        """
    )


@pytest.mark.skipif(not missing_for_metrics(), reason="Ray serves metrics here")
def test_where_ray_serves_no_metrics_no_address_is_told_of() -> None:
    run(
        """
        told = []
        executor = RayExecutor(1)
        executor.start(ModalEvaluator(), lambda kind, fields: told.append(fields))
        assert [fields["metrics_at"] for fields in told if fields.get("state") == "ready"] == [[]]
        executor.close()
        """
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that holds the package as a wheel puts it there."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for package, folder in sorted(setup["package-dir"].items()):
        target = tmp_path / "site" / package.replace(".", "/")
        shutil.copytree(ROOT / folder, target, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def test_an_installed_package_works_inside_a_checkout_that_would_shadow_it(installed: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("evo", "distributed", "problems", "checkpoints"):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "__init__.py").write_text("raise RuntimeError('the checkout was imported')\n")
    site = sysconfig.get_paths()["purelib"]
    output = run(
        f"""
        import evo
        assert evo.__file__.startswith({str(installed)!r}), evo.__file__
        class Where(ModalEvaluator):
            def evaluate(self, rows, context):
                import evo, evo.distributed.executor
                results = super().evaluate(rows, context)
                results["here"] = np.array([evo.__file__ + "|" + evo.distributed.executor.__file__] * len(rows["row"]))
                return results
        executor = RayExecutor(1)
        executor.start(Where(), lambda kind, fields: None)
        executor.submit(batch(4))
        print(executor.collect(lambda: False).arrays["here"][0])
        executor.close()
        """,
        cwd=checkout,
        # As a console script would have it: neither the working directory nor an editable install comes first.
        prelude=f"sys.path[:] = [{str(installed)!r}, *(p for p in sys.path if p not in ('', {str(checkout)!r}))]\n"
        f"assert {site!r} in sys.path\nimport numpy as np\n" + PRELUDE,
    )
    package, module = output.strip().split("|")
    assert package.startswith(str(installed))
    assert module.startswith(str(installed))

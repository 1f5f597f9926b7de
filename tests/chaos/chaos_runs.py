"""`Run`: a run by the command line, in a process of its own, whose events can be awaited; and what it should give."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any, Self

import psutil
import yaml
from chaos_cluster import ChaosCluster, command, end, session, wait_until
from chaos_problems import Sleepy, number_of

import evo

HERE = Path(__file__).parent
POPULATION = 24

FAULT_TOLERANCE: Mapping[str, Any] = {
    "retry_delay": 0.5,
    "max_retry_delay": 5,
    "deadline_floor": 2,
    "health_check_interval": 1,
    "heartbeat_timeout": 10,
    "breaker_timeout": 5,
    "on_cluster_loss": "stop",
}
"""A run of seconds cannot wait for defaults that are made for runs of days."""


class Run:
    """See the module.

    Parameters
    ----------
    folder
        An empty folder for the problem file, its output and whatever Ray writes.
    parameters
        Of `Sleepy`.
    cluster
        Where it is evaluated; None: `workers` on this machine.
    workers
        None: one per core of the cluster.
    options
        Further words for ``evo run``.
    """

    def __init__(
        self,
        folder: Path,
        parameters: Mapping[str, Any],
        cluster: ChaosCluster | None,
        *,
        generations: int = 10,
        workers: int | None = None,
        seed: int = 1,
        fault_tolerance: Mapping[str, Any] | None = None,
        options: Iterable[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.output = folder / "run"
        self.parameters = dict(parameters)
        self.generations = generations
        self.seed = seed
        self.events: list[dict[str, Any]] = []
        self._environment = dict(os.environ) if cluster is None else cluster.environment
        self._options = list(options)
        content: dict[str, Any] = {
            "problem": {"type": "chaos_problems:Sleepy", **self.parameters},
            "optimizer": {"type": "ga", "population": POPULATION},
            "stop": {"generations": generations},
            "seed": seed,
            "workers": "auto" if workers is None else workers,
            "checkpoint": {"interval": 1},
            "fault_tolerance": {**FAULT_TOLERANCE, **(fault_tolerance or {})},
            **(settings or {}),
        }
        if cluster is not None:
            content["cluster"] = {"address": cluster.address}
        self._file = folder / "problem.yaml"
        self._file.write_text(yaml.safe_dump(content))
        self.start("run", str(self._file), "--output", str(self.output))

    def start(self, *words: str) -> None:
        """Begin, or go on: another part of the run."""
        self._errors = (self.folder / "stderr").open("a+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "evo", *words, "--path", str(HERE), "--json", *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self.folder,
            env=self._environment,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._thread.start()

    def resume(self, *words: str) -> None:
        """Go on with a run that has ended before its time."""
        self._errors.close()
        self.start("resume", str(self.output), *words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.processes())
        self._process.wait()
        self._thread.join(5)
        self._errors.close()

    def _listen(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            with suppress(ValueError):  # the last line of a process that was killed
                self.events.append({**json.loads(line), "at": monotonic()})

    # Its processes

    def processes(self) -> list[psutil.Process]:
        """All that the run has started and that live, save the cluster's."""
        return session(self._process.pid)

    def driver(self) -> psutil.Process:
        """The process that holds the run."""
        children = [p for p in self.processes() if "evo.cli.supervised" in command(p)]
        return children[0] if children else psutil.Process(self._process.pid)

    def interrupt(self) -> None:
        """Ctrl-C: it saves and stops."""
        self._process.send_signal(signal.SIGINT)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    # Its events

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind so far."""
        return [event for event in list(self.events) if event.get("event") == kind]

    def states(self) -> list[str]:
        """Where it was evaluated and what became of that, in turn."""
        return [f"{event['name']} {event['state']}" for event in self.of("executor")]

    def generation(self) -> int:
        """The last that was told of."""
        return max((event["generation"] for event in self.of("generation")), default=0)

    def wait(self, holds: Callable[[], Any], seconds: float, what: str) -> float:
        """Until it holds; how long that took. The run's end before is an `AssertionError`."""

        def now() -> bool:
            if holds():
                return True
            assert self._process.poll() is None, f"the run has ended before: {what}\n{self.report()}"
            return False

        return wait_until(now, seconds, f"{what}\n{self.report()}")

    def wait_for_generation(self, generation: int, seconds: float = 60.0) -> float:
        """Until so many generations are done."""
        return self.wait(lambda: self.generation() >= generation, seconds, f"generation {generation}")

    def code(self, seconds: float) -> int:
        """Its exit code, awaited so long."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the run has not ended within {seconds:g} s\n{self.report()}") from None
        self._thread.join(5)
        return code

    def result(self, seconds: float) -> dict[str, Any]:
        """Wait for its end, which must be a good one; the content of ``result.json``."""
        code = self.code(seconds)
        assert code == 0, f"exit code {code}\n{self.report()}"
        content = json.loads((self.output / "result.json").read_text())
        assert isinstance(content, dict)
        return content

    def durations(self) -> dict[int, float]:
        """Seconds of each generation that was told of right after the one before it."""
        told = {event["generation"]: event["at"] for event in self.of("generation")}
        return {g: at - told[g - 1] for g, at in told.items() if g - 1 in told}

    def report(self) -> str:
        """What it has said last, for an error's text."""
        self._errors.flush()
        errors = (self.folder / "stderr").read_text(errors="replace")[-3000:]
        lines = [json.dumps(event)[:400] for event in list(self.events)[-25:]]
        return "\n".join([*lines, errors])

    # What it must give

    def assert_undisturbed(self, seconds: float) -> dict[str, Any]:
        """It ends in time, with the digest of the reference, and leaves no process behind; its result."""
        result = self.result(seconds)
        wanted = self.reference()
        assert result["quarantined"] == len(wanted.quarantined), (self.quarantined(), wanted.quarantined)
        assert result["digest"] == wanted.digest, self.report()
        assert result["evaluations"] == self.generations * POPULATION
        self.assert_nothing_left()
        return result

    def assert_nothing_left(self, seconds: float = 10.0) -> None:
        """Of the run's own processes."""
        wait_until(
            lambda: not self.processes(), seconds, f"no process is left: {[command(p)[:90] for p in self.processes()]}"
        )

    def quarantined(self) -> list[tuple[int, int]]:
        """Generation and row of the individuals that were given up."""
        return sorted({(event["generation"], event["row"]) for event in self.of("quarantined")})

    def reference(self) -> Reference:
        """The same run, in this process, with no fault but that poisonous individuals give NaN."""
        return reference(json.dumps(self.parameters, sort_keys=True), self.generations, self.seed)


class Reference:
    """What an undisturbed run gives."""

    def __init__(self, result: evo.Result, quarantined: list[tuple[int, int]]) -> None:
        self.digest = result.digest
        self.quarantined = quarantined


@lru_cache(maxsize=100)
def reference(parameters: str, generations: int, seed: int) -> Reference:
    """See `Run.reference`; `parameters` are JSON. Raises `AssertionError` where the run's state does not move."""
    problem = Sleepy(**{**json.loads(parameters), "dry": True})
    quarantined: list[tuple[int, int]] = []

    def note(event: Mapping[str, Any]) -> None:
        if event["event"] == "quarantined":
            quarantined.append((event["generation"], event["row"]))

    def run(count: int, **more: Any) -> evo.Result:
        return evo.minimize(
            problem,
            optimizer={"type": "ga", "population": POPULATION},
            stop=evo.Stop(generations=count),
            seed=seed,
            **more,
        )

    whole = run(generations, observers=[note])
    assert run(generations - 1).digest != whole.digest, "a state that does not move proves nothing"
    return Reference(whole, sorted(set(quarantined)))


class _Roll(Sleepy):
    """Keeps the numbers of all individuals, in the order in which they are first met."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.met: dict[int, None] = {}

    def evaluate(self, x: Any) -> Any:
        self.met.update(dict.fromkeys(map(number_of, x)))
        return super().evaluate(x)


def with_victims(parameters: Mapping[str, Any], kinds: Iterable[str], seed: int = 1) -> dict[str, Any]:
    """`Sleepy`'s parameters with each fault befalling one individual, from the second generation on in turn."""
    faults: dict[str, list[int]] = {}
    for generation, kind in enumerate(kinds, 1):
        faults[kind] = victim_in(generation, {**parameters, "faults": faults}, seed)
    return {**parameters, "faults": faults}


def victim_in(generation: int, parameters: Mapping[str, Any], seed: int = 1) -> list[int]:
    """The number of an individual that such a run meets first in about that generation."""
    roll = _Roll(**{**parameters, "dry": True})
    evo.minimize(
        roll,
        optimizer={"type": "ga", "population": POPULATION},
        stop=evo.Stop(generations=generation + 1),
        seed=seed,
    )
    met = list(roll.met)
    return [met[min(generation * POPULATION + 5 + generation % 7, len(met) - 1)]]

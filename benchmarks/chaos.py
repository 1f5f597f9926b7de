"""Faults on a real cluster of four nodes: random ones for as long as asked, or each alone to measure the recovery.

    python benchmarks/chaos.py random --seconds 600 --every 5     # the digest must be the undisturbed run's
    python benchmarks/chaos.py measure --repeat 3 --write         # a table, kept in RESULTS.md

The faults are those of the chaos tests (``tests/chaos/chaos_faults.py``). Nodes are `ray start`s on this machine; with
root and `ip` each has a network namespace of its own, so that partitions are among the faults.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, sleep, time
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "chaos"))
import chaos_faults
from chaos_cluster import KEEPALIVE, ChaosCluster, Node, wait_until
from chaos_network import Network, NetworkPlace, missing_privilege
from chaos_problems import Sleepy
from chaos_runs import FAULT_TOLERANCE, POPULATION, Run, victim_in
from results_file import cpu_model, evo_version, markdown_table, today, update_section, versions

import evo

NODES = 4
EVALUATION = {"seconds": 0.05, "block": 1}


@contextmanager
def cluster_of_four() -> Iterator[tuple[ChaosCluster, NetworkPlace | None]]:
    """Four nodes of one core, cut off from each other where that can be done; and where a fifth one would be."""
    reason = missing_privilege()
    if reason:
        print(f"no partitions: {reason}", file=sys.stderr)
    with ExitStack() as stack:
        network = None if reason else stack.enter_context(Network(NODES + 1))
        cluster = stack.enter_context(ChaosCluster(head=network and network.host, variables=KEEPALIVE))
        cluster.add(1, NODES, places=[] if network is None else network.places)
        yield cluster, None if network is None else network.places[NODES]


# Random faults -----------------------------------------------------------------------------------------------------


class Storm:
    """Hurts a cluster at random, and replaces what is lost.

    Parameters
    ----------
    every
        Mean seconds between faults.
    """

    def __init__(self, cluster: ChaosCluster, run: Run, dice: random.Random, every: float) -> None:
        self._cluster = cluster
        self._run = run
        self._dice = dice
        self._every = every
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._born = {node.name: monotonic() for node in cluster.nodes}
        self.done: Counter[str] = Counter()
        self.memory: list[int] = []
        """Resident bytes of the driver, every few seconds."""
        self.processes: list[int] = []
        """Of the cluster and the run."""

    def rage(self, seconds: float) -> None:
        """Until the time is up; then let everything heal."""
        end = monotonic() + seconds
        next_fault, next_sample = monotonic() + self._every, monotonic()
        while monotonic() < end:
            now = monotonic()
            self._keep_promises(now)
            if now >= next_fault:
                self._strike()
                next_fault = monotonic() + self._dice.uniform(0.5, 1.5) * self._every
            if now >= next_sample:
                self._sample()
                next_sample = now + 5
            self._repair()
            code = self._run.poll()
            assert code is None, f"the run has ended with exit code {code}\n{self._run.report()}"
            sleep(0.1)
        self._keep_promises(float("inf"))

    def _strike(self) -> None:
        faults: list[tuple[str, int, Callable[[], object]]] = [
            ("worker killed", 4, lambda: chaos_faults.kill_worker(self._cluster, self._dice)),
            ("worker stopped", 3, lambda: chaos_faults.stop_worker(self._cluster, self._dice)),
            ("all workers killed", 1, lambda: chaos_faults.kill_all_workers(self._cluster)),
            ("driver killed", 1, lambda: chaos_faults.kill_driver(self._run)),
            ("head killed", 1, self._kill_head),
        ]
        settled = [node for node in self._cluster.nodes if self._is_settled(node)]
        if len(settled) > 1:
            node = self._dice.choice(settled)
            faults += [
                ("node killed", 2, lambda: chaos_faults.kill_node(node)),
                ("raylet killed", 2, lambda: chaos_faults.kill_raylet(node)),
                (
                    "node stopped",
                    2,
                    lambda: self._for_a_while(node, chaos_faults.stop_node, chaos_faults.continue_node),
                ),
                ("node left, another joined", 1, lambda: self._exchange(node)),
                ("node slow", 1, lambda: self._slow(node)),
            ]
            if node.place is not None:
                faults.append(
                    ("partition", 2, lambda: self._for_a_while(node, chaos_faults.partition, chaos_faults.heal))
                )
        name, _, strike = self._dice.choices(faults, [weight for _, weight, _ in faults])[0]
        generation = self._run.generation()
        hit = strike()
        self.done[name] += 1
        print(f"{monotonic():9.1f}  generation {generation:5}  {name}: {hit}", flush=True)

    def _for_a_while(self, node: Node, begin: Callable[[Node], object], over: Callable[[Node], object]) -> str:
        seconds = self._dice.choice([1.0, 3.0, 12.0])
        hit = begin(node)
        self._later.append((monotonic() + seconds, lambda: over(node)))
        return f"{hit}, for {seconds:g} s"

    def _slow(self, node: Node) -> str:
        stack = ExitStack()
        stack.enter_context(chaos_faults.slow_node(node))
        self._later.append((monotonic() + 5.0, stack.close))
        return node.name

    def _exchange(self, node: Node) -> str:
        hit = chaos_faults.node_leaves(self._cluster, node)
        self._begin(node.place)
        return hit

    def _kill_head(self) -> str:
        """Another head follows after a while, and new nodes: the old ones do not know it."""
        self._keep_promises(float("inf"))
        hit = chaos_faults.kill_head(self._cluster)
        sleep(self._dice.uniform(1, 5))
        places = [node.place for node in self._cluster.nodes]
        for node in list(self._cluster.nodes):
            self._cluster.forget(node)
        self._cluster.restart_head()
        for place in places:
            self._begin(place)
        return hit

    def _keep_promises(self, now: float) -> None:
        for entry in [entry for entry in self._later if entry[0] <= now]:
            self._later.remove(entry)
            entry[1]()

    def _is_settled(self, node: Node) -> bool:
        return monotonic() - self._born[node.name] > 10 and bool(node.part("raylet"))

    def _repair(self) -> None:
        """A node that is gone is started anew, at the same place."""
        for node in list(self._cluster.nodes):
            gone = node.process.poll() is not None or not node.part("raylet")
            if gone and monotonic() - self._born[node.name] > 10:
                self._cluster.forget(node)
                self._begin(node.place)

    def _begin(self, place: Any) -> None:
        node = self._cluster.begin(1, place=place)
        self._born[node.name] = monotonic()

    def _sample(self) -> None:
        try:
            self.memory.append(self._run.driver().memory_info().rss)
        except psutil.Error:
            return
        nodes = [self._cluster.head, *self._cluster.nodes]
        self.processes.append(len(self._run.processes()) + sum(len(node.processes()) for node in nodes))


def storm(seconds: float, every: float, seed: int, write: bool) -> int:
    """Random faults for so many seconds; 0 where the digest is the undisturbed run's and nothing is left."""
    dice = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="evo-chaos-"))
    marks = folder / "marks"
    marks.mkdir()
    parameters = {
        **EVALUATION,
        "faults": dict.fromkeys(["raises", "gives_nan", "exits", "segfaults", "sleeps", "loops"], 1e-4),
        "mark": str(marks),
    }
    with cluster_of_four() as (cluster, _), Run(
        folder, parameters, cluster,
        generations=1_000_000, seed=seed, options=["--supervise"],
        fault_tolerance={"evaluation_timeout": 2.0, "on_cluster_loss": "wait"},
    ) as run:  # fmt: skip
        run.wait_for_generation(3, 120)
        weather = Storm(cluster, run, dice, every)
        weather.rage(seconds)
        run.wait_for_generation(run.generation() + 3, 120)  # it goes on afterwards
        run.interrupt()
        code = run.code(60)
        assert code == 75, f"exit code {code}, expected 75: interrupted, saved\n{run.report()}"
        run.generations = json.loads((run.output / "result.json").read_text())["generations"] + 3
        run.resume("--generations", str(run.generations))  # to the end of a whole generation
        result = run.result(120)
        run.assert_nothing_left()
        wait_until(lambda: not cluster.workers(), 30, "no worker is left")
    wanted = run.reference()
    same = result["digest"] == wanted.digest
    happened = Counter(mark.name.rpartition("-")[0] for mark in marks.iterdir())
    account = [
        f"faults: {dict(weather.done)}; of evaluations: {dict(happened)}",
        f"generations {result['generations']}, retries {result['retries']}",
        f"driver's memory, MB: {_quartiles([m / 1e6 for m in weather.memory])}",
        f"processes of cluster and run: {_quartiles(weather.processes)}",
        f"quarantined {result['quarantined']}, expected 0",
        f"digest {result['digest']}, undisturbed {wanted.digest}: {'the same' if same else 'DIFFERENT'}",
    ]
    print("\n".join(account))
    if write:
        about = f"{seconds:g} s, a fault every {every:g} s. Memory and processes: the means of the run's quarters."
        command = f"random --seconds {seconds:g} --every {every:g} --seed {seed}"
        lines = [*_about(command), "", about, "", *(f"- {line}" for line in account)]
        update_section("storm", "A storm of faults", lines)
    return 0 if same and result["quarantined"] == 0 else 1


def _quartiles(values: Sequence[float]) -> str:
    """The mean of each quarter of a series, to see whether it grows."""
    size = max(1, len(values) // 4)
    return ", ".join(f"{statistics.mean(values[at : at + size]):.0f}" for at in range(0, len(values), size))


# One at a time, measured -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault. Times are in seconds."""

    name: str
    strike: Callable[[ChaosCluster, Run, random.Random], object]
    promise: str = ""
    victim: str = ""
    """A fault of one evaluation, once."""
    supervised: bool = False
    needs_network: bool = False
    replaces_node: bool = False


def _first(cluster: ChaosCluster) -> Node:
    return cluster.nodes[0]


TIMEOUT = 1.0
SCENARIOS = [
    Scenario("a worker killed (SIGKILL)", lambda c, r, d: chaos_faults.kill_worker(c, d), "< 2"),
    Scenario("a worker stopped (SIGSTOP)", lambda c, r, d: chaos_faults.stop_worker(c, d)),
    Scenario("every worker killed at once", lambda c, r, d: chaos_faults.kill_all_workers(c)),
    *(
        Scenario(
            f"an evaluation hangs once ({how})",
            lambda c, r, d: "by itself",
            f"< {TIMEOUT + 2:g} ({TIMEOUT:g} allowed)",
            fault,
        )
        for fault, how in (("sleeps", "time.sleep"), ("loops", "Python loop"), ("loops_in_a_kernel", "numba loop"))
    ),
    Scenario("a node killed", lambda c, r, d: chaos_faults.kill_node(_first(c)), "< 8", replaces_node=True),
    Scenario("a raylet killed", lambda c, r, d: chaos_faults.kill_raylet(_first(c)), "< 8", replaces_node=True),
    Scenario("a node stopped (SIGSTOP)", lambda c, r, d: chaos_faults.stop_node(_first(c)), "< 8", replaces_node=True),
    Scenario(
        "a node cut off from the network", lambda c, r, d: chaos_faults.partition(_first(c)), "< 10",
        needs_network=True, replaces_node=True,
    ),
    Scenario("the driver killed, supervised", lambda c, r, d: chaos_faults.kill_driver(r), supervised=True),
]  # fmt: skip


@dataclass(slots=True)
class Measured:
    """What one fault cost, seconds."""

    usual: float
    """The median generation before."""
    held_up: float
    """By how much the longest generation after it was longer."""
    missed: float | None
    """From the fault until the number of workers showed it; None: it never did."""
    restored: float | None
    """From the fault until as many workers were at work as before."""


def measure_one(
    scenario: Scenario, cluster: ChaosCluster, spare: NetworkPlace | None, dice: random.Random
) -> tuple[Measured, NetworkPlace | None]:
    """Run, hurt, let it end, compare with the undisturbed run; and the place that is spare then."""
    folder = Path(tempfile.mkdtemp(prefix="evo-chaos-"))
    seed, marks = dice.randrange(1000), folder / "marks"
    marks.mkdir()
    parameters: dict[str, Any] = {**EVALUATION, "mark": str(marks)}
    parameters["faults"] = {scenario.victim: victim_in(12, parameters, seed)} if scenario.victim else {}
    with Run(
        folder, parameters, cluster,
        generations=60 if scenario.replaces_node else 30,
        seed=seed,
        options=["--supervise"] if scenario.supervised else [],
        fault_tolerance={"evaluation_timeout": TIMEOUT} if scenario.victim else {},
    ) as run:  # fmt: skip
        run.wait_for_generation(6)
        sleep(dice.random() * 0.3)
        before = run.durations()
        usual = statistics.median(before.values())
        at = monotonic()
        scenario.strike(cluster, run, dice)
        if scenario.replaces_node:
            sleep(1.0)
            victim = cluster.nodes.pop(0)
            cluster.begin(1, place=spare)
        run.assert_undisturbed(120)
        if scenario.victim:
            (mark,) = marks.iterdir()  # made when the fault happened
            at = monotonic() - (time() - mark.stat().st_mtime)
        if scenario.replaces_node:
            victim.kill()
            if scenario.needs_network:
                chaos_faults.heal(victim)
            spare = victim.place
    durations = run.durations()
    ends = {event["generation"]: event["at"] for event in run.of("generation")}
    after = [seconds for generation, seconds in durations.items() if ends[generation] > at]
    workers = [(event["at"] - at, event["workers"]) for event in run.of("generation") if event["at"] > at]
    missed = next((when for when, count in workers if count < NODES), None)
    restored = None if missed is None else next((w for w, count in workers if w > missed and count >= NODES), None)
    return Measured(usual, max(after) - usual, missed, restored), spare


def measure(repeat: int, seed: int, only: str, write: bool) -> int:
    """Every scenario, several times; a table."""
    dice = random.Random(seed)
    rows = []
    with cluster_of_four() as (cluster, spare):
        for scenario in SCENARIOS:
            if only not in scenario.name:
                continue
            if scenario.needs_network and spare is None:
                rows.append([scenario.name, "-", "-", "-", scenario.promise])
                continue
            found = []
            for _ in range(repeat):
                measured, spare = measure_one(scenario, cluster, spare, dice)
                found.append(measured)
                print(f"{scenario.name}: {measured}; load {os.getloadavg()[0]:.0f}", flush=True)
            rows.append(
                [
                    scenario.name,
                    _spread([each.held_up for each in found]),
                    _spread([each.missed for each in found]),
                    _spread([each.restored for each in found]),
                    scenario.promise,
                ]
            )
    table = markdown_table(_HEADER, rows)
    print("\n".join(table))
    if write:
        update_section(
            "chaos", "Recovery from faults", [*_about(f"measure --repeat {repeat}"), "", _MEANING, "", *table]
        )
    return 0


_HEADER = ["fault", "held up, s", "noticed after, s", "all workers back after, s", "aim, s"]


def _spread(values: Sequence[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return "-"
    return f"{known[0]:.1f}" if len(known) == 1 else f"{statistics.median(known):.1f} (max {known[-1]:.1f})"


def _about(command: str) -> list[str]:
    return [
        f"`python benchmarks/chaos.py {command} --write`, {today()}; {cpu_model()}; "
        f"{versions('ray', 'numpy')}; evo {evo_version()}; load of the machine {os.getloadavg()[2]:.0f}.",
        "",
        f"Four nodes of one core on one machine, tuned health settings (docs/faults.md), {POPULATION} evaluations of "
        f"{EVALUATION['seconds'] * 1000:.0f} ms a generation.",
    ]


_MEANING = (
    "*Held up*: by how much the longest generation after the fault took longer than the median one before it. "
    "*Noticed*: when fewer workers were counted. *Back*: when as many as before were at work; for a node that includes "
    "the start of another one, begun a second after the fault. A hang counts from the moment when the evaluation began "
    "to hang. Every run ended with the digest of the undisturbed one."
)


# What it costs when nothing happens --------------------------------------------------------------------------------


def overhead() -> int:
    """Seconds in the fault-tolerance code over seconds of the loop, in an undisturbed run with two workers."""
    from evo.distributed.fault_tolerance import FaultToleranceManager

    spent = [0.0, 0]

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if spent[1]:
                return method(*arguments, **options)
            spent[1] = 1
            began = perf_counter()
            try:
                return method(*arguments, **options)
            finally:
                spent[0] += perf_counter() - began
                spent[1] = 0

        return call

    for name, method in list(vars(FaultToleranceManager).items()):
        if callable(method) and not name.startswith("__"):
            setattr(FaultToleranceManager, name, timed(method))
    result = evo.minimize(
        Sleepy(0.02), optimizer={"type": "ga", "population": POPULATION}, stop=evo.Stop(generations=100), seed=1,
        workers=2, wait_for_workers=True, fault_tolerance=dict(FAULT_TOLERANCE),
    )  # fmt: skip
    share = 100 * spent[0] / result.seconds
    print(f"{spent[0]:.3f} s of {result.seconds:.1f} s in the fault-tolerance manager: {share:.2f} % (aim: < 1 %)")
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("random", help="random faults for as long as asked")
    command.add_argument("--seconds", type=float, default=600)
    command.add_argument("--every", type=float, default=5, help="mean seconds between faults")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--write", action="store_true", help="keep the account in RESULTS.md")
    command = commands.add_parser("measure", help="each fault alone: how long until all is as before")
    command.add_argument("--repeat", type=int, default=3)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--only", default="", help="scenarios whose name contains this")
    command.add_argument("--write", action="store_true", help="keep the table in RESULTS.md")
    commands.add_parser("overhead", help="what fault tolerance costs when nothing happens")
    given = parser.parse_args()
    if given.command == "measure" and given.write and given.only:
        parser.error("--write keeps a whole table: not with --only")
    if given.command == "random":
        return storm(given.seconds, given.every, given.seed, given.write)
    if given.command == "measure":
        return measure(given.repeat, given.seed, given.only, given.write)
    return overhead()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())

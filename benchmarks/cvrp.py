"""evo beside other CVRP solvers: same instances, seeds, seconds; in turn; every solution checked.

    python benchmarks/cvrp.py --seconds 10 --seeds 1,2,3
    python benchmarks/cvrp.py --instances X/ --seconds 60 --seconds-small 30 --peer 'FILO2=filo2 {instance} …'
    python benchmarks/cvrp.py … --report --plot docs/cvrp.png

Measurements are appended to a file as they are made, and what that holds already is not measured again: a long table is
made in parts, by the same command. `--report` measures nothing; it writes the table of what its other options name to
RESULTS.md. evo runs as `evo run` on one core (``--workers 0``), or with Ray workers on a core each; every peer is
single-threaded and gets one core for the same wall time, whatever evo has.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import signal
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from instances import BenchmarkInstance, find_instances
from plan import SMALL, Plan, parse_column
from records import Cell, Record, RecordFile, thinned
from report import Comparison
from results_file import cpu_model
from solvers import RunError, Solver, find_solver

from evo.errors import EvoError
from evo.problems.cvrp.checker import check_file

FOLDER = Path("runs/benchmark-cvrp")


def main() -> int:
    """Measure what is missing, or report what there is."""
    options = _arguments()
    records = RecordFile(options.results)
    found = find_instances(options.instances, FOLDER / "instances")
    columns = [parse_column(label, options.cores) for label in options.solvers]
    solvers = {column.solver: find_solver(column.solver, options.peer) for column in columns}
    plan = Plan(columns, found, options.seeds, options.seconds, options.seconds_small)
    if options.report or options.plot:
        comparison = Comparison(records, plan, options.name or plan.title)
        if options.report:
            comparison.write(_command())
        if options.plot:
            comparison.plot(options.plot)
        return 0
    cells = plan.cells()
    missing = [cell for cell in cells if not _done(records.get(cell), solvers[cell.solver], options)]
    print(f"{len(cells)} measurements, {len(cells) - len(missing)} done; {options.results}", flush=True)
    by_name = {instance.name: instance for instance in found}
    for name in dict.fromkeys(cell.solver for cell in missing):
        solvers[name].warm_up(found[0].path)
    return measure_all(missing, solvers, by_name, records, options.side_by_side)


def _done(record: Record | None, solver: Solver, options: argparse.Namespace) -> bool:
    """Whether a measurement need not be made (again)."""
    if record is None or (record.solver in options.redo and record.version != solver.version):
        return False
    return not (options.redo_disturbed and record.disturbed)


def measure_all(
    cells: list[Cell],
    solvers: dict[str, Solver],
    instances: dict[str, BenchmarkInstance],
    records: RecordFile,
    side_by_side: int,
) -> int:
    """Measure the cells, so many at a time, each on cores of its own; return the exit code: 1 where one failed."""
    usable = sorted(os.sched_getaffinity(0))
    each = max([1, *(cell.workers for cell in cells)])
    if side_by_side * each > len(usable):
        raise SystemExit(f"{side_by_side} x {each} cores are asked for, {len(usable)} may be used")
    free: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    for k in range(side_by_side):
        free.put(usable[k * each : (k + 1) * each])
    failed: list[Cell] = []
    stop = threading.Event()

    def measure_one(number: int, cell: Cell) -> None:
        if stop.is_set():
            return
        cores = free.get()
        solver = cell.solver + (f"@{cell.workers}" if cell.workers else "")
        start = f"[{number}/{len(cells)}] {solver:<12} {cell.instance:<18} seed {cell.seed}  {cell.seconds:g} s  "
        try:
            record = measure(cell, solvers[cell.solver], instances[cell.instance], cores, side_by_side)
            records.append(record)
            print(start + _told(record), flush=True)
        except (RunError, EvoError) as error:
            failed.append(cell)
            print(f"{start}FAILED: {error}", flush=True)
        finally:
            free.put(cores)

    with ThreadPoolExecutor(side_by_side) as pool:
        futures = [pool.submit(measure_one, number, cell) for number, cell in enumerate(cells, 1)]
        try:
            for future in futures:
                future.result()
        except BaseException:  # Ctrl-C: what is under way is finished, nothing else is begun
            stop.set()
            raise
    return 1 if failed else 0


def measure(cell: Cell, solver: Solver, instance: BenchmarkInstance, cores: list[int], side_by_side: int) -> Record:
    """Run a solver once, and check what it found.

    Raises
    ------
    RunError
        It failed.
    SolutionError
        Its solution is wrong.
    """
    load = os.getloadavg()[0]
    run = solver.run(instance.path, cell.seed, cell.seconds, cell.workers, cores)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / f"{cell.solver.replace(':', '-')}.sol"
        file.write_text(run.solution)
        cost = check_file(instance.path, file)
    return Record(
        solver=cell.solver,
        instance=cell.instance,
        seed=cell.seed,
        budget=cell.seconds,
        workers=cell.workers,
        customers=instance.customers,
        cost=cost,
        seconds=run.seconds,
        wall=round(run.wall, 3),
        cpu=round(run.cpu, 3),
        curve=thinned(run.curve),
        best_known=instance.best_known,
        version=solver.version,
        machine=cpu_model(),
        date=datetime.now().isoformat(timespec="seconds"),
        side_by_side=side_by_side,
        load=load,
        more=run.more,
    )


def _told(record: Record) -> str:
    gap = "" if record.best_known is None else f"  gap {100 * (record.cost / record.best_known - 1):.3f} %"
    own = "" if record.seconds is None else f"{record.seconds:.1f} s, "
    disturbed = ", disturbed" if record.disturbed else ""
    return f"{record.cost:.0f}{gap}  ({own}{record.wall:.1f} s in all, {record.cpu:.1f} s CPU{disturbed})"


def _command() -> str:
    """This command, without what is true of this machine alone: folders, and the peers' commands."""
    words = []
    for word in sys.argv[1:]:
        if "=" in word and "{instance}" in word:
            word = word.partition("=")[0] + "=…"
        words.append(f"…/{Path(word).name}" if os.path.isabs(word) else word)
    return " ".join(["python benchmarks/cvrp.py", *words])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def words(text: str) -> list[str]:
        return [word for word in text.split(",") if word]

    def numbers(text: str) -> list[int]:
        return [int(word) for word in words(text)]

    def peer(text: str) -> tuple[str, str]:
        name, equals, command = text.partition("=")
        if not (equals and name and "{instance}" in command and "{output}" in command):
            raise argparse.ArgumentTypeError(f"expected NAME=COMMAND with {{instance}} and {{output}}, found {text}")
        return name, command

    add = parser.add_argument
    add(
        "--solvers",
        type=words,
        metavar="A,B",
        help="default: evo:hgs,pyvrp,hygese and every --peer; evo:hgs@2 has 2 cores, evo:hgs@2x0.5 for half the time",
    )
    add("--peer", type=peer, action="append", default=[], metavar="NAME=COMMAND",
        help="another solver, single-threaded; its command holds {instance} {seed} {seconds} {output}")  # fmt: skip
    add("--instances", nargs="+", type=Path, metavar="PATH", help=".vrp files, or folders of them; default: generated")
    add("--seconds", type=float, default=10.0, help="default: %(default)s")
    add("--seconds-small", type=float, help=f"below {SMALL} customers; default: as --seconds")
    add("--seeds", type=numbers, default=[1], metavar="1,2,3", help="default: 1")
    add("--cores", type=int, default=1, help="of evo, where --solvers does not say; 1: one process; n: n Ray workers")
    add("--side-by-side", type=int, default=1, metavar="N", help="so many measurements at the same time, on own cores")
    add("--results", type=Path, default=FOLDER / "results.jsonl", help="default: %(default)s")
    add("--redo", type=words, default=[], metavar="A,B", help="measure again what another version of these measured")
    add("--redo-disturbed", action="store_true", help="measure again what other processes disturbed")
    add("--report", action="store_true", help="write the table to RESULTS.md; measure nothing")
    add("--plot", type=Path, metavar="FILE", help="draw gap against time; measure nothing")
    add("--name", help="the report's title; default: made of cores and seconds")
    options = parser.parse_args()
    options.peer = dict(options.peer)
    options.solvers = options.solvers or ["evo:hgs", "pyvrp", "hygese", *options.peer]
    options.seconds_small = options.seconds_small or options.seconds
    return options


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)

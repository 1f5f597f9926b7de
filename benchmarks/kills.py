"""Kill the quickstart at random moments and resume it until it is done: python benchmarks/kills.py [RUNS] [SEED]

Every run is killed with SIGKILL once, twice or three times, at moments spread over its start, its loop and its saves
(one after every generation), and resumed. Every other kill waits, from its random moment on, until a checkpoint is
being written. In the end each run must have the digest of one that was left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from results_file import cpu_model, evo_version, today, update_section, versions

EXAMPLE = Path(__file__).parents[1] / "examples" / "cvrp" / "delivery.yaml"
GENERATIONS = 15
MOST_KILLS = 3
EVO = [sys.executable, "-c", "from evo.cli import main; main()"]


def main(runs: int, seed: int) -> int:
    """Print and write what came of it; 1 where a digest differs."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = EXAMPLE.read_text().replace("generated-n201.vrp", str(EXAMPLE.parent / "generated-n201.vrp"))
        problem = folder / "problem.yaml"
        problem.write_text(text + "workers: 0\ncheckpoint: {interval: 1, seconds: 0.05, keep: 2}\n")
        command = ["run", str(problem), "--generations", str(GENERATIONS)]
        finish([*command, "--output", str(folder / "warm")])
        began = time.monotonic()
        finish([*command, "--output", str(folder / "whole")])
        length = time.monotonic() - began
        expected = digest_of(folder / "whole")
        moments: Counter[str] = Counter()
        equal = 0
        for number in range(1, runs + 1):
            run = folder / f"run-{number}"
            here, length = kill_and_resume(run, command, dice, length)
            moments += here
            equal += digest_of(run) == expected
            print(f"{number} runs, {moments.total()} kills, {equal} runs equal", flush=True)
            shutil.rmtree(run)
    lines = [
        f"`python benchmarks/kills.py {runs} {seed}`, {today()}, {cpu_model()}, shared with other work; evo "
        f"{evo_version()}, {versions('numpy', 'numba')}.",
        "",
        f"The quickstart (200 customers, {GENERATIONS} generations, a save after each), {runs} runs, each killed with "
        f"SIGKILL at least once at random moments ({moments.total()} kills: "
        f"{', '.join(f'{count} {what}' for what, count in moments.items())}), and resumed until done: **{equal} of "
        f"{runs} digests equal** that of the run left alone.",
    ]
    print("\n".join(lines))
    update_section("checkpoints: kills", "Checkpoints: killed and resumed", lines)
    return 0 if equal == runs else 1


def kill_and_resume(run: Path, command: list[str], dice: random.Random, length: float) -> tuple[Counter[str], float]:
    """Bring one run to its end, with at least one kill on the way.

    Returns how many there were, by their moment, and how many seconds a run took that got away, if one did: other work
    on the machine changes that.
    """
    moments: Counter[str] = Counter()
    wanted = dice.randint(1, MOST_KILLS)
    while moments.total() < wanted:
        in_save, began = dice.random() < 0.5, time.monotonic()
        moment = killed(run, command, dice.uniform(0.0, length), in_save)
        if moment is not None:
            moments[moment] += 1
        elif moments:
            return moments, length
        else:  # the run got away: what it did does not count
            length = time.monotonic() - began
            shutil.rmtree(run)
    finish(next_command(run, command))
    return moments, length


def next_command(run: Path, command: list[str]) -> list[str]:
    """Resume where there is something to resume, else start again."""
    if is_saved(run):
        return ["resume", str(run)]
    return [*command, "--output", str(run), "--overwrite"]


def killed(run: Path, command: list[str], after: float, in_save: bool) -> str | None:
    """Go on with the run, and kill it after some seconds, or at the first save from then on.

    Returns when that was, None where the run had ended by then.
    """
    before = under_way(run)
    process = subprocess.Popen(
        [*EVO, *next_command(run, command), "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    while in_save and process.poll() is None and not under_way(run) - before:
        time.sleep(0.0002)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    if process.wait() == 0:
        return None
    if process.returncode != -signal.SIGKILL:
        raise SystemExit(f"{run}: exit code {process.returncode}")
    if under_way(run) - before:
        return "within a save"
    return "between saves" if is_saved(run) else "before the first save"


def under_way(run: Path) -> set[str]:
    """The names of the checkpoints that are being written, or were when their writer was killed."""
    try:
        return {name for name in os.listdir(run / "checkpoints") if name.endswith(".tmp")}
    except FileNotFoundError:
        return set()


def is_saved(run: Path) -> bool:
    """Whether there is something to resume."""
    return any((run / "checkpoints").glob("gen-*.msgpack"))


def finish(arguments: list[str]) -> None:
    """Run a command to its end."""
    done = subprocess.run([*EVO, *arguments, "--quiet"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"evo {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")


def digest_of(run: Path) -> str:
    """The digest in a run's result."""
    return str(json.loads((run / "result.json").read_text())["digest"])


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(numbers + [10, 1][len(numbers) :])))

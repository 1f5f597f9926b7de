"""Kill the quickstart at random moments and resume it until it is done: python benchmarks/kills.py [KILLS] [SEED]

Every run is killed with SIGKILL a few times, at moments spread over its start, its loop and its saves (it saves after
every generation), and resumed. In the end each must have the digest of a run that was left alone.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results_file import cpu_model, evo_version, today, update_section, versions

EXAMPLE = Path(__file__).parents[1] / "examples" / "cvrp" / "delivery.yaml"
GENERATIONS = 15
KILLS_PER_RUN = 5
EVO = [sys.executable, "-c", "from evo.cli import main; main()"]


def main(kills: int, seed: int) -> int:
    """Print and write what came of it; 1 where a digest differs."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = EXAMPLE.read_text().replace("generated-n201.vrp", str(EXAMPLE.parent / "generated-n201.vrp"))
        problem = folder / "problem.yaml"
        problem.write_text(text + "workers: 0\ncheckpoint: {interval: 1, seconds: 0.05, keep: 2}\n")
        command = ["run", str(problem), "--generations", str(GENERATIONS)]
        began = time.monotonic()
        finish([*command, "--output", str(folder / "whole")])
        length = time.monotonic() - began
        expected = digest_of(folder / "whole")
        done = runs = equal = 0
        moments = {"before the first save": 0, "in the run": 0}
        while done < kills:
            runs += 1
            run = folder / f"run-{runs}"
            here = 0
            while here < min(KILLS_PER_RUN, kills - done):
                if killed(run, command, dice.uniform(0.0, length)):
                    here += 1
                    moments["in the run" if (run / "checkpoints").is_dir() else "before the first save"] += 1
                elif is_done(run):
                    break
            done += here
            finish(next_command(run, command))
            equal += digest_of(run) == expected
            print(f"{done} kills, {equal} of {runs} runs equal", flush=True)
    lines = [
        f"`python benchmarks/kills.py {kills} {seed}`, {today()}, {cpu_model()}, shared with other work; evo "
        f"{evo_version()}, {versions('numpy', 'numba')}.",
        "",
        f"The quickstart (200 customers, {GENERATIONS} generations, a save after each), killed with SIGKILL {done} "
        f"times at random moments ({', '.join(f'{count} {what}' for what, count in moments.items())}) in {runs} runs, "
        f"and resumed: **{equal} of {runs} digests equal** that of the run left alone.",
    ]
    print("\n".join(lines))
    update_section("checkpoints: kills", "Checkpoints: killed and resumed", lines)
    return 0 if equal == runs else 1


def is_done(run: Path) -> bool:
    """Whether the run has reached its end."""
    result = run / "result.json"
    return result.exists() and json.loads(result.read_text())["generations"] >= GENERATIONS


def next_command(run: Path, command: list[str]) -> list[str]:
    """Resume where there is something to resume, else start again."""
    if any((run / "checkpoints").glob("gen-*.msgpack")):
        return ["resume", str(run)]
    return [*command, "--output", str(run), "--overwrite"]


def killed(run: Path, command: list[str], after: float) -> bool:
    """Go on with the run, and kill it after some seconds; False where it had ended by then."""
    process = subprocess.Popen(
        [*EVO, *next_command(run, command), "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


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

"""`evo warmup`: compile all kernels ahead, so that the first run, or a container made from an image, does not wait."""

from __future__ import annotations

import os
import time

import click

from . import options


@click.command("warmup")
@click.option(
    "--processes", type=click.IntRange(min=1), help="How many compile at the same time; default: one per core."
)
@options.debug
def command(processes: int | None) -> int:
    """Compile the kernels of all built-in problems and keep the machine code; what is there already takes a second.

    It is kept below NUMBA_CACHE_DIR, else XDG_CACHE_HOME, else ~/.cache: for an image, run it as the image's user.

    \b
    Examples:
      evo warmup
      NUMBA_CACHE_DIR=/opt/kernels evo warmup
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    from evo.problems.cvrp import ahead

    began = time.monotonic()
    # Not by fork: the compiler's state is not made for it. At most a core each.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes or os.cpu_count() or 1, len(ahead.WORKS)), context) as pool:
        works = {pool.submit(ahead.compile_work, name): name for name in ahead.WORKS}
        for done, work in enumerate(as_completed(works), 1):
            work.result()
            click.echo(f"[{done}/{len(works)}] {works[work]}  {time.monotonic() - began:.0f} s")
    return 0

"""When a batch system will end the job: from SLURM's environment, or from the limit that the settings give."""

from __future__ import annotations

import os
from collections.abc import Mapping

from evo.errors import SettingsError
from evo.settings import CheckpointSettings

SLURM_END = "SLURM_JOB_END_TIME"
"""When the job will be ended, Unix time in seconds: set by SLURM for every job."""
JOB_START = "EVO_JOB_START"
"""When the job began, Unix time in seconds, where that is not this process's start: set by `--supervise`."""


def stop_time(plan: CheckpointSettings, environment: Mapping[str, str] = os.environ) -> float | None:
    """Unix time, in seconds, at which a run in this process must save and stop; None: no limit is known.

    Raises
    ------
    SettingsError
        The limit given is shorter than the time kept for saving.
    """
    ends = []
    slurm = environment.get(SLURM_END, "")
    if slurm.isdecimal():
        ends.append(float(slurm))
    if plan.walltime is not None:
        if plan.walltime <= plan.stop_before_walltime:
            raise SettingsError(
                f"checkpoint.walltime: expected more than stop_before_walltime, {plan.stop_before_walltime:g} s, "
                f"found {plan.walltime:g} s"
            )
        ends.append(float(environment.get(JOB_START) or process_start()) + plan.walltime)
    return min(ends) - plan.stop_before_walltime if ends else None


def process_start() -> float:
    """When this process was started, Unix time in seconds."""
    import psutil

    return float(psutil.Process().create_time())

"""The errors that evo raises on purpose: one family, so that a caller can catch `EvoError` and nothing else."""

from __future__ import annotations


class EvoError(Exception):
    """Base of every error that evo raises on purpose; its text is written for the user, in one line."""


class UsageError(EvoError):
    """A mistake in a call, a setting or a file: the user can mend it (exit code 2 on the command line)."""


class SettingsError(UsageError):
    """A wrong setting; the text names the field's path, what was expected and what was found."""


class InstanceError(UsageError):
    """An instance file that cannot be used; the text names the file, the line where known, and the field."""


class ProblemError(UsageError):
    """A problem that cannot be imported, built or used as a `Problem`."""


class CheckpointError(UsageError):
    """A checkpoint that cannot be read or written, or that does not fit what it is used for."""


class RunFailedError(EvoError):
    """A run that cannot go on (exit code 1): every evaluation fails, the cluster is lost, the disk is full."""


class ExecutorError(RunFailedError):
    """Evaluations can no longer be carried out anywhere; what was committed before is intact."""


class SolutionError(EvoError):
    """The independent checker refuses a solution: a defect of evo, never a user's mistake."""

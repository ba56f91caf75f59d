"""Errors for the user; commands print each as one line and exit with its code."""


class RumiError(Exception):
    """Base class of errors whose message is written for the user."""

    exit_code = 1


class InvalidInput(RumiError, ValueError):
    """A flag, or the file or data it names, cannot be used.

    Args:
        flag: name of the flag without dashes.
        problem: what is wrong and how to fix it; line breaks become spaces.
    """

    exit_code = 2

    def __init__(self, flag: str, problem: str):
        self.flag = flag
        self.problem = problem
        super().__init__(" ".join(f"--{flag}: {problem}".split()))


class NoSuchPart(InvalidInput):
    """A data set has no predefined training or test part."""


class RunBusy(RumiError):
    """Another process is working in the same run directory."""

    exit_code = 3


class RunDamaged(RumiError):
    """Files of a run are damaged, missing, or belong to a run with other settings or images."""

    exit_code = 4


class TrainingDiverged(RumiError):
    """A loss or a weight became NaN or infinite."""

    exit_code = 5


class WorkerLost(RumiError):
    """Another worker of the same run has ended."""

    exit_code = 6


class OutOfMemory(RumiError):
    """Memory of the device or the host ran out."""

    exit_code = 7

"""Errors that a user can act on; commands turn each into one line and an exit code."""


class RumiError(Exception):
    """Base of the errors whose message is written for the user."""

    exit_code = 1


class InvalidInput(RumiError):
    """A flag, or what it points to, is not usable.

    Args:
        flag: name of the flag without dashes.
        problem: what is wrong and what would be right, as one line.
    """

    exit_code = 2

    def __init__(self, flag: str, problem: str):
        self.flag = flag
        self.problem = problem
        super().__init__(" ".join(f"--{flag}: {problem}".split()))


class NoSuchPart(InvalidInput):
    """A data set has no training or test part of its own."""


class RunBusy(RumiError):
    """Another process is working on the same run directory."""

    exit_code = 3


class RunDamaged(RumiError):
    """What a run left on disk cannot be used, or does not belong to what was asked for."""

    exit_code = 4


class WorkerLost(RumiError):
    """Another process of the same run has ended."""

    exit_code = 6


class OutOfMemory(RumiError):
    """The device has too little memory for the settings."""

    exit_code = 7


class TrainingDiverged(RumiError):
    """A loss or a weight became NaN or infinite."""

    exit_code = 5

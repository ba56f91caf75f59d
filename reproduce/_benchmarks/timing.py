"""Timing of two functions in alternation, so that other load on the machine affects both."""

import dataclasses
import statistics
import time
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A line of a benchmark.

    Attributes:
        what: the task.
        ours, other: names of the two methods.
        ours_seconds, other_seconds: median times.
        limit: target of the ratio, as text.
        agreement: difference of the results, as text.
    """

    what: str
    ours: str
    other: str
    ours_seconds: float
    other_seconds: float
    limit: str
    agreement: str = ""

    @property
    def ratio(self) -> float:
        """Our time divided by the other."""
        return self.ours_seconds / self.other_seconds

    def row(self) -> dict[str, str | float]:
        """The line as a row of a table."""
        return {
            "what": self.what,
            "ours": self.ours,
            "other": self.other,
            "ours_seconds": round(self.ours_seconds, 3),
            "other_seconds": round(self.other_seconds, 3),
            "ratio": round(self.ratio, 3),
            "limit": self.limit,
            "agreement": self.agreement,
        }


def medians(ours: Callable, other: Callable, repetitions: int) -> tuple[tuple, tuple]:
    """(median seconds, last result) of both functions, called in alternation."""
    seconds: tuple[list[float], list[float]] = ([], [])
    results = [None, None]
    for _ in range(repetitions):
        for k, function in enumerate((ours, other)):
            start = time.perf_counter()
            results[k] = function()
            seconds[k].append(time.perf_counter() - start)
    return (statistics.median(seconds[0]), results[0]), (statistics.median(seconds[1]), results[1])

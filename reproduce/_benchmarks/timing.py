"""Times of two ways to do the same, taken in turn, so that what else the machine does hits both."""

import dataclasses
import statistics
import time
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One line of a benchmark.

    Attributes:
        what: what was done.
        ours, other: names of the two ways.
        ours_seconds, other_seconds: the medians of the repetitions.
        limit: what the ratio should be, in words.
        agreement: how far the results are apart, in words.
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
        """Our time over the other."""
        return self.ours_seconds / self.other_seconds

    def row(self) -> dict[str, str | float]:
        """The line of the table."""
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
    """(median of the seconds, result) of both ways, taken in turn so many times."""
    ways = {"ours": ours, "other": other}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(repetitions):
        for name, function in ways.items():
            began = time.perf_counter()
            results[name] = function()
            seconds[name].append(time.perf_counter() - began)
    ours_found, other_found = ((statistics.median(seconds[name]), results[name]) for name in ways)
    return ours_found, other_found

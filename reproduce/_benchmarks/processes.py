"""Every topic as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator, Sequence


def failures(topics: Sequence[str], given: Sequence[str]) -> Iterator[str]:
    """Measures the topics one after the other; yields a line for each that failed.

    What one topic leaves in memory, or in threads, does not slow the next.

    Args:
        topics: of `reproduce.benchmark`.
        given: flags for all of them.
    """
    for topic in topics:
        print(f"--- {topic}", flush=True)
        words = [sys.executable, "-m", "reproduce.benchmark", topic, *given]
        code = subprocess.run(words, stdin=subprocess.DEVNULL).returncode
        if code:
            yield f"{topic} failed (exit code {code})"

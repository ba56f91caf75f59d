"""Runs each benchmark topic in its own process."""

import subprocess
import sys
from collections.abc import Iterator, Sequence


def failures(topics: Sequence[str], given: Sequence[str]) -> Iterator[str]:
    """Runs the topics in sequence; yields a line for each that failed.

    Separate processes, so that memory and threads of a topic do not slow the next.

    Args:
        topics: topics of `reproduce.benchmark`.
        given: flags for all topics.
    """
    for topic in topics:
        print(f"--- {topic}", flush=True)
        words = [sys.executable, "-m", "reproduce.benchmark", topic, *given]
        code = subprocess.run(words, stdin=subprocess.DEVNULL).returncode
        if code:
            yield f"{topic} failed (exit code {code})"

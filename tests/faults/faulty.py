"""Runs a command while something goes wrong.

Usage: python -m tests.faults.faulty FAULT MODULE ARGUMENT... ; FAULT is a JSON object with

    place      working directory of the command
    kill_at    kills it before its n-th change of a file in `place`, counted from 1
    kill_after kills it after so many seconds
    count      file to which the number of changes and the seconds are written, as JSON
    limit      bytes that a file may grow to
    years      by how many its clock is wrong

A kill is SIGKILL to the command and all that it has started.
"""

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time

from tests import forks

UPDATES = (4, 4)  # of a classifier; how well it knows the images is of no matter here


def main() -> None:
    """Ends as the command ends; 128 + the signal if it was killed."""
    fault, (module, *arguments) = json.loads(sys.argv[1]), sys.argv[2:]
    child = os.fork()
    if not child:
        os._exit(_command(fault, module, arguments))
    ended, _, _ = select.select([os.pidfd_open(child)], [], [], fault.get("kill_after", 3600))
    if not ended:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.stdout.flush()
    os._exit(code if code >= 0 else 128 - code)


def _command(fault: dict, module: str, arguments: list[str]) -> int:
    os.setsid()
    signal.alarm(1200)  # should the tests themselves be killed
    os.chdir(fault["place"])
    began, changes = time.monotonic(), _watch(fault["place"], fault.get("kill_at"))
    if "limit" in fault:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault["limit"],) * 2)
    if "years" in fault:
        _set_clock(fault["years"])
    from rumi_tf.evaluation.embeddings import classifier

    classifier.UPDATES = UPDATES
    code = forks.run(module, arguments)
    if "count" in fault:
        with open(fault["count"], "w") as file:
            seconds = time.monotonic() - began
            json.dump({"changes": changes[0], "seconds": seconds}, file)
    return code


def _watch(place: str, kill_at: int | None) -> list[int]:
    """Counts the changes of files in `place` that Python makes, in a list of one number."""
    count, place = [0], os.path.realpath(place)

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, _, flags = arguments
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"):
            path = arguments[0]
        else:
            return
        if isinstance(path, int) or not os.path.realpath(path).startswith(place):
            return
        count[0] += 1
        if count[0] == kill_at:
            os.killpg(0, signal.SIGKILL)

    sys.addaudithook(hook)
    return count


def _set_clock(years: float) -> None:
    real, local = time.time, time.localtime

    def now() -> float:
        return real() + years * 365.25 * 86400

    time.time = now
    time.localtime = lambda seconds=None: local(now() if seconds is None else seconds)


if __name__ == "__main__":
    main()

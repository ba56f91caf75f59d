"""Runs a command with a fault.

Usage: python -m tests.faults.faulty FAULT MODULE ARGUMENT... ; FAULT is a JSON object with

    directory  working directory of the command
    kill_at    kills it before its n-th change of a file in `directory`, counted from 1
    kill_after kills it after this many seconds
    count      writes the number of changes and the seconds to this file, as JSON
    limit      maximum size of a file in bytes

A kill is SIGKILL to the command and all its child processes.
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

UPDATES = (4, 4)  # of the classifier, whose accuracy does not matter here


def main() -> None:
    """Exits with the command's exit code, or 128 + the signal if it was killed."""
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
    signal.alarm(1200)  # in case the tests are killed
    os.chdir(fault["directory"])
    start, changes = time.monotonic(), _watch(fault["directory"], fault.get("kill_at"))
    if "limit" in fault:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault["limit"],) * 2)
    from rumi_tf.evaluation.embeddings import classifier

    classifier.UPDATES = UPDATES
    code = forks.run(module, arguments)
    if "count" in fault:
        with open(fault["count"], "w") as file:
            seconds = time.monotonic() - start
            json.dump({"changes": changes[0], "seconds": seconds}, file)
    return code


def _watch(directory: str, kill_at: int | None) -> list[int]:
    """Counts the changes of files in `directory` by Python, in a list of one number."""
    count, directory = [0], os.path.realpath(directory)

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, _, flags = arguments
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"):
            path = arguments[0]
        else:
            return
        if isinstance(path, int) or not os.path.realpath(path).startswith(directory):
            return
        count[0] += 1
        if count[0] == kill_at:
            os.killpg(0, signal.SIGKILL)

    sys.addaudithook(hook)
    return count


if __name__ == "__main__":
    main()

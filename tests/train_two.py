"""Trains a run in two worker processes on this machine, one of which may be killed.

Usage: python -m tests.train_two RUN.json [ITERATION]

The second process is killed by SIGKILL after this iteration. Prints the two exit codes as JSON,
negative for a signal. Must not be imported after TensorFlow has computed anything.
"""

import json
import os
import signal
import socket
import sys

from tests import forks


def places() -> list[str]:
    """TF_CONFIG of each worker."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    names = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [
        json.dumps({"cluster": {"worker": names}, "task": {"type": "worker", "index": k}})
        for k in range(2)
    ]


def kill_after(iteration: int) -> None:
    """Kills this process after an iteration of a new run, before its callbacks."""
    from rumi_tf.training.callbacks import Callbacks

    act = Callbacks.on_train_batch_end

    def kill(self, batch, logs=None):
        if batch + 1 == iteration:
            os.kill(os.getpid(), signal.SIGKILL)
        act(self, batch, logs)

    Callbacks.on_train_batch_end = kill


def main() -> None:
    """Starts both processes and waits for them."""
    run, *iteration = sys.argv[1:]
    children = []
    for number, place in enumerate(places()):
        child = os.fork()
        if not child:
            os.environ["TF_CONFIG"] = place
            if number and iteration:
                kill_after(int(*iteration))
            os._exit(forks.run("tests.train_on", ["1", run]))
        children.append(child)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))


if __name__ == "__main__":
    main()

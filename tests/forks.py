"""Runs commands in forks of a process that has already imported TensorFlow.

The import takes most of the time of a command that rejects its flags.

Reads one JSON line [[module, argument, ...], directory, environment] per command from stdin, and
writes [exit code, stdout, stderr] as a JSON line to stdout.
"""

import json
import os
import runpy
import sys
import tempfile
import traceback


def forked(words: list[str], cwd: str, environment: dict[str, str]) -> tuple[int, str, str]:
    """Exit code and output of `python -m words...` in a directory, with additional variables."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.chdir(cwd)
            os.environ.update(environment)
            os._exit(_command(words[0], words[1:], out.fileno(), err.fileno()))
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return os.waitstatus_to_exitcode(status), *texts


def _command(module: str, arguments: list[str], out: int, err: int) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    return run(module, arguments)


def run(module: str, arguments: list[str]) -> int:
    """Exit code of `python -m module arguments...`, run in this process, which should then end."""
    sys.argv = [module, *arguments]
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def main() -> None:
    """Runs commands until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    # Import, but compute nothing: TensorFlow's threads do not survive a fork.
    import tensorflow_datasets  # noqa: F401

    from rumi_tf import plotting  # noqa: F401
    from tests import accepting

    accepting.load()
    for line in sys.stdin:
        answers.write(json.dumps(forked(*json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

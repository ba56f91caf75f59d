"""Runs the tests on every supported Python; the oldest uses the requirements' lower bounds.

`make test-matrix` runs all cells. A Python that is not installed is reported as skipped.
"""

import nox

nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False


@nox.session
@nox.parametrize(
    "python, resolution",
    [("3.10", "lowest-direct"), ("3.11", "highest"), ("3.12", "highest"), ("3.13", "highest")],
)
def tests(session: nox.Session, resolution: str) -> None:
    """Runs the tests that are neither slow nor exhaustive, or those given after `--`."""
    session.install(f"--resolution={resolution}", "--editable=.[dev]")
    selection = session.posargs or ["-m", "not exhaustive and not slow"]
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadfile", *selection)

"""Who may write: a claim that its holder keeps young, so that a dead holder's claim expires.

A claim is a file, made at once or not at all, that names its holder and is touched by it every
`LEASE` / 3 seconds. A holder on the same machine that has ended is seen at once. One on another
machine counts as ended when its claim has not changed for `LEASE` seconds, measured on the clock
of who waits for it. So claims work on any file system that machines share, whatever it knows of
locks, and no claim outlives its holder for long.
"""

import _thread
import contextlib
import glob
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from rumi_tf.utils.progress import tracked

LEASE = 60.0  # seconds; every process that shares a directory must have the same
_watched: dict[str, tuple[Any, float]] = {}  # the last sign of life, and when it was seen first
_held_alone: dict[str, bytes] = {}  # what the claims say that this process holds by `held_alone`


class Taken(Exception):
    """Another process holds the claim."""


class Lost(BaseException):
    """Another process has taken the claim, since its holder stood still for too long.

    As an interrupt by the user it is no `Exception`, which what is interrupted might catch.
    """


@contextlib.contextmanager
def held(path: str | os.PathLike) -> Iterator[None]:
    """Holds a claim, after waiting for whoever holds it now.

    Args:
        path: of its file; the directory is made.

    Raises:
        OSError: it cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with filelock.SoftFileLease(path, lease_duration=LEASE).acquire(poll_interval=0.1):
        _remove_broken(path)
        yield


@contextlib.contextmanager
def held_alone(path: str | os.PathLike) -> Iterator[None]:
    """Holds a claim that nobody else may hold meanwhile, and does not wait for who works.

    A holder on another machine is watched until it touches its claim, or the claim expires.

    Args:
        path: of its file; the directory exists.

    Raises:
        Taken: another process holds it.
        Lost: the claim was lost to another process. What is done inside is interrupted when that
            is noticed, if it is done in the program's main thread.
        OSError: it cannot be written.
    """
    lease = filelock.SoftFileLease(
        path, lease_duration=LEASE, timeout=0,
        on_compromise=lambda _: _thread.interrupt_main(signal.SIGUSR1),
    )  # fmt: skip
    _acquire(lease)
    try:
        _remove_broken(path)
        _held_alone[os.fspath(path)] = Path(path).read_bytes()
        with _interrupted_by_loss():
            yield
    finally:
        _held_alone.pop(os.fspath(path), None)
        lease.release()


def check() -> None:
    """Makes sure that the claims of `held_alone` are this process's still, before it writes.

    One that wakes after it stood still is told of its loss by its next touch alone, seconds later.

    Raises:
        Lost: one is not.
    """
    for path, said in _held_alone.items():
        try:
            found = Path(path).read_bytes()
        except FileNotFoundError:
            found = b""
        if found != said:
            raise Lost


@contextlib.contextmanager
def _interrupted_by_loss() -> Iterator[None]:
    """Raises `Lost` in the main thread when a thread says so.

    By a signal of its own: what runs in the background of a shell ignores the user's interrupt.
    """

    def lost(*_: Any) -> None:
        raise Lost

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGUSR1, lost)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def is_taken(path: str | os.PathLike) -> bool:
    """Whether a process holds the claim; that of a machine which has ended is not taken any more
    if this was asked before, more than `LEASE` seconds ago.
    """
    name = os.fspath(path)
    found = _sign_of_life(name)
    if found is None:
        return False
    seen, since = _watched.get(name, (None, 0.0))
    if found != seen:
        _watched[name] = (found, time.monotonic())
    elif time.monotonic() - since > LEASE:
        _break(name, found)
    try:
        with filelock.SoftFileLease(name, lease_duration=LEASE).acquire(timeout=0):
            return False
    except filelock.Timeout:
        return os.path.lexists(name)  # the attempt removes what a process here left that has ended


def _break(name: str, found: tuple[int, int]) -> None:
    """Removes a claim, unless by now it is another one or has been touched."""
    aside = f"{name}.break.{os.getpid()}.{uuid.uuid4().hex}"
    with contextlib.suppress(FileNotFoundError):
        os.rename(name, aside)
        if _sign_of_life(aside) != found:
            with contextlib.suppress(FileExistsError):
                os.link(aside, name)
        os.unlink(aside)


def _acquire(lease: filelock.SoftFileLease) -> None:
    try:
        lease.acquire()
        return
    except filelock.Timeout:
        owner, before = lease.owner, _sign_of_life(lease.lock_file)
    if owner is not None and owner.hostname == socket.gethostname():
        raise Taken  # and it lives: filelock would have seen that it has ended
    where = "its holder" if owner is None else owner.hostname
    for _ in tracked(range(round(1.5 * LEASE) + 5), 0, f"looking whether {where} works", "s"):
        with contextlib.suppress(filelock.Timeout):
            lease.acquire(timeout=1, poll_interval=0.1)
            return
        if _sign_of_life(lease.lock_file) not in (before, None):
            break
    raise Taken


def _remove_broken(path: str | os.PathLike) -> None:
    """Removes old claims that were being broken when who broke them was killed.

    By their dates: a young one may be a claim of its holder, which somebody mistook for broken and
    is about to put back.
    """
    path = Path(path)
    for broken in path.parent.glob(f"{glob.escape(path.name)}.break.*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime - broken.stat().st_mtime > LEASE:
                broken.unlink()


def _sign_of_life(path: str) -> tuple[int, int] | None:
    """What changes when a holder touches its claim; `None` where there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_mtime_ns

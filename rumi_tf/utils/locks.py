"""File locks with a heartbeat, which expire when their holder dies.

A lock is a file that is created atomically, names its holder, and is touched by the holder every
`LEASE` / 3 seconds. If the holder ran on this machine and has ended, the lock is free at once. A
lock of another machine expires when its file has not changed for `LEASE` seconds, measured on the
clock of the waiting process. So locks work on any shared file system, whether or not it
supports locking, and outlive their holder only briefly.
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

from rumi_tf.utils.console import with_progress

LEASE = 60.0  # seconds; must be the same in every process that shares a directory
_first_seen: dict[str, tuple[Any, float]] = {}  # lock -> its last heartbeat, and when it was seen
_owned: dict[str, bytes] = {}  # lock acquired by `held_nowait` -> content of its file


class LockHeld(Exception):
    """Another process holds the lock."""


class LockLost(BaseException):
    """Another process has taken over the lock, because this process stood still for too long.

    Like `KeyboardInterrupt` it is not an `Exception`, so that interrupted code does not catch it.
    """


@contextlib.contextmanager
def held(path: str | os.PathLike) -> Iterator[None]:
    """Holds a lock; waits while another process holds it.

    Args:
        path: the lock file; its directory is created.

    Raises:
        OSError: the file cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with filelock.SoftFileLease(path, lease_duration=LEASE).acquire(poll_interval=0.1):
        _remove_old_broken(path)
        yield


@contextlib.contextmanager
def held_nowait(path: str | os.PathLike) -> Iterator[None]:
    """Holds a lock, or raises if another process holds it.

    Does not wait for a living holder. A holder on another machine is watched until its next
    heartbeat, or until the lock expires.

    Args:
        path: the lock file, in an existing directory.

    Raises:
        LockHeld: another process holds the lock.
        LockLost: another process has taken over the lock. Interrupts the block when this is
            noticed, if the block runs in the main thread.
        OSError: the file cannot be written.
    """
    lease = filelock.SoftFileLease(
        path, lease_duration=LEASE, timeout=0,
        on_compromise=lambda _: _thread.interrupt_main(signal.SIGUSR1),
    )  # fmt: skip
    _acquire(lease)
    try:
        _remove_old_broken(path)
        _owned[os.fspath(path)] = Path(path).read_bytes()
        with _interrupted_by_loss():
            yield
    finally:
        _owned.pop(os.fspath(path), None)
        lease.release()


def check() -> None:
    """Makes sure, before a write, that this process still holds its `held_nowait` locks.

    A process that stood still would otherwise notice only at its next heartbeat, seconds later.

    Raises:
        LockLost: another process has taken over a lock.
    """
    for path, expected in _owned.items():
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:
            content = b""
        if content != expected:
            raise LockLost


@contextlib.contextmanager
def _interrupted_by_loss() -> Iterator[None]:
    """Raises `LockLost` in the main thread when the heartbeat thread reports the loss.

    Uses SIGUSR1, because background jobs of a shell ignore SIGINT.
    """

    def raise_lost(*_: Any) -> None:
        raise LockLost

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGUSR1, raise_lost)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, previous)


def is_held(path: str | os.PathLike) -> bool:
    """True if a process holds the lock.

    For a dead holder on another machine it becomes False `LEASE` seconds after the first call.
    """
    name = os.fspath(path)
    heartbeat = _heartbeat(name)
    if heartbeat is None:
        return False
    last, since = _first_seen.get(name, (None, 0.0))
    if heartbeat != last:
        _first_seen[name] = (heartbeat, time.monotonic())
    elif time.monotonic() - since > LEASE:
        _break(name, heartbeat)
    try:
        with filelock.SoftFileLease(name, lease_duration=LEASE).acquire(timeout=0):
            return False
    except filelock.Timeout:
        return os.path.lexists(name)  # the attempt removes locks of ended processes here


def _break(name: str, heartbeat: tuple[int, int]) -> None:
    """Removes a lock, unless it has been replaced or touched since `heartbeat`."""
    aside = f"{name}.break.{os.getpid()}.{uuid.uuid4().hex}"
    with contextlib.suppress(FileNotFoundError):
        os.rename(name, aside)
        if _heartbeat(aside) != heartbeat:
            with contextlib.suppress(FileExistsError):
                os.link(aside, name)
        os.unlink(aside)


def _acquire(lease: filelock.SoftFileLease) -> None:
    try:
        lease.acquire()
        return
    except filelock.Timeout:
        owner, before = lease.owner, _heartbeat(lease.lock_file)
    if owner is not None and owner.hostname == socket.gethostname():
        raise LockHeld  # by a living process, since filelock detects those that have ended
    host = "its holder" if owner is None else owner.hostname
    for _ in with_progress(range(round(1.5 * LEASE) + 5), 0, f"checking if {host} is alive", "s"):
        with contextlib.suppress(filelock.Timeout):
            lease.acquire(timeout=1, poll_interval=0.1)
            return
        if _heartbeat(lease.lock_file) not in (before, None):
            break
    raise LockHeld


def _remove_old_broken(path: str | os.PathLike) -> None:
    """Removes files of `_break` calls that were killed.

    Newer files may be live locks about to be restored; keep them.
    """
    path = Path(path)
    for broken in path.parent.glob(f"{glob.escape(path.name)}.break.*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime - broken.stat().st_mtime > LEASE:
                broken.unlink()


def _heartbeat(path: str) -> tuple[int, int] | None:
    """Inode and time of change, which a heartbeat changes; `None` without a lock file."""
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.st_ino, stat.st_mtime_ns

"""What the system refuses TensorFlow, as the exceptions that Python has for it."""

import contextlib
import errno
import os
from collections.abc import Iterator

import tensorflow as tf

from rumi_tf.utils.errors import OutOfMemory


@contextlib.contextmanager
def refusals_as_os_errors(path: str | os.PathLike) -> Iterator[None]:
    """Raises `OSError` for what TensorFlow raises when files inside cannot be written.

    It has a type of its own for a full disk, a directory that is read-only, and so on, and puts
    the system's words into the message.

    Args:
        path: what is written, for the message.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError):
        raise  # of another worker, not of a file
    except tf.errors.OpError as error:
        words = {os.strerror(code): code for code in errno.errorcode}
        code = next((words[text] for text in words if text in str(error)), None)
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(path)) from error


@contextlib.contextmanager
def memory_told(advice: str = "") -> Iterator[None]:
    """Raises `OutOfMemory` where memory runs out inside.

    Args:
        advice: what needs less, for the message.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        reason = (str(getattr(error, "message", error)) or "no more is to be had").splitlines()[0]
        words = f"; {advice}" if advice else ""
        raise OutOfMemory(f"memory ran out ({reason[:200]}){words}") from error

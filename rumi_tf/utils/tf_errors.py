"""Translates TensorFlow errors into `OSError` and `OutOfMemory`; leaves out needless warnings."""

import contextlib
import errno
import logging
import os
from collections.abc import Iterator

import tensorflow as tf

from rumi_tf.utils.errors import OutOfMemory


@contextlib.contextmanager
def translate_file_errors(path: str | os.PathLike) -> Iterator[None]:
    """Raises `OSError` when TensorFlow fails to write a file.

    TensorFlow has different error types for a full disk, a read-only directory and so on; all of
    them contain the operating system's message, by which they are recognised here.

    Args:
        path: the file or directory being written, for the message.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError):
        raise  # another worker was lost; this is not about a file
    except tf.errors.OpError as error:
        codes = {os.strerror(code): code for code in errno.errorcode}
        code = next((codes[text] for text in codes if text in str(error)), None)
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(path)) from error


@contextlib.contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """Hides TensorFlow's advice on retracing, since several runs compile several models."""

    def keep(record: logging.LogRecord) -> bool:
        return "retracing" not in record.getMessage()

    logger = tf.get_logger()
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


@contextlib.contextmanager
def translate_oom(advice: str = "") -> Iterator[None]:
    """Raises `OutOfMemory` if memory runs out inside.

    Args:
        advice: how to use less, for the message.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        reason = (str(getattr(error, "message", error)) or "no details").splitlines()[0]
        suffix = f"; {advice}" if advice else ""
        raise OutOfMemory(f"memory ran out ({reason[:200]}){suffix}") from error

"""What the system refuses TensorFlow, as the exceptions that Python has for it."""

import contextlib
import errno
import os
from collections.abc import Iterator

import tensorflow as tf


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
    except tf.errors.OpError as error:
        words = {os.strerror(code): code for code in errno.errorcode}
        code = next((words[text] for text in words if text in str(error)), None)
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(path)) from error

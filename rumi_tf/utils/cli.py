"""What every command shares: quiet start, readable --help, one line per error."""

import contextlib
import io
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from rumi_tf.utils.errors import InvalidInput, RumiError
from rumi_tf.utils.io import is_foreseen, is_text, remove_leftovers
from rumi_tf.utils.tables import printable

FLAGS = flags.FLAGS
NAME_LIMIT = 200  # bytes; of 255, some are for the temporary name that it is written under


def run(main: Callable[..., None], usage: str, topics: Collection[str] = ()) -> None:
    """Parses the flags, runs `main`, and ends the process.

    Exit codes: 0 done; 1 some of many runs have no result; 2 a flag, or what it points to, cannot
    be used; 3 another process works on the run; 4 files of a run are damaged; 5 training diverged;
    6 another worker of the run ended; 7 memory ran out; 8 the system refused a file, or its clock
    is wrong; 130 interrupted; 141 the output's reader went away.

    Args:
        main: takes nothing, or a topic; may raise `RumiError`.
        usage: what `--help` starts with.
        topics: words of which the command line must name one.
    """
    app.run(
        lambda argv: _guarded(main, argv[1:]),
        flags_parser=lambda argv: _parse(argv, usage, topics),
    )


def _guarded(main: Callable[..., None], topic: list[str]) -> None:
    year = time.localtime().tm_year
    if not 1980 <= year < 2108:
        _fail(f"the clock says that it is the year {year}, which ZIP files cannot hold; set it", 8)
    try:
        _with_memory_told(main, topic)
    except RumiError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted; the same command goes on where it can", 130)
    except BrokenPipeError:
        _nobody_reads()
    except OSError as error:
        if not error.errno:  # not the system's word
            raise
        flag = _flag_of(error)
        if flag and is_foreseen(error):
            _fail(f"--{flag}: {error.filename}: {os.strerror(error.errno)}", 2)
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{os.strerror(error.errno)}; what was complete is unharmed", 8)


def _with_memory_told(main: Callable[..., None], topic: list[str]) -> None:
    try:
        main(*topic)
    except Exception:
        if "tensorflow" not in sys.modules:  # which takes long to import
            raise
        from rumi_tf.utils.tf_errors import memory_told

        with memory_told():
            raise


def _flag_of(error: OSError) -> str | None:
    """The flag that led to the place that the error is about."""
    if not error.filename:
        return None
    place = Path(os.path.abspath(os.fsdecode(error.filename)))
    values = {name: FLAGS[name].value for name in FLAGS}
    places = {
        name: Path(os.path.abspath(path(value)))
        for name, value in values.items()
        if value and isinstance(value, str)
    }
    leading = [name for name, each in places.items() if place.is_relative_to(each)]
    return max(leading, key=lambda name: len(places[name].parts), default=None)


def path(value: str) -> Path:
    """The path that a flag means; `~NAME` stays as it is if there is no such user."""
    return Path(os.path.expanduser(value))


def _nobody_reads() -> None:
    """Ends as a process ends that writes to a closed pipe, without a second error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)


def check_output(flag: str, *paths: str | os.PathLike) -> None:
    """Raises `InvalidInput` unless a file can be written at each of `paths`; writes nothing."""
    for each in paths:
        _check_output(flag, os.fspath(each))


def _check_output(flag: str, path: str) -> None:
    place = os.path.abspath(path)
    if any(len(os.fsencode(part)) > NAME_LIMIT for part in Path(place).parts):
        raise InvalidInput(flag, f"{path} is too long to be the name of a file")
    if os.path.isdir(place):
        raise InvalidInput(flag, f"{path} is a directory; name a file")
    place = os.path.dirname(place)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    # /proc and the like take no files, whoever asks.
    if not os.path.isdir(place) or not os.access(place, os.W_OK) or place.startswith("/proc"):
        raise InvalidInput(flag, f"cannot write {path}: {place} is not a writable directory")


@contextlib.contextmanager
def writing_to(flag: str, directory: str | os.PathLike) -> Iterator[None]:
    """Raises `InvalidInput` if what is written inside has no place there; see `is_foreseen`.

    Removes what killed commands left there.
    """
    try:
        remove_leftovers(directory)
        yield
    except BrokenPipeError:  # of the output, not of a file
        raise
    except OSError as error:
        if not is_foreseen(error):
            raise
        reason = error.strerror or error
        raise InvalidInput(flag, f"cannot write to {directory}: {reason}") from error


def show(paths: Iterable[str | os.PathLike]) -> None:
    """Prints what was written."""
    for path in paths:
        print(path, flush=True)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(printable(message) + "\n")
    sys.exit(code)


def _parse(argv: list[str], usage: str, topics: Collection[str]) -> list[str]:
    if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(argv[1:]):
        try:
            print(_help(usage), flush=True)
        except BrokenPipeError:
            _nobody_reads()
        sys.exit(0)
    remarks = io.StringIO()
    try:
        with contextlib.redirect_stderr(remarks):  # absl goes on after a flagfile in circles
            rest = FLAGS(argv)
    except flags.Error as error:
        _fail(str(error), 2)
    except ValueError as error:  # of what absl itself does not look for
        _fail(f"--flagfile: {error}" if "--flagfile" in " ".join(argv) else str(error), 2)
    if remarks.getvalue():
        _fail(f"--flagfile: {remarks.getvalue()}", 2)
    for name in FLAGS:
        value = FLAGS[name].value
        if not all(is_text(v) for v in (value if isinstance(value, list) else [value])
                   if isinstance(v, str)):  # fmt: skip
            _fail(f"--{name}: {value!r} has characters that no UTF-8 text has", 2)
    if FLAGS["verbosity"].using_default_value:  # the libraries' notes are no news to users
        logging.set_verbosity(logging.ERROR)
    words = rest[1:]
    if topics and (len(words) != 1 or words[0] not in topics):
        _fail(f"name one of: {', '.join(topics)}", 2)
    if words and not topics:
        _fail(f"{words[0]!r} is not a flag; flags look like --name=value", 2)
    return rest


def _help(usage: str) -> str:
    """The flags under their headings, with defaults, wrapped to the terminal."""
    width = min(100, max(60, _columns()))
    lines = [usage.strip(), ""]
    for section, section_flags in FLAGS.flags_by_module_dict().items():
        if section.startswith("absl") or section.endswith(".py"):
            continue
        lines.append(f"{section}:")
        for flag in section_flags:
            name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
            default = "" if flag.default in (None, "", []) else f" [{_shown(flag.default)}]"
            lines.append(f"  {name}{default}")
            choices = getattr(flag.parser, "enum_values", None)
            text = flag.help
            if choices:  # absl's own way of listing them reads badly
                text = f"One of {', '.join(choices)}. {text.partition('>: ')[2]}"
            lines += textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
        lines.append("")
    lines.append("--flagfile=FILE reads flags from a file, one to a line.")
    return "\n".join(lines)


def _shown(default: Any) -> str:
    return ",".join(default) if isinstance(default, list) else str(default)


def _columns() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 88


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Makes of SIGTERM, which schedulers send, an interrupt: else the processes would go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keeps the native libraries' start-up notes off stderr while TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.stderr is None:  # it was closed before the command started
        yield
        return
    sys.stderr.flush()
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)

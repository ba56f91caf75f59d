"""Shared by all commands: quiet start, --help, one line per error, exit codes."""

import contextlib
import io
import os
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from rumi_tf.utils.console import printable
from rumi_tf.utils.errors import InvalidInput, RumiError
from rumi_tf.utils.io import is_text, is_user_error, remove_dead_temporaries
from rumi_tf.utils.paths import FLAGFILES

FLAGS = flags.FLAGS
NAME_LIMIT = 200  # bytes; file systems allow 255, of which a temporary name needs some


def run(main: Callable[..., None], usage: str, topics: Collection[str] = ()) -> None:
    """Parses the flags, runs `main`, and ends the process.

    Exit codes: 0 success; 1 some of many runs have no result; 2 a flag, or what it names, cannot
    be used; 3 another process is working on the run; 4 files of a run are damaged; 5 training
    diverged; 6 another worker of the run ended; 7 memory ran out; 8 a file cannot be read or
    written, as on a full disk; 130 interrupted; 141 stdout was closed.

    Args:
        main: takes a topic if there are `topics`, else nothing; may raise `RumiError`.
        usage: first paragraph of `--help`.
        topics: subcommands, one of which the command line must name.
    """
    app.run(
        lambda argv: _report_errors(main, argv[1:]),
        flags_parser=lambda argv: _parse(argv, usage, topics),
    )


def _report_errors(main: Callable[..., None], topic: list[str]) -> None:
    try:
        with closed_pipe_ends():
            _translate_out_of_memory(main, topic)
    except RumiError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted; run the same command again to continue", 130)
    except OSError as error:
        if not error.errno:  # not raised by the operating system
            raise
        flag = _flag_of(error)
        if flag and is_user_error(error):
            _fail(f"--{flag}: {error.filename}: {os.strerror(error.errno)}", 2)
        path = f"{error.filename}: " if error.filename else ""
        _fail(f"{path}{os.strerror(error.errno)}; completed files are intact", 8)


@contextlib.contextmanager
def closed_pipe_ends() -> Iterator[None]:
    """Ends the process in silence if nobody reads its output, as with `| head`."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush
        sys.exit(128 + signal.SIGPIPE)


def _translate_out_of_memory(main: Callable[..., None], topic: list[str]) -> None:
    try:
        main(*topic)
    except Exception:
        if "tensorflow" not in sys.modules:  # importing it takes seconds
            raise
        from rumi_tf.utils.tf_errors import translate_oom

        with translate_oom():
            raise


def _flag_of(error: OSError) -> str | None:
    """The flag with the longest path that contains the path of the error."""
    if not error.filename:
        return None
    failed = Path(os.path.abspath(os.fsdecode(error.filename)))
    values = {name: FLAGS[name].value for name in FLAGS}
    paths = {
        name: Path(os.path.abspath(path(value)))
        for name, value in values.items()
        if value and isinstance(value, str)
    }
    candidates = [name for name, parent in paths.items() if failed.is_relative_to(parent)]
    return max(candidates, key=lambda name: len(paths[name].parts), default=None)


def path(value: str) -> Path:
    """Expands `~` in a flag's value; `~NAME` stays as it is if there is no such user."""
    return Path(os.path.expanduser(value))


def check_output(flag: str, *paths: str | os.PathLike) -> None:
    """Raises `InvalidInput` unless a file can be written at each of `paths`; writes nothing."""
    for each in paths:
        _check_output(flag, os.fspath(each))


def _check_output(flag: str, path: str) -> None:
    absolute = os.path.abspath(path)
    if any(len(os.fsencode(part)) > NAME_LIMIT for part in Path(absolute).parts):
        raise InvalidInput(flag, f"{path} is too long for a file name")
    if os.path.isdir(absolute):
        raise InvalidInput(flag, f"{path} is a directory; name a file")
    parent = os.path.dirname(absolute)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent) or not os.access(parent, os.W_OK):
        raise InvalidInput(flag, f"cannot write {path}: {parent} is not a writable directory")


@contextlib.contextmanager
def writing_to(flag: str, directory: str | os.PathLike) -> Iterator[None]:
    """Raises `InvalidInput` if `directory` cannot be written to; see `is_user_error`.

    First removes temporary files that killed commands left there.
    """
    try:
        remove_dead_temporaries(directory)
        yield
    except BrokenPipeError:  # of stdout, not of a file
        raise
    except OSError as error:
        if not is_user_error(error):
            raise
        reason = error.strerror or error
        raise InvalidInput(flag, f"cannot write to {directory}: {reason}") from error


def print_paths(paths: Iterable[str | os.PathLike]) -> None:
    """Prints the paths of written files, one to a line."""
    for path in paths:
        print(path, flush=True)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(printable(as_typed(message)) + "\n")
    sys.exit(code)


def _parse(argv: list[str], usage: str, topics: Collection[str]) -> list[str]:
    if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(argv[1:]):
        with closed_pipe_ends():
            print(as_typed(_help(usage)), flush=True)
        sys.exit(0)
    argv = [
        _installed_flagfile(word, previous)
        for word, previous in zip(argv, ["", *argv], strict=False)
    ]
    warnings = io.StringIO()
    try:
        with contextlib.redirect_stderr(warnings):  # absl only warns of a recursive flagfile
            rest = FLAGS(argv)
    except flags.Error as error:
        _fail(str(error), 2)
    except ValueError as error:  # absl does not catch all of them
        _fail(f"--flagfile: {error}" if "--flagfile" in " ".join(argv) else str(error), 2)
    if warnings.getvalue():
        _fail(f"--flagfile: {warnings.getvalue()}", 2)
    for name in FLAGS:
        value = FLAGS[name].value
        strings = value if isinstance(value, list) else [value]
        if not all(is_text(string) for string in strings if isinstance(string, str)):
            _fail(f"--{name}: {value!r} contains characters that are not valid in UTF-8", 2)
    if FLAGS["verbosity"].using_default_value:  # hide what libraries log
        logging.set_verbosity(logging.ERROR)
    arguments = rest[1:]
    if topics and (len(arguments) != 1 or arguments[0] not in topics):
        _fail(f"name one of: {', '.join(topics)}", 2)
    if arguments and not topics:
        _fail(f"{arguments[0]!r} is not a flag; flags look like --name=value", 2)
    return rest


def as_typed(text: str) -> str:
    """A text with commands, which become `rumi NAME` if the user runs `rumi`."""
    if not os.path.basename(sys.argv[0]).startswith("rumi "):
        return text
    return re.sub(r"(?:python -m )?\b(?:reproduce|figures)\.(\w+)", r"rumi \1", text)


def _installed_flagfile(word: str, previous: str) -> str:
    """A word of the command line, with the installed flagfile for a missing flags/NAME."""
    match = re.fullmatch(r"(--?flagfile=|)(flags/.*)", word)
    if not match or not (match[1] or previous.lstrip("-") == "flagfile"):
        return word
    path = FLAGFILES.parent / match[2]
    return f"{match[1]}{path}" if path.is_file() and not os.path.exists(match[2]) else word


def _help(usage: str) -> str:
    """Flags under their headings, with defaults, wrapped to the terminal's width."""
    width = min(100, max(60, _columns()))
    lines = [usage.strip(), ""]
    for section, section_flags in FLAGS.flags_by_module_dict().items():
        if section.startswith("absl") or section.endswith(".py"):
            continue
        lines.append(f"{section}:")
        for flag in section_flags:
            name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
            default = "" if flag.default in (None, "", []) else f" [{_default(flag.default)}]"
            lines.append(f"  {name}{default}")
            choices = getattr(flag.parser, "enum_values", None)
            text = flag.help
            if choices:  # absl lists them as <a|b|c>
                text = f"One of {', '.join(choices)}. {text.partition('>: ')[2]}"
            lines += textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
        lines.append("")
    lines.append("--flagfile=FILE reads flags from a file, one to a line.")
    return "\n".join(lines)


def _default(default: Any) -> str:
    return ",".join(default) if isinstance(default, list) else str(default)


def _columns() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 88


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Treats SIGTERM, which schedulers send, like Ctrl-C, so that child processes end as well."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Hides what native libraries print to stderr while TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.stderr is None:  # closed before the command started
        yield
        return
    sys.stderr.flush()
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)

"""How a command ends: errors become one message on stderr and an exit code, the result one line on stdout.

All that is printed goes through here or through `process.console`, and is harmless: see `process.printable`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import re
import select
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Unpack

from daeda.errors import DaedaError, DayError, Interrupted, UsageError, cut, first_line, refusal
from daeda.process import interrupts
from daeda.process.command_signals import CommandSignals
from daeda.process.log import Fields, Level, NarrativeFormatter, is_json, log_line, narrated, write_line
from daeda.process.printable import harmless, printable, printable_lines
from daeda.process.supervised import has_driver, report_exit_code
from daeda.storage.location import Location

# What the machine may refuse to anybody at any time. What else an OSError says was not foreseen, and is shown whole.
_REFUSALS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE}
    | {errno.EMFILE, errno.ENFILE}
)

_NO_MEMORY = re.compile(r"failed to map segment|[Cc]annot allocate memory|can't start new thread|std::bad_alloc")
_LACKING = (
    "this process got no more memory: give it more (ulimit -v, ulimit -u, the limit of its container), or less "
    "to do at once"
)


def run_command(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command; returns its exit code. Errors of daeda are told without a traceback, all others keep theirs.

    The exit code is reported to the supervisor of the process, unless something ends the process before.
    """
    signals = CommandSignals()
    try:
        with narrated(arguments):
            code = _run(command, arguments, signals)
    except Shown as shown:
        report_exit_code(int(shown.code or 0))
        raise
    finally:
        signals.release()
    report_exit_code(code)
    return code


class Shown(SystemExit):
    """A parser has shown its help, and the command is done."""


def _run(command: Callable[[Sequence[str]], int], arguments: Sequence[str], signals: CommandSignals) -> int:
    _prepare_streams()
    try:
        signals.begin()
        _check_words(arguments)
        code = command(arguments)
        # What is still to be written may be refused.
        sys.stdout.flush()
        signals.at_work = False
    except BaseException as error:  # noqa: BLE001 - each is told
        signals.at_work = False
        if signals.raised is None:
            return _tell_end(error)
        return _tell_interrupted(signals.raised, error)
    # The command went on without the exception: what it has left out, nobody knows.
    return code if signals.raised is None else _tell_interrupted(signals.raised, None)


def _tell_interrupted(name: str, error: BaseException | None) -> int:
    """A command that was cut off by a signal, whatever error has come of that."""
    if not has_driver():
        with _although_nobody_reads():
            if isinstance(error, Interrupted):
                tell_error(error)
            else:
                say(f"interrupted by {name}", "error")
    if isinstance(error, BrokenPipeError) and _nobody_reads():
        _give_up_output()
    return Interrupted.exit_code


def _tell_end(error: BaseException) -> int:
    """An error that has ended a command; returns its exit code."""
    name = interrupts.arrived()
    match error:
        case Interrupted():
            return _tell_interrupted(name or "a signal", error)
        case DaedaError():
            with _although_nobody_reads():
                tell_error(error)
            return error.exit_code
        case KeyboardInterrupt() if name is not None:
            return _tell_interrupted(name, error)
        case KeyboardInterrupt():
            with _although_nobody_reads():
                say("something raised KeyboardInterrupt", "error")
            return 1
        case Shown():
            sys.stdout.flush()
            raise error
        case SystemExit():
            what = f"something called sys.exit({cut(error.code)}) in the middle of the command"
            with _although_nobody_reads():
                say(f"{what}: it is not done", "error")
            return 1
        case BrokenPipeError():
            if not _nobody_reads():
                tell_unforeseen(error)
            _give_up_output()
            return 1
        case Exception():
            with _although_nobody_reads():
                if _lacks_memory(error):
                    say(_LACKING, "error")
                elif isinstance(error, OSError) and error.errno in _REFUSALS:
                    tell_error(DaedaError(f"{refusal(error)}: days that were published stay, run again to go on"))
                else:
                    tell_unforeseen(error)
            return 1
        case _:
            raise error


@contextlib.contextmanager
def _although_nobody_reads() -> Iterator[None]:
    """The exit code stays what it is where the last words cannot be written: a terminal was closed, a disk is full."""
    try:
        yield
    except OSError:
        _give_up_output()


def _lacks_memory(error: Exception) -> bool:
    """Whether memory, or the address space of a thread or of a library, was refused: each says so in its own way."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, ImportError | RuntimeError | OSError) and bool(_NO_MEMORY.search(first_line(error)))


def _prepare_streams() -> None:
    """What an encoding of the terminal does not have is written as an escape, and what libraries print is harmless."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(NarrativeFormatter("%(message)s"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_words(words: Sequence[str]) -> None:
    """Raise UsageError for a word, or a working directory, that is no text: a name in another encoding."""
    try:
        here = str(Path.cwd())
    except OSError as error:
        raise UsageError(f"the working directory cannot be read ({error.strerror}): go to another one") from error
    for word in (here, *words):
        try:
            word.encode("utf-8")
        except UnicodeEncodeError as error:
            what = "the working directory " if word is here else ""
            raise UsageError(
                f"{what}'{word}' is not UTF-8, and names of files are read as UTF-8: rename it, or write it in UTF-8"
            ) from error


def _nobody_reads() -> bool:
    """Whether what reads our output has gone, and the pipe that broke is not one to a server or to a worker."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _give_up_output() -> None:
    """Let nothing more be written where nobody reads: Python would flush both streams once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def tell_unforeseen(error: BaseException) -> None:
    """The traceback, as Python shows it; what it quotes begins no line."""
    if is_json():
        trace = [line for part in traceback.format_exception(error) for line in part.rstrip("\n").split("\n")]
        write_line(log_line("error", f"{type(error).__name__}: {first_line(error)}", traceback=trace))
        return
    for part in traceback.TracebackException.from_exception(error).format():
        ours = part.startswith(("  File ", "Traceback (", "\n"))
        print(printable_lines(part.rstrip("\n")) if ours else printable(part.rstrip("\n")), file=sys.stderr)
    sys.stderr.flush()


def tell_error(error: DaedaError) -> None:
    """Print each sentence of an error, marked as one."""
    fields = Fields(error=type(error).__name__)
    if isinstance(error, DayError) and error.day is not None:
        fields["day"] = error.day
    for sentence in error.sentences:
        say(sentence, "error", **fields)


def say(line: str, level: Level = "info", **fields: Unpack[Fields]) -> None:
    """One line of narrative, on stderr: whoever composed it, it is one, and holds nothing secret.

    The fields are what the line is about, for the log.
    """
    if is_json():
        write_line(log_line(level, line, **fields))
    else:
        print(printable(line if level == "info" else f"{level}: {line}"), file=sys.stderr, flush=True)


def ask(question: str) -> bool:
    """Ask on stderr and read the answer from stdin, which the caller has found to be a terminal; no answer is a no."""
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def prompted(prompt: str) -> str | None:
    """A line that is typed at a terminal, behind a prompt on stderr; None at the end of input."""
    print(printable(prompt), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline() or None


def warn(*sentences: str, **fields: Unpack[Fields]) -> None:
    """What a run does not refuse and may not be meant, a line each, marked as a warning."""
    for sentence in sentences:
        say(sentence, "warning", **fields)


def answer(text: str) -> None:
    """What a command was asked for, on stdout; line breaks are those of the text, which holds none of its values."""
    print(printable_lines(text), flush=True)


def answer_location(location: Location | Path) -> None:
    """The directory of the result, on stdout, as it is: programs read it, and a path with a control is refused."""
    print(harmless(str(location)), flush=True)

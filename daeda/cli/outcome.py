"""How a command ends: errors become one message on stderr and an exit code, the result one line on stdout."""

from __future__ import annotations

import contextlib
import errno
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from daeda.errors import DaedaError, Interrupted, refusal
from daeda.storage.access import without_secrets

# What the machine may refuse to anybody at any time. What else an OSError says was not foreseen, and is shown whole.
_REFUSALS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE}
    | {errno.EMFILE, errno.ENFILE}
)


def run_command(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command; returns its exit code. Errors of daeda are told without a traceback, all others keep theirs."""
    try:
        with _sigterm_interrupts():
            return command(arguments)
    except DaedaError as error:
        tell_error(error)
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        say(f"error: {interrupt}" if interrupt.args else "interrupted")
        return Interrupted.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        tell_error(DaedaError(f"{refusal(error)}: days that were published stay, run again to go on"))
        return 1


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that it clears up behind itself. Handlers live in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        # Libraries catch every Exception here and there, and make others of them; nobody catches this one.
        raise KeyboardInterrupt("interrupted by SIGTERM")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tell_error(error: DaedaError) -> None:
    """Print each line of an error, marked as one."""
    for line in str(error).splitlines():
        say(f"error: {line}")


def say(line: str) -> None:
    """One line of narrative, on stderr. What is secret is taken out, whoever wrote it into a message."""
    print(without_secrets(line), file=sys.stderr, flush=True)

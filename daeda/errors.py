"""Every error that daeda raises on purpose, and the exit code that it becomes.

    DaedaError
    ├── UserError          exit 2: found before the first day, nothing was written
    │   ├── UsageError     flags
    │   ├── ConfigurationError  YAML files
    │   ├── InputError     data, store, output root
    │   │   └── NothingThere   the path of a view
    │   └── NotBuiltYet    planned and described, not executed by this version
    ├── DayError           exit 1: a day failed; the days published before it stay
    │   ├── Late           it has had its time, and is still at work
    │   ├── Stopped        it was given up because the run is stopping
    │   └── WorkerUnfit    a worker cannot build days of the run
    ├── StorageError       exit 1: object storage failed while a day was built
    │   └── ChangedMeanwhile   an object is another one than at the listing
    ├── TransientError     exit 1: it may be over when the day is tried again
    │   ├── StorageUnavailable a StorageError: no answer in time, or one that says "later"
    │   └── TransientDayError  a DayError: a connection or a file system did not answer
    ├── RowsRejected       exit 1: more rows do not fit than are allowed, and nothing was written
    ├── SubprocessFailed   the exit code of the subprocess, which has printed its error itself
    └── Interrupted        exit 130

A message says where, what is wrong, what exists and what to do next, in one sentence. Several mistakes that were found
together are one error, `ConfigurationError(*sentences)`; a line break inside of a sentence belongs to a value that it
quotes, and begins no line.
"""

from __future__ import annotations

import datetime as dt
import difflib
import errno
from collections.abc import Iterable, Mapping, Sequence
from typing import Self


class DaedaError(Exception):
    """Base of all errors that are shown to the user without a traceback; each argument is a sentence."""

    exit_code = 1

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is told, a line for each."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def with_sentence(self, sentence: str) -> Self:
        """The same error with another sentence."""
        error = type(self)(sentence)
        error.__dict__.update(self.__dict__)
        return error


class UserError(DaedaError):
    """A mistake of the user, found before the first day."""

    exit_code = 2


class UsageError(UserError):
    """A wrong flag, or flags that exclude each other."""


class ConfigurationError(UserError):
    """A wrong, missing or contradictory entry in a YAML file."""


class InputError(UserError):
    """Data, a store or an output root that does not fit what was declared."""


class NothingThere(InputError):
    """The path of a view leads to no file."""


class NotBuiltYet(UserError):
    """Described by the configuration language and not executed by this version."""


class DayError(DaedaError):
    """A day failed while it was built. `day` is set where the sentence names the day."""

    def __init__(self, *sentences: str, day: dt.date | None = None) -> None:
        super().__init__(*sentences)
        self.day = day


class Late(DayError):
    """A day, or a function that it calls, has had its time and is still at work."""


class Stopped(DayError):
    """A day was given up because the run is stopping; never the root cause."""


class WorkerUnfit(DayError):
    """A worker that cannot build days: it lacks the run's storage or functions, or has other versions of them."""


class StorageError(DaedaError):
    """Object storage refused, or did not answer properly for as long as it was asked."""


class ChangedMeanwhile(StorageError):
    """A file, or an object, is not the one that was seen before."""


class TransientError(DaedaError):
    """A fault of the surroundings that may be over when the day is tried again, whatever its sentence."""


class StorageUnavailable(StorageError, TransientError):
    """Object storage did not answer for as long as it was asked, or asked to be asked later."""


class TransientDayError(DayError, TransientError):
    """A day failed because a connection, or the file system of another host, did not answer."""


class Interrupted(DaedaError):
    """The user or the system asked the run to stop."""

    exit_code = 130


class RowsRejected(DaedaError):
    """More rows of a file do not fit than are allowed; nothing was written."""


class SubprocessFailed(DaedaError):
    """A process that the driver started has failed, and has printed why."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


class NotRegular(OSError):
    """What lies at a path is no regular file, or one that nobody would read to its end; nothing of it was used."""

    def __init__(self, what: str, path: object) -> None:
        super().__init__(errno.EINVAL, what, str(path))


# The errors that cross processes, by the name that they have there.
ERROR_CLASSES: Mapping[str, type[DaedaError]] = {
    kind.__name__: kind
    for kind in (
        DaedaError, UserError, UsageError, ConfigurationError, InputError, NothingThere, NotBuiltYet, DayError, Late,
        Stopped, WorkerUnfit, StorageError, ChangedMeanwhile, TransientError, StorageUnavailable, TransientDayError,
        RowsRejected, Interrupted,
    )
}  # fmt: skip


def serialised(error: DaedaError) -> dict[str, str | None]:
    """An error as JSON can hold it, for another process."""
    day = error.day if isinstance(error, DayError) else None
    return {"kind": type(error).__name__, "message": str(error), "day": None if day is None else day.isoformat()}


def deserialised(record: Mapping[str, str | None]) -> DaedaError:
    """The error that another process serialised; a class that is not in the table becomes DayError.

    Raises KeyError, TypeError or ValueError where no process has serialised it.
    """
    kind = ERROR_CLASSES.get(str(record["kind"]), DayError)
    error = kind(str(record["message"]))
    day = record.get("day")
    if isinstance(error, DayError) and day is not None:
        error.day = dt.date.fromisoformat(day)
    return error


# What the network, or the file system of another host, says for a time. What a disk says is not among it.
_TRANSIENT_NUMBERS = frozenset(
    {errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.EHOSTDOWN}
    | {errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.ESTALE, errno.EREMOTEIO, errno.EAGAIN}
)


def is_transient(error: BaseException) -> bool:
    """Whether a fault may be over when what failed is tried again.

    >>> is_transient(StorageUnavailable("no answer")), is_transient(ConnectionResetError(errno.ECONNRESET, "reset"))
    (True, True)
    >>> is_transient(OSError(errno.ENOSPC, "No space left on device"))
    False
    """
    return isinstance(error, TransientError | TimeoutError) or (
        isinstance(error, OSError) and error.errno in _TRANSIENT_NUMBERS
    )


def is_full(error: OSError) -> bool:
    """Whether the disk, or what may be written of it, is used up.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device")), is_full(OSError(errno.EIO, "Input/output error"))
    (True, False)
    """
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_mistake(error: BaseException) -> bool:
    """Whether a fault is a mistake of the user, or was raised for one: trying again does not mend it.

    A day that finds such a mistake raises a DayError because of it.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return True
        cause = cause.__cause__
    return False


def refusal(error: OSError) -> str:
    """What the operating system refused, about which file, and what to do, in one clause.

    >>> refusal(OSError(errno.ENOSPC, "No space left on device", "/output/x"))
    '/output/x: No space left on device: free some space there, or choose another directory'
    """
    match error.errno:
        case errno.EINVAL if isinstance(error, NotRegular):
            advice = "put a file there, or choose another path"
        case _ if is_full(error):
            advice = "free some space there, or choose another directory"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            advice = "change its permissions, or choose another directory"
        case errno.ENOENT:
            advice = "somebody removed it while it was needed, or nothing can be made there"
        case errno.EEXIST | errno.ENOTDIR:
            advice = "what stands there is in the way: choose another path"
        case errno.EMFILE | errno.ENFILE:
            advice = "raise the limit of open files (ulimit -n)"
        case _:
            advice = "see what is wrong with that file system"
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}: {advice}"


def first_line(error: BaseException) -> str:
    """The first line of what an exception of others says, or its type where it says nothing or cannot be shown.

    >>> first_line(ValueError("a\\nb")), first_line(KeyError()), first_line(ValueError("\\n"))
    ('a', 'KeyError', 'ValueError')
    """
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - an exception of a stranger, whose __str__ may do anything
        lines = []
    return lines[0] if lines else type(error).__name__


def did_you_mean(word: str, known: Iterable[str], most: int = 12) -> str:
    """The tail of a message about an unknown word; of what is known, at most `most` are named.

    >>> did_you_mean("colum", ["column", "kind"])
    "did you mean 'column'? Known: column, kind"
    >>> did_you_mean("AMOUNT", ["amount"])
    "did you mean 'amount'? Known: amount"
    >>> did_you_mean("x", [])
    'none exists'
    >>> did_you_mean("kind", ["a" * 1000])
    'Known: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'
    """
    names = sorted(set(known))
    if not names:
        return "none exists"
    close = closest(word, names)
    listed = "Known: " + shortened([cut(name) for name in names], most)
    return listed if close is None else f"did you mean '{cut(close)}'? {listed}"


def closest(word: str, names: Iterable[str]) -> str | None:
    """The name that an unknown word most likely stands for; None where none is like it.

    >>> closest("AMOUNT", ["amount", "mount"]), closest("x", ["amount"])
    ('amount', None)
    """
    listed = list(names)
    # A name in other letters, capital or small, is the closest of all, however few letters the two share.
    close = [name for name in listed if name.lower() == word.lower()]
    close = close or difflib.get_close_matches(cut(word), listed, n=1, cutoff=0.6)
    return close[0] if close else None


def in_yaml(value: object) -> str:
    """A value as YAML has it on one line, for a message: a text is as it is.

    >>> in_yaml({"a": [None, True, 1]})
    '{a: [null, true, 1]}'
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(in_yaml, value))}]"
        case dict():
            return f"{{{', '.join(f'{in_yaml(key)}: {in_yaml(entry)}' for key, entry in value.items())}}}"
        case _:
            return str(value)


def cut(text: object, most: int = 60) -> str:
    """The text, or the value of a YAML file, its end left out where it is long: what is quoted can be of any length.

    >>> cut("abcdef", most=5), cut(None)
    ('ab...', 'null')
    """
    shown = in_yaml(text)
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def counted(number: int, what: str) -> str:
    """A number and its noun.

    >>> counted(1, "day"), counted(2, "day")
    ('1 day', '2 days')
    """
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def shortened(names: Sequence[object], most: int = 12) -> str:
    """Join names with commas, at most `most` of them.

    >>> shortened([1, 2, 3], most=2)
    '1, 2 and 1 more'
    """
    shown = ", ".join(str(name) for name in names[:most])
    rest = len(names) - most
    return f"{shown} and {rest} more" if rest > 0 else shown

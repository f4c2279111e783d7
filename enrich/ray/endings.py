"""How a process ended, in words, and what follows from it for the user."""

from __future__ import annotations

import resource
import signal

from daeda.errors import DayError
from daeda.process.host import size_text

# Below these, Ray has been seen to fail: its servers reserve address space, and open files and threads by the hundred.
_ENOUGH_ADDRESSES = 64 * 2**30
_ENOUGH_FILES = 1024
_ENOUGH_PROCESSES = 1024

AGAIN = "days that were published stay, run again to go on"


def ended_with(code: int | None) -> str:
    """How a process ended, by its exit code as Python has it; None where nobody knows.

    >>> ended_with(1), ended_with(-9), ended_with(None)
    ('ended with code 1', 'was ended by SIGKILL', 'ended')
    """
    if code is None:
        return "ended"
    if code >= 0:
        return f"ended with code {code}"
    if -code not in set(signal.Signals):
        return f"was ended by signal {-code}"
    return f"was ended by {signal.Signals(-code).name}"


def not_started(kind: str, code: int | None) -> str:
    """The sentence for a Ray whose process of this kind ended while it started."""
    return f"Ray did not start: its {kind} {ended_with(code)}: {AGAIN}"


class ActorsLost(DayError):
    """Actors died under their parts, for want of memory or because Ray's servers took them along."""


def actors_lost(how: str) -> str:
    """The sentence for actors that died, whatever ended them."""
    return (
        f"an actor was lost or ran out of memory ({how}); lower enrich_batch_rows, give fewer CPUs (--ray-num-cpus), "
        "or more memory"
    )


def low_limits() -> str:
    """The limits of this process that may have been too low for Ray, as the end of a sentence; empty if none is."""
    low = []
    for number, enough, ulimit, what in (
        (resource.RLIMIT_AS, _ENOUGH_ADDRESSES, "-v", "of address space"),
        (resource.RLIMIT_NOFILE, _ENOUGH_FILES, "-n", "open files"),
        (resource.RLIMIT_NPROC, _ENOUGH_PROCESSES, "-u", "processes and threads"),
    ):
        limit, _hard = resource.getrlimit(number)
        if limit != resource.RLIM_INFINITY and limit < enough:
            count = size_text(limit) if number == resource.RLIMIT_AS else str(limit)
            low.append(f"{count} {what} (ulimit {ulimit})")
    return f"; it may have only {' and '.join(low)}: raise that if it is why" if low else ""

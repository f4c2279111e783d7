"""Probes, what they find, and the time that each of them has: a disk or a server that is dead answers never."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from daeda.errors import DaedaError, first_line

State = Literal["ok", "warning", "wrong"]
# Of a sound host each probe takes less than one.
SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """One line: `what` was looked at, what was `seen`, and what to do, where something is to be done.

    `wrong` is what keeps a run from being done, `warning` what makes it slow or may not be meant.
    """

    state: State
    what: str
    seen: str
    advice: str = ""


@dataclass(frozen=True)
class Probe:
    """A look at one thing, which may take so many seconds. What it raises is a finding, too."""

    what: str
    look: Callable[[], Iterable[Finding]]
    seconds: float = SECONDS


def run_probes(probes: Sequence[Probe]) -> list[Finding]:
    """What the probes found, in their order; all of them look at once."""
    running = [_Running(probe) for probe in probes]
    return [finding for one in running for finding in one.findings()]


class _Running:
    """A probe at work in a thread that nobody waits for after its time: what it waits for may never come."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._found: list[Finding] | None = None
        self._until = time.monotonic() + probe.seconds
        self._thread = threading.Thread(target=self._look, daemon=True, name=f"probe of {probe.what}")
        self._thread.start()

    def findings(self) -> list[Finding]:
        self._thread.join(max(0.0, self._until - time.monotonic()))
        if self._found is not None:
            return self._found
        seen = f"no answer within {self._probe.seconds:g} s"
        return [
            Finding(
                "wrong", self._probe.what, seen, "see whether its disk or server answers at all, or raise --seconds"
            )
        ]

    def _look(self) -> None:
        try:
            self._found = list(self._probe.look())
        except DaedaError as error:
            self._found = [Finding("wrong", self._probe.what, sentence) for sentence in error.sentences]
        except Exception as error:  # noqa: BLE001 - shown, and the other probes go on
            seen = f"{type(error).__name__}: {first_line(error)}"
            self._found = [Finding("wrong", self._probe.what, seen, "not foreseen: is a library broken?")]

"""The days of a run, read and posted in a thread of their own: one of them beside the day at work, where both fit.

    reader   read 1, post | read 2 beside 1, post | read 3 beside 2, post        | ...
    actors                | parts of 1            | of 2                         | of 3 ...
    driver                | receipts of 1         | publish 1, receipts of 2     | publish 2 ...

The vectors of two days are in memory at most: those of the third are read when the first has all its receipts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from daeda.durations import seconds_since
from enrich.preload import DayNeeds, Preload
from enrich.publish import DayWork
from enrich.ray.stream import PartStream
from enrich.ray.time_limits import in_background
from enrich.store.vectors import VectorSource, shared_of

# So long a day that is being posted is waited for when the run ends: what is asked of Ray later would start it anew.
CLOSE_SECONDS = 10.0
Post = Callable[[PartStream, DayWork, Mapping[str, VectorSource]], None]
Verify = Callable[[DayWork], DayWork]
Measured = Callable[[DayWork], AbstractContextManager[None]]


@dataclass(frozen=True)
class ReadDay:
    """A day whose vectors are read and whose parts are posted, and the seconds that this took.

    `work` is what is to be done after all, where a published day that vectors are kept of is not as it was published;
    `posted` is when its parts began to be there, by `time.perf_counter`.
    """

    work: DayWork
    seconds: float
    posted: float


@dataclass(frozen=True)
class _Held:
    """What a day that is not done has in memory: bytes of vectors, and those that this process shares."""

    nbytes: int = 0
    shared: Mapping[str, VectorSource] = field(default_factory=dict)


class DayReader:
    """Reads days in order. `verify` holds a day against what was planned, `post` lets its parts begin."""

    def __init__(
        self, works: Sequence[DayWork], preload: Preload, verify: Verify, post: Post, measured: Measured
    ) -> None:
        self._works = works
        self._preload = preload
        self._verify = verify
        self._post = post
        self._measured = measured
        self._futures: dict[int, Future[ReadDay]] = {number: Future() for number in range(len(works))}
        self._changed = threading.Condition()
        self._parts: PartStream | None = None
        self._done = 0
        self._stopped = False
        self._held: dict[int, _Held] = {}
        self._posting = threading.Lock()

    def start(self, opened: Future[None]) -> None:
        """Begin to read the first day when the stores are open."""
        in_background(lambda: self._run(opened))

    def give(self, parts: PartStream) -> None:
        """From now on there are actors that days are posted for."""
        with self._changed:
            self._parts = parts
            self._changed.notify_all()

    def day(self, number: int) -> Future[ReadDay]:
        """The day of that number in the run, when it is posted."""
        return self._futures[number]

    def done(self) -> None:
        """The first of the days that were not done has all its receipts: its vectors are given up."""
        with self._changed:
            self._held.pop(self._done, None)
            del self._futures[self._done]
            self._done += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Read no further day, and post none."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._posting.acquire(timeout=CLOSE_SECONDS):
            self._posting.release()

    def _run(self, opened: Future[None]) -> None:
        for number, work in enumerate(self._works):
            future = self._futures[number]
            try:
                opened.result()
                found = self._read(number, work)
            except BaseException as error:  # noqa: BLE001 - raised again where the day is waited for
                future.set_exception(error)
                return
            if found is None:
                return
            future.set_result(found)

    def _read(self, number: int, work: DayWork) -> ReadDay | None:
        """Read and post a day; None where the run ends meanwhile."""
        started = time.perf_counter()
        with self._measured(work):
            verified = self._verify(work)
            needs = self._preload.needs(work.day, work.skeleton_parts, verified.tasks[0].computed)
        seconds = seconds_since(started)
        if not self._wait_for_room(number, needs):
            return None
        started = time.perf_counter()
        with self._measured(work):
            sources = self._preload.load(needs, self._before(number).shared)
        seconds += seconds_since(started)
        if not self._wait(lambda: self._parts is not None):
            return None
        started = time.perf_counter()
        with self._posting, self._measured(work):
            if self._stopped or self._parts is None:
                return None
            self._post(self._parts, verified, sources)
        with self._changed:
            # Others are in the object store by now.
            self._held[number] = _Held(needs.nbytes, shared_of(sources))
        posted = time.perf_counter()
        return ReadDay(verified, seconds + max(0.0, posted - started), posted)

    def _before(self, number: int) -> _Held:
        """What the day before has in memory, which is nothing when it is done."""
        return self._held.get(number - 1, _Held())

    def _wait_for_room(self, number: int, needs: DayNeeds) -> bool:
        """Return when the day before the one before is done, and that one too where both do not fit; False at the end
        of the run.
        """
        if not self._wait(lambda: self._done >= number - 1):
            return False
        fits = self._preload.fits_beside(needs, self._before(number).nbytes)
        return fits or self._wait(lambda: self._done >= number)

    def _wait(self, condition: Callable[[], bool]) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or condition())
            return not self._stopped

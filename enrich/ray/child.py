"""What the supervisor knows of its child, by the child's messages: its limit, and the processes of its Ray."""

from __future__ import annotations

import contextlib
import os
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from daeda.errors import DaedaError
from enrich.ray import channel
from enrich.ray.descendants import exit_code
from enrich.ray.directory import hold
from enrich.ray.endings import AGAIN, ended_with, not_started

# A process of Ray has ended: Ray, or the enrichment, has so long to notice it by itself. While Ray starts, nobody
# notices one that was killed; a node that gives up on itself, on a busy machine, is noticed after half a minute, and
# Ray is asked again.
LOSS_SECONDS = 15.0
START_KILLED_SECONDS = 1.0
START_LOSS_SECONDS = 45.0
# What of Ray's took the enrichment along closes its sockets before the system tells that it has ended.
LATE_SECONDS = 2.0


@dataclass(frozen=True)
class Deadline:
    """When what is done now has to be done, and what is said if it is not."""

    until: float
    sentence: str
    exit_code: int


class Child:
    """The process that enriches. `status` is its exit code once it has ended, `lost` the first process that Ray lost,
    `cluster_lost` the sentence for a cluster that does not answer any more.

    Descriptors of Ray's processes are registered in `poll` while the processes are alive.
    """

    def __init__(self, pid: int, messages: int, poll: select.poll) -> None:
        self.pid = pid
        self.status: int | None = None
        self.directory: Path | None = None
        self.lost: str | None = None
        self.cluster_lost: str | None = None
        self._messages = messages
        self._poll = poll
        self._unfinished_line = b""
        self._limit: Deadline | None = None
        self._loss: Deadline | None = None
        self._directory_lock: int | None = None
        self._processes: dict[int, channel.RayProcess] = {}
        self._ray_starts = False
        self._ray_ends = False

    def look(self) -> None:
        """See whether the child has ended."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.status = os.waitstatus_to_exitcode(status)

    def read_messages(self) -> None:
        """Take in the messages that are there."""
        while select.select([self._messages], [], [], 0)[0]:
            data = os.read(self._messages, 2**16)
            if not data:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._messages)
                return
            *lines, self._unfinished_line = (self._unfinished_line + data).split(b"\n")
            for line in lines:
                self._take(channel.decode(line))

    def _take(self, message: channel.Message) -> None:
        match message:
            case channel.LimitSet():
                self._limit = Deadline(time.monotonic() + message.seconds, message.sentence, message.exit_code)
            case channel.LimitLifted():
                self._limit = None
            case channel.RayDirectoryUsed():
                self.directory = None if message.path is None else Path(message.path)
                if self._directory_lock is not None:
                    os.close(self._directory_lock)
                self._directory_lock = None if self.directory is None else hold(self.directory)
            case channel.RayStarting():
                self._ray_starts = message.active
            case channel.RayEnding():
                # What of it ends from now on is not missed. It may take the enrichment along all the same.
                self._loss = None
                self._ray_ends = True
            case channel.RayProcess():
                if self._ray_ends:
                    self._forget_ray()
                with contextlib.suppress(OSError):
                    descriptor = os.pidfd_open(message.pid)
                    self._processes[descriptor] = message
                    self._poll.register(descriptor, select.POLLIN)
            case channel.ClusterLost():
                if self.lost is None:
                    self.cluster_lost = message.sentence
                    self._loss = Deadline(time.monotonic() + LOSS_SECONDS, message.sentence, DaedaError.exit_code)
            case _:
                assert_never(message)

    def _forget_ray(self) -> None:
        """Another Ray starts where one has ended."""
        for descriptor in list(self._processes):
            self._forget(descriptor)
        self.lost = self.cluster_lost = None
        self._ray_ends = False

    def _forget(self, descriptor: int) -> channel.RayProcess:
        self._poll.unregister(descriptor)
        os.close(descriptor)
        return self._processes.pop(descriptor)

    def lose(self, descriptor: int) -> None:
        """If it is one of Ray's processes, it has ended. The first one counts: the others follow it."""
        if descriptor not in self._processes:
            return
        process = self._forget(descriptor)
        if self.lost is not None:
            return
        code = exit_code(process.pid)
        self.lost = f"Ray's {process.kind} {ended_with(code)}"
        if self._ray_ends:
            return
        sentence, seconds = f"{self.lost}: {AGAIN}", LOSS_SECONDS
        if self._ray_starts:
            sentence = not_started(process.kind, code)
            seconds = START_KILLED_SECONDS if code is not None and code < 0 else START_LOSS_SECONDS
        self._loss = Deadline(time.monotonic() + seconds, sentence, DaedaError.exit_code)

    def ended_with_ray(self) -> str | None:
        """The sentence for what of Ray the child has ended with; a process may be seen to end after the child has."""
        if self.cluster_lost is not None:
            return self.cluster_lost
        until = time.monotonic() + LATE_SECONDS
        while self.lost is None and self._processes and (left := until - time.monotonic()) > 0:
            ended = select.poll()
            for descriptor in self._processes:
                ended.register(descriptor, select.POLLIN)
            for descriptor, _event in ended.poll(left * 1000):
                self.lose(descriptor)
        return None if self.lost is None else f"{self.lost}, and ended the enrichment: {AGAIN}"

    def missed_deadline(self) -> Deadline | None:
        """The deadline that has passed, if one has."""
        now = time.monotonic()
        return next((limit for limit in (self._loss, self._limit) if limit is not None and now > limit.until), None)

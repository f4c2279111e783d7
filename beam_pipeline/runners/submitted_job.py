"""A job that was submitted: whether it has ended, asked of the job service and, where its address is known, of Flink.

A job service may say that a job is cancelled whose work Flink goes on with, or begins again: Beam's job server gives up
waiting for Flink, and tells it nothing. So Flink is asked too, and told.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from daeda.errors import first_line

# How long one question may take, and how long is waited between two: a JobManager that is busy takes its time. All of
# it has room in the ten seconds within which a job is to be over.
_ANSWER_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_SILENT_SECONDS = 5.0
# From here on a status says that what was asked for is not there; a list of jobs is far below so many bytes.
_NO_SUCCESS = 300
_MOST_BYTES = 64 << 20
_States = beam_job_api_pb2.JobState
_ENDED_STATES = frozenset({"DONE", "FAILED", "CANCELLED", "DRAINED", "UPDATED"})
# SUSPENDED is none of them: another JobManager goes on with the job.
_ENDED_IN_FLINK = frozenset({"FINISHED", "FAILED", "CANCELED"})
# Addresses that mean a Flink inside of the job server, which nobody else reaches.
EMBEDDED = ("[auto]", "[local]", "[collection]")


class NoAnswer(Exception):
    """Who was asked for the state of a job did not give it; the text says why."""


class Asked(Protocol):
    """Who knows the state of a job."""

    @property
    def name(self) -> str:
        """Who it is, for a sentence."""

    def state(self) -> str | None:
        """The state of the job, None where it is not known there. Raises NoAnswer."""

    def ended_as(self) -> str | None:
        """The state in which the job has ended there; None while it has not, or is not known. Raises NoAnswer."""

    def has_ended(self) -> bool:
        """Whether the job has ended there, or was not begun. Raises NoAnswer."""

    def cancel(self) -> None:
        """Ask for its end. Raises NoAnswer."""


@dataclass(frozen=True)
class JobService:
    """The job at its job service, by its id there."""

    name: str
    stub: Any
    job_id: str

    def state(self) -> str | None:
        """The state of the job."""
        request = beam_job_api_pb2.GetJobStateRequest(job_id=self.job_id)
        return str(_States.Enum.Name(self._ask("GetState", request).state))

    def ended_as(self) -> str | None:
        """The state in which the job has ended, None while it has not."""
        state = self.state()
        return state if state in _ENDED_STATES else None

    def has_ended(self) -> bool:
        """Whether the job has ended."""
        return self.ended_as() is not None

    def cancel(self) -> None:
        """Ask for its end."""
        self._ask("Cancel", beam_job_api_pb2.CancelJobRequest(job_id=self.job_id))

    def _ask(self, method: str, request: Any) -> Any:
        try:
            # Beam's own methods wait for an answer without an end.
            return getattr(self.stub, method)(request, timeout=_ANSWER_SECONDS)
        except grpc.RpcError as error:
            details = getattr(error, "details", lambda: "")()
            raise NoAnswer(first_line(Exception(details) if details else error)) from None


def job_service_at(endpoint: str, job_id: str) -> JobService:
    """A job at the job service of an address."""
    stub = beam_job_api_pb2_grpc.JobServiceStub(grpc.insecure_channel(endpoint))
    return JobService(f"the job service at {endpoint}", stub, job_id)


@dataclass(frozen=True)
class Flink:
    """The job in Flink, by the name that this run has given it; `address` is that of Flink's REST."""

    name: str
    address: str
    job_name: str
    answer_seconds: float = _ANSWER_SECONDS

    def state(self) -> str | None:
        """The state of the job, None where Flink has none of this name."""
        job = self._job()
        return None if job is None else str(job["state"])

    def ended_as(self) -> str | None:
        """The state in which the job has ended, None while it has not, or is not known."""
        state = self.state()
        return state if state in _ENDED_IN_FLINK else None

    def has_ended(self) -> bool:
        """Whether the job has ended; one that Flink does not know was not begun."""
        state = self.state()
        return state is None or state in _ENDED_IN_FLINK

    def cancel(self) -> None:
        """Ask for its end."""
        job = self._job()
        if job is not None:
            self._ask(f"/jobs/{job['jid']}?mode=cancel", "PATCH")

    def failure(self) -> str:
        """Why the job failed, or was begun again, last; empty where it was not."""
        job = self._job()
        if job is None:
            return ""
        return str(self._ask(f"/jobs/{job['jid']}/exceptions", "GET").get("root-exception") or "")

    def silence(self) -> str | None:
        """Why it does not answer, None where it does."""
        try:
            self._job()
        except NoAnswer as reason:
            return str(reason)
        return None

    def _job(self) -> dict[str, Any] | None:
        document = self._ask("/jobs/overview", "GET")
        try:
            found = [job for job in document["jobs"] if job["name"] == self.job_name]
            return {"jid": found[0]["jid"], "state": found[0]["state"]} if found else None
        except (KeyError, TypeError):
            # Without a list of jobs, it is not known that this one was not begun.
            raise NoAnswer("what answers there is not Flink") from None

    def _ask(self, path: str, method: str) -> dict[str, Any]:
        try:
            status, text = self._answer(path, method)
            document = json.loads(text or b"{}") if status < _NO_SUCCESS else None
        except json.JSONDecodeError:
            raise NoAnswer("what answers there is not Flink") from None
        except UnicodeError:
            # A name with an empty or a long part is not even looked up.
            raise NoAnswer("no host has such a name") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoAnswer(first_line(error)) from None
        if status >= _NO_SUCCESS:
            raise NoAnswer(f"it answers with the status {status}")
        return document if isinstance(document, dict) else {}

    def _answer(self, path: str, method: str) -> tuple[int, bytes]:
        """Status and text. Whatever proxies the environment names: a cluster is near. A server that drips has no more
        time than one that is silent.
        """
        scheme, _, host = self.address.partition("://")
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        connection = kind(host, timeout=self.answer_seconds)
        late = threading.Event()

        def hang_up() -> None:
            late.set()
            with suppress(OSError):  # it has just been closed
                opened.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.answer_seconds, hang_up)
        timer.daemon = True
        try:
            connection.connect()
            # The connection forgets it where the answer has no length, and ends with it.
            opened = connection.sock
            timer.start()
            connection.request(method, path)
            with connection.getresponse() as answer:
                text = answer.read(_MOST_BYTES)
        except TimeoutError:
            # The same limit, of one step: which of both comes first is chance.
            late.set()
        except (OSError, http.client.HTTPException):
            if not late.is_set():
                raise
        finally:
            timer.cancel()
            connection.close()
        if late.is_set():
            raise NoAnswer(f"no whole answer within {self.answer_seconds:g} s")
        return answer.status, text


def flink_at(master: str | None, job_name: str, answer_seconds: float = _ANSWER_SECONDS) -> Flink | None:
    """Flink at the address of --flink_master, or of what was told of it; None where that names none."""
    if not master or master in EMBEDDED:
        return None
    address = master if "://" in master else f"http://{master}"
    return Flink(f"Flink at {address.partition('://')[2]}", address, job_name, answer_seconds)


def end(asked: list[Asked], seconds: float) -> list[str]:
    """Have a job ended within `seconds`, wherever it is known; returns what is not known to have ended, in clauses."""
    began = time.monotonic()
    # Who does not answer at all is not asked for as long as who says that the job goes on.
    silent_until = {place.name: began + min(seconds, _SILENT_SECONDS) for place in asked}
    left = {place.name: (place, "") for place in asked}
    told: set[str] = set()
    while left:
        for name, (place, _) in list(left.items()):
            try:
                if place.has_ended():
                    del left[name]
                    continue
                silent_until[name] = began + seconds
                left[name] = (place, f"{name} says {place.state()}")
                if name not in told:
                    place.cancel()
                    told.add(name)
            except NoAnswer as error:
                left[name] = (place, f"{name} does not answer ({error})")
        if all(time.monotonic() > silent_until[name] for name in left):
            break
        time.sleep(_LOOK_SECONDS)
    return [clause for _, clause in left.values()]

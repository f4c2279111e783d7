"""A job that was submitted: whether it has ended, asked of the job service and, where its address is known, of Flink.

A job service may say that a job is cancelled whose work Flink goes on with, or begins again: Beam's job server gives up
waiting for Flink, and tells it nothing. So Flink is asked too, and told.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from daeda.errors import first_line

# How long one question may take, and how long is waited between two.
_ANSWER_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_SILENT_SECONDS = 2.0
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
        request = urllib.request.Request(f"{self.address}{path}", method=method)
        try:
            with _opener.open(request, timeout=self.answer_seconds) as answer:
                document = json.loads(answer.read() or b"{}")
        except json.JSONDecodeError:
            raise NoAnswer("what answers there is not Flink") from None
        except UnicodeError:
            # A name with an empty or a long part is not even looked up.
            raise NoAnswer("no host has such a name") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NoAnswer(_reason(error)) from None
        return document if isinstance(document, dict) else {}


def _reason(error: Exception) -> str:
    """What went wrong, without the words that urllib puts around it."""
    inside = error.reason if isinstance(error, urllib.error.URLError) else None
    return first_line(inside if isinstance(inside, Exception) else error)


# Whatever proxies the environment names: a cluster is near.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def flink_at(master: str | None, job_name: str, answer_seconds: float = _ANSWER_SECONDS) -> Flink | None:
    """Flink at the address of --flink_master, or of what was told of it; None where that names none."""
    if not master or master in EMBEDDED:
        return None
    address = master if "://" in master else f"http://{master}"
    return Flink(f"Flink at {address.partition('://')[2]}", address.rstrip("/"), job_name, answer_seconds)


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

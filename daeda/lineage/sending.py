"""Events on their way: appended to a file, or posted to a server by the client of OpenLineage."""

from __future__ import annotations

import os
from collections.abc import Sequence

from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from requests import ConnectionError as Unreachable
from requests import HTTPError, RequestException, Response, Timeout
from requests.exceptions import RetryError, SSLError
from urllib3.exceptions import ReadTimeoutError

from daeda.errors import DayError, UsageError, cut, first_line, refusal
from daeda.lineage.destination import Destination

# As the client of OpenLineage names it.
_KEY = "OPENLINEAGE_API_KEY"
# For one answer; the client asks six times.
_ANSWER_SECONDS = 5.0


def send(destination: Destination, events: Sequence[RunEvent]) -> None:
    """Send events in their order; raises DayError, with how many went, where one is not taken."""
    if destination.file is not None:
        lines = "".join(f"{Serde.to_json(event)}\n" for event in events)
        try:
            with destination.file.open("a", encoding="utf-8") as file:
                file.write(lines)
        except OSError as error:
            raise DayError(f"events of lineage cannot be written to {destination}: {refusal(error)}") from error
        return
    transport = HttpTransport(
        HttpConfig(url=destination.server, endpoint=destination.endpoint, auth=authorization(), timeout=_ANSWER_SECONDS)
    )
    try:
        for number, event in enumerate(events):
            try:
                response = transport.emit(event)
            except RequestException as error:
                raise _refused(destination, number, len(events), _clause(error)) from error
            if response.request.method != "POST":
                # Behind most redirections what was posted is asked for, without its content, and gladly answered.
                raise _refused(
                    destination, number, len(events), f"it sends on to {cut(response.url)}: write that address"
                )
    finally:
        transport.close()


def authorization() -> TokenProvider:
    """What is sent along for the key of the environment; raises UsageError for one that cannot be sent."""
    key = os.environ.get(_KEY)
    if not key:
        return TokenProvider({})
    if not key.isascii() or not key.isprintable():
        raise UsageError(f"{_KEY} holds a character that no header takes: set the key as the server has given it")
    return ApiKeyTokenProvider({"api_key": key})


def _refused(destination: Destination, number: int, events: int, clause: str) -> DayError:
    return DayError(
        f"{destination} took {number} of {events} events of lineage: {clause}: the days are published all the same, "
        "and the next run with this destination tells of them"
    )


def _clause(error: RequestException) -> str:
    response: Response | None = error.response
    if isinstance(error, HTTPError) and response is not None:
        return f"it answers {response.status_code} {response.reason or ''}".rstrip()
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, Timeout) or isinstance(reason, ReadTimeoutError):
        return f"it gives no answer in {_ANSWER_SECONDS:g} s, again and again"
    if isinstance(error, RetryError):
        return f"it fails again and again: {cut(str(reason))}"
    if isinstance(error, Unreachable) and not isinstance(error, SSLError):
        return "it cannot be reached"
    return f"{type(error).__name__}: {cut(first_line(error))}"

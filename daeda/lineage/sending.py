"""Events on their way: appended to a file, or posted to a server by the client of OpenLineage."""

from __future__ import annotations

import os
from collections.abc import Sequence

from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from requests import RequestException

from daeda.errors import DayError, refusal
from daeda.lineage.destination import Destination

# As the client of OpenLineage names it.
_KEY = "OPENLINEAGE_API_KEY"


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
    key = os.environ.get(_KEY)
    auth = TokenProvider({}) if key is None else ApiKeyTokenProvider({"api_key": key})
    transport = HttpTransport(HttpConfig(url=destination.server, endpoint=destination.endpoint, auth=auth))
    try:
        for number, event in enumerate(events):
            try:
                transport.emit(event)
            except RequestException as error:
                raise DayError(
                    f"{destination} took {number} of {len(events)} events of lineage: {type(error).__name__}: the days "
                    "are published all the same"
                ) from error
    finally:
        transport.close()

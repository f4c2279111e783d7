"""What job services and engines say when a job has failed, and what it means: one sentence for what is known.

They say it in stack traces of their own language, several of them inside of each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Saying:
    """What a text of an engine means; `sentence` may use what the pattern has named."""

    pattern: re.Pattern[str]
    sentence: str


def _saying(pattern: str, sentence: str) -> Saying:
    return Saying(re.compile(pattern, re.IGNORECASE), sentence)


JOB_MANAGER_GONE = "Flink's JobManager does not answer any more"
# The first that is found counts: a lost JobManager takes TaskManagers along, and those their workers.
_SAYINGS = (
    _saying(
        r"RestClusterClient|RestClient\b.*(?:refused|closed|reset)|Could not (?:complete the operation|retrieve the "
        r"execution result)|(?:FAILED|CANCELLED): java\.net\.UnknownHostException|JobManager .*(?:lost|not "
        r"reachable|no longer reachable)|SUSPENDED",
        JOB_MANAGER_GONE,
    ),
    _saying(
        r"NoResourceAvailable|Could not acquire the minimum required resources|Slot request bulk is not fulfillable",
        "Flink has no free slot for the job: start a TaskManager, or end another job",
    ),
    _saying(
        r"(?:TaskManager with id (?P<id>[\w.:-]+)(?:\([^)]*\))? (?:is no longer reachable|timed out)|remote task "
        r"manager '(?P<address>[^']+)')",
        "Flink has lost the TaskManager {which}",
    ),
    _saying(
        r"TaskManager.*(?:disconnected|has been closed|lost)|TaskExecutor is shutting down|The assigned slot .* was "
        "removed",
        "Flink has lost a TaskManager",
    ),
    _saying(
        r"FnApiControlClient closed|SDK harness|SDK worker disconnected|client disconnected|Multiplexer hanging up|"
        r"CANCELLED: client cancelled",
        "a worker was lost in the middle of a day",
    ),
    _saying(
        r"JobCancellationException|job was cancell?ed|failed in state CANCELLED",
        "somebody cancelled the job",
    ),
)
_REFUSED = re.compile(r"failed to connect|connection refused|StatusCode\.UNAVAILABLE|UNAVAILABLE: io exception", re.I)


def meaning_of(text: str) -> str | None:
    """What an engine means by the text of a failure, None where that is not known."""
    for saying in _SAYINGS:
        found = saying.pattern.search(text)
        if found is not None:
            named = {name: value for name, value in found.groupdict().items() if value}
            return saying.sentence.format(which=next(iter(named.values()), "").strip())
    return None


def says_refused(text: str, address: str | None = None) -> bool:
    """Whether the text says that a connection was refused, to this address, HOST:PORT, where one is given.

    The port alone tells: a host goes by several names.
    """
    if _REFUSED.search(text) is None or address is None:
        return _REFUSED.search(text) is not None
    _, _, port = address.rpartition(":")
    return port.isdigit() and re.search(rf":{port}\b", text) is not None

"""What engines say when a job has failed, as real ones have said it, and what they say that is no use to anybody."""

from __future__ import annotations

import pytest

from beam_pipeline.runners.sayings import meaning_of, says_refused

JAVA = "java.util.concurrent.ExecutionException: org.apache.flink."
SAID = {
    "TaskManager": (
        f"{JAVA}runtime.client.JobExecutionException: Job execution failed.\nCaused by: org.apache.flink.runtime."
        "JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy\nCaused by: org.apache.flink.runtime."
        "jobmaster.JobMasterException: TaskManager with id tm2 is no longer reachable.",
        "Flink has lost the TaskManager tm2",
    ),
    "its heartbeat": (
        "java.util.concurrent.TimeoutException: Heartbeat of TaskManager with id localhost:4711-ab timed out.",
        "Flink has lost the TaskManager localhost:4711-ab",
    ),
    "its network": (
        "RemoteTransportException: Connection unexpectedly closed by remote task manager 'host-b/10.0.0.2:3521 [ tm2 ] "
        "'. This might indicate that the remote task manager was lost.",
        "Flink has lost the TaskManager host-b/10.0.0.2:3521 [ tm2 ]",
    ),
    "worker": (
        "java.lang.IllegalStateException: FnApiControlClient closed",
        "a worker was lost in the middle of a day",
    ),
    "worker of Prism": (
        "Pipeline job-001 failed in state FAILED: bundle inst012 stage-003 failed:SDK worker disconnected: "
        "worker[job-001[job]_ref_Environment_default_environment_1], 7 active instructions, error: context canceled",
        "a worker was lost in the middle of a day",
    ),
    "cancelled": ("Pipeline job failed in state CANCELLED: unknown error", "somebody cancelled the job"),
    "no slots": (
        "NoResourceAvailableException: Could not acquire the minimum required resources.",
        "Flink has no free slot for the job: start a TaskManager, or end another job",
    ),
    "JobManager": (
        f"{JAVA}runtime.concurrent.FutureUtils$RetryException: Could not complete the operation. Number of retries has "
        "been exhausted.\nCaused by: java.net.ConnectException: Connection refused: localhost/127.0.0.1:8081",
        "Flink's JobManager does not answer any more",
    ),
}


@pytest.mark.parametrize("what", SAID)
def test_what_is_known_is_one_sentence(what: str) -> None:
    text, sentence = SAID[what]
    assert meaning_of(text) == sentence


def test_what_is_not_known_is_none() -> None:
    assert meaning_of("RuntimeError: something else") is None


def test_a_refused_connection_is_that_of_the_pool_where_it_has_its_port() -> None:
    python = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:5001: connection refused"
    java = "UNAVAILABLE: io exception\nfinishConnect(..) failed: Connection refused: localhost/127.0.0.1:5001"
    for text in (python, java):
        assert says_refused(text)
        assert says_refused(text, "host-b:5001")
        assert not says_refused(text, "host-b:501")
        assert not says_refused(text, "")
    assert not says_refused("something else")

"""Engines for the tests: each is started when it is asked for first, and ended with the last test.

Where an engine cannot be had its tests are skipped, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.beam_pipeline.runners.conftest import LOOPBACK
from tests.engines import cache
from tests.engines.flink import RESTARTS, SHORT_LIVED, job_server
from tests.engines.prism import prism_service
from tests.engines.site import Site, site


def _had(fetch: Callable[[], Path]) -> Path:
    try:
        return fetch()
    except cache.NotToBeHad as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def flink_jars() -> Path:
    """The directory of the jars of Flink and of Beam's job server for it."""
    return _had(cache.flink_jars)


@pytest.fixture(scope="session")
def flink_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the job server, with its log."""
    return tmp_path_factory.mktemp("flink")


@pytest.fixture(scope="session")
def flink(flink_jars: Path, flink_log: Path) -> Iterator[tuple[str, ...]]:
    """Beam's flags for a job server with a Flink in it that starts failed jobs again without an end."""
    with job_server(flink_jars, flink_log, configuration=RESTARTS, options=SHORT_LIVED) as address:
        yield ("--runner", "FlinkRunner", "--job_endpoint", address)


@pytest.fixture(scope="session")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Beam's flags for a Prism that serves."""
    with prism_service(_had(cache.prism), tmp_path_factory.mktemp("prism")) as address:
        yield ("--runner", "PrismRunner", "--job_endpoint", address)


@pytest.fixture(scope="session")
def forms(pool: str) -> dict[str, tuple[str, ...]]:
    """Beam's flags of each form of worker."""
    return {"loopback": LOOPBACK, "external": ("--environment_type", "EXTERNAL", "--environment_config", pool)}


@pytest.fixture(scope="session")
def two_hosts(flink_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A cluster of Flink on two hosts, with a job server in front of it."""
    with site(flink_jars, tmp_path_factory.mktemp("site")) as place:
        if len(place.numbers) < 2:
            pytest.skip("network namespaces need root, the program ip, and a kernel that has them")
        yield place

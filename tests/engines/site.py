"""A site of Flink: a cluster on two hosts, a pool of workers on each, and a job server in front of it.

Where network namespaces cannot be had there is one host, with both slots.
"""

from __future__ import annotations

import contextlib
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.beam_pipeline.runners.conftest import free_port, listens
from tests.engines.cache import NotToBeHad
from tests.engines.flink import RESTARTS, Cluster, job_server
from tests.engines.hosts import Hosts, hosts
from tests.engines.processes import Server, start, wait_until

SLOTS = 2


@dataclass
class Site:
    """What can be killed, and started again."""

    directory: Path
    cluster: Cluster
    among: Hosts
    port: int
    pools: dict[int, Server] = field(default_factory=dict)
    job_endpoint: str = ""

    @property
    def numbers(self) -> list[int]:
        """The hosts."""
        return sorted(self.among.inside)

    @property
    def flags(self) -> tuple[str, ...]:
        """Beam's flags of a job."""
        return (
            "--runner", "FlinkRunner", "--job_endpoint", self.job_endpoint, "--flink_master", self.cluster.address,
            "--environment_type", "EXTERNAL", "--environment_config", f"localhost:{self.port}",
            "--parallelism", str(SLOTS), "--files_to_stage", str(self.directory / "nothing.jar"),
        )  # fmt: skip

    def start_pool(self, host: int) -> None:
        """Start the pool of a host, which has the address of all pools there."""
        words = [*self.among.inside[host], sys.executable, "-m", "beam_pipeline.pool", "--host", "0.0.0.0"]
        log = self.directory / f"pool-{host}.log"
        self.pools[host] = start([*words, "--port", str(self.port)], log)
        wait_until(f"pool {host}", lambda: listens(self.port, self.among.addresses[host]))

    def workers(self, host: int) -> list[psutil.Process]:
        """The worker processes of a host's pool."""
        try:
            return psutil.Process(self.pools[host].pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> None:
        """End the pools and their workers."""
        for pool in self.pools.values():
            pool.kill()


@contextlib.contextmanager
def site(jars: Path, directory: Path) -> Iterator[Site]:
    """A site that is up."""
    directory.mkdir(parents=True, exist_ok=True)
    # A job brings no jars: Beam's are on the cluster already, so that it begins at once.
    with zipfile.ZipFile(directory / "nothing.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n")
    with contextlib.ExitStack() as stack:
        try:
            among = stack.enter_context(hosts(2))
        except NotToBeHad as reason:
            print(f"one host instead of two: {reason}", file=sys.stderr)
            among = Hosts("localhost", {1: "localhost"}, {1: []})
        cluster = stack.enter_context(
            Cluster(
                jars, directory, slots=SLOTS // len(among.inside), configuration=RESTARTS, host=among.outside,
                hosts=among.addresses, inside=among.inside, has_beam=True,
            )
        )  # fmt: skip
        made = Site(directory, cluster, among, free_port())
        stack.callback(made.stop)
        cluster.start_job_manager()
        for number in made.numbers:
            cluster.start_task_manager(number)
            made.start_pool(number)
        made.job_endpoint = stack.enter_context(job_server(jars, directory, cluster.address, RESTARTS))
        yield made

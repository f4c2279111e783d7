"""A Ray cluster of several nodes: the bytes of a Ray of one's own, whatever becomes of its nodes; and what is told."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.budget import LONG
from tests.engines.ray_cluster import HEAD, OTHER, ClusterScene, ended, ray_cluster
from tests.faults.scene import bytes_of_days

BLIND, FOREIGN = "127.0.0.3", "127.0.0.4"
AGAIN = "days that were published stay, run again to go on"


def _own_mounts() -> bool:
    """Whether a process may have mounts that others do not see."""
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "-m", "true"], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def one_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterScene]:
    # A node that is lost is noticed sooner than by default.
    with ray_cluster(RAY_health_check_period_ms="500") as cluster:
        yield ClusterScene.make(tmp_path_factory.mktemp("cluster"), cluster)


@pytest.fixture
def scene(one_scene: ClusterScene) -> Iterator[ClusterScene]:
    """The one scene, with nothing enriched, whatever became of the test before."""
    one_scene.clear()
    yield one_scene
    one_scene.clear()


def test_a_node_that_is_lost_costs_time_alone(scene: ClusterScene) -> None:
    """It is lost while its two actors have parts: exit code 0, and the bytes of a Ray of one's own. Both read the
    vectors from the same memory.
    """
    scene.cluster.ensure()
    other = scene.cluster.start(OTHER, NODE_CPUS="2")
    process = scene.start(meet=3)
    scene.wait_for_begin(process, scene.cluster.nodes[HEAD])
    scene.wait_for_begin(process, other, actors=2)
    vectors = scene.begun(other)
    other.kill()
    code, stdout, stderr = ended(process)
    assert code == 0, stderr
    assert stdout == f"{scene.service_dir / 'enriched'}\n"
    envelope, *days = stderr.splitlines()
    assert len(vectors) == 2
    assert len(set(vectors.values())) == 1, vectors
    less = "memory 2.0 GiB -> 1.1 GiB, object store 0.2 GiB -> 100 MiB"
    assert envelope == (
        "the resource envelope holds for each node of the Ray cluster (2 nodes): CPUs 2, memory 2.0 GiB, object store "
        f"0.2 GiB; 3 actors in all; clamped to what they have: 127.0.0.1 (CPUs 2 -> 1, {less}), 127.0.0.2 ({less})"
    )
    assert [re.sub(r"in \d+\.\d+ s", "in s", day) for day in days] == [
        "enriched 2024-01-01: 480 rows in s (1/2)",
        "enriched 2024-01-02: 480 rows in s (2/2)",
    ]
    scene.check_all()


@pytest.mark.long
def test_two_runs_share_a_cluster(scene: ClusterScene, tmp_path: Path) -> None:
    """The second one may wait for the actors of the first; the end of neither takes anything of the other along."""
    scene.cluster.ensure(OTHER)
    other = ClusterScene.make(tmp_path / "other", scene.cluster)
    first, second = scene.start(seconds=0.1), other.start(seconds=0.1)
    for run in (first, second):
        code, _stdout, stderr = ended(run)
        assert code == 0, stderr
    for one in (scene, other):
        one.check_all()


@pytest.mark.cases
def test_a_cluster_that_wants_a_token_says_so(scene: ClusterScene, tmp_path: Path) -> None:
    """Before the first day is looked at, without Ray, and again where Ray joins it."""
    scene.cluster.ensure()
    address = scene.cluster.address
    wants = (
        f"error: the Ray cluster at ray.address {address} wants a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN "
        "to its token, or RAY_AUTH_TOKEN_PATH to a file that has it (without both, it is read from ~/.ray/auth_token)\n"
    )
    for environment, told in (
        *((({"RAY_AUTH_MODE": ""}, wants),) if LONG else ()),
        ({"RAY_AUTH_TOKEN": "", "HOME": str(tmp_path)}, wants),
        (
            {"RAY_AUTH_TOKEN": "0" * 64},
            f"error: the Ray cluster at ray.address {address} refuses the token: give the cluster's own by "
            "RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token\n",
        ),
    ):
        code, stdout, stderr = ended(scene.start("-m", "enrich", **environment))
        assert (code, stdout, stderr) == (2, "", told)
    scene.check_whole()


@pytest.mark.cases
@pytest.mark.skipif(not _own_mounts(), reason="a process may not have mounts of its own (unshare -m)")
def test_nodes_that_cannot_work_for_the_run_are_told(scene: ClusterScene, tmp_path: Path) -> None:
    """One does not see the output, and one has another numpy; nothing is begun."""
    scene.cluster.ensure()
    output = scene.root / "output"
    hidden = f'mount -t tmpfs none "{output}" && exec "$0" "$@"'
    (tmp_path / "numpy-1.0.dist-info").mkdir()
    (tmp_path / "numpy-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    scene.cluster.start(BLIND, ("unshare", "-m", "-u", "sh", "-c", f"hostname blind && {hidden}"))
    scene.cluster.start(
        FOREIGN, ("unshare", "-u", "sh", "-c", 'hostname foreign && exec "$0" "$@"'), PYTHONPATH=str(tmp_path)
    )
    code, stdout, stderr = ended(scene.start())
    assert (code, stdout) == (2, ""), stderr
    envelope, *problems = stderr.splitlines()
    assert envelope.startswith("the resource envelope holds for each node of the Ray cluster (3 nodes): ")
    blind, foreign = sorted(problems)
    assert re.fullmatch(
        f"error: the worker on blind does not see {output}/likes/_staging/run-[^ ]+: data_root and output_root must "
        "lie on storage that every worker reaches by the same path",
        blind,
    )
    assert re.fullmatch(
        "error: the worker on foreign has numpy 1.0 instead of [0-9.]+: install the same versions there, or days would "
        "depend on who built them",
        foreign,
    )
    assert list((scene.root / "begun").iterdir()) == []
    scene.check_whole()


@pytest.mark.cases
@pytest.mark.some(1, cases=3)
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (
            "raylet",
            r"(day 2024-01-01: )?Ray's raylet on this host (was ended by SIGKILL|ended)(, and ended the enrichment)?: "
            + AGAIN,
        ),
        (
            "gcs_server",
            r"(day 2024-01-01: )?the head of the Ray cluster at ray.address 127.0.0.1:\d+ does not answer any more: "
            + AGAIN + " when the cluster is up",
        ),
    ],
)  # fmt: skip
def test_the_end_of_the_own_node_and_of_the_head_is_told(scene: ClusterScene, kind: str, told: str) -> None:
    scene.cluster.ensure()
    head = scene.cluster.nodes[HEAD]
    process = scene.start(seconds=1.0, head_seconds=2.0)
    scene.wait_for_begin(process, head)
    psutil.Process(head.pids[kind]).kill()
    code, stdout, stderr = ended(process)
    assert (code, stdout) == (1, ""), stderr
    _envelope, *lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    sentence, _, log = lines[0].partition("; what its libraries wrote is in ")
    assert re.fullmatch(f"error: {told}", sentence), stderr
    if log:
        Path(log).unlink()
    scene.check_days()


@pytest.mark.cases
@pytest.mark.parametrize("noticed", [False, True], ids=["at once", "noticed"])
def test_a_head_that_dies_behind_the_last_part_takes_no_day_along(scene: ClusterScene, noticed: bool) -> None:
    """What is left to do needs no Ray: the day is published. Whether the leave that the run then takes of the cluster
    is still heard is Ray's: where it is not, the head is told, with exit code 1.
    """
    scene.cluster.ensure()
    process = scene.start(seconds=0.0, head_seconds=1.0, held="2024-01-02", **({"NOTICED": "1"} if noticed else {}))
    scene.wait_for_last_part(process)
    psutil.Process(scene.cluster.nodes[HEAD].pids["gcs_server"]).kill()
    scene.let_go()
    code, stdout, stderr = ended(process)
    assert code in (0, 1), stderr
    if code == 0:
        assert stdout == f"{scene.service_dir / 'enriched'}\n"
    else:
        last, _, log = stderr.splitlines()[-1].partition("; what its libraries wrote is in ")
        assert re.fullmatch(r"error: .* does not answer any more: " + AGAIN + " when the cluster is up", last), stderr
        if log:
            Path(log).unlink()
    assert "Traceback" not in stderr
    assert set(bytes_of_days(scene.service_dir, "enriched")) == set(scene.wanted)
    scene.check_days()

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest

from daeda.dataset.layout import Layout
from daeda.errors import InputError
from daeda.process.host import Host
from daeda.settings.runtime import RayEnvelope
from enrich.command import main
from enrich.preflight import check_enrichment
from enrich.preload import Preload
from enrich.ray import address
from enrich.ray.limits import clamp
from tests.enrich.tiny_project import DAYS, change_file, opened, write_project, write_skeleton, write_store

AGGREGATIONS = "config/training/aggregations.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_project(tmp_path)
    return tmp_path


def mistakes(root: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_enrichment(*opened(root))
    return str(caught.value).splitlines()


def run(root: Path, *words: str) -> int:
    return main(["--runtime-config-path", str(root / "config" / "training" / "runtime.yaml"), *words])


def test_nothing_is_wrong(root: Path, capsys: Any) -> None:
    assert run(root, "--check") == 0
    told = capsys.readouterr()
    assert told.err == "enrichment: items can be read, and the skeleton days that are there\n"
    assert run(root, "--stores") == 0
    again = capsys.readouterr()
    assert (again.out, again.err) == (told.out, "")
    (store,) = json.loads(told.out).values()
    assert (store["version"], len(store["content"])) == (1, 64)


@contextlib.contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """The address of a server that gives one answer to one caller; with None there is nobody at the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        if answer is None:
            listening.close()
            yield address
            return

        def serve() -> None:
            with listening.accept()[0] as caller:
                caller.recv(100)
                caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield address
        thread.join()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(None, "Connection refused"), (b"HTTP/1.1 400 Bad", "what answers there is something else"),
     (b"", "what answers there is something else")],
)  # fmt: skip
def test_no_cluster_at_the_address(root: Path, capsys: Any, answer: bytes | None, reason: str) -> None:
    with server(answer) as address:
        assert run(root, "--check", "--ray-address", address) == 2
    assert capsys.readouterr().err == (
        f"error: no Ray cluster at ray.address {address} ({reason}): start its head with `ray start --head`, correct "
        "--ray-address, or leave it out, and the run starts a Ray of its own\n"
    )


def test_a_cluster_that_does_not_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "PROBE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError) as caught:
            address.probe_address(place)
    assert str(caught.value).startswith(f"no Ray cluster at ray.address {place} (no answer in time): start")


def test_a_host_that_does_not_reach_itself(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def refused(*given: Any, **options: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(address.socket, "create_connection", refused)
    assert run(root, "--check") == 2
    assert capsys.readouterr().err == (
        "error: this host does not reach itself at 127.0.0.1 (Network is unreachable), where the processes of Ray talk "
        "to each other: bring its loopback interface up (`ip link set lo up`), or name a cluster that runs already "
        "(--ray-address)\n"
    )


def test_a_store_that_does_not_answer(root: Path) -> None:
    """Its disk is dead: whoever looks at it waits in the kernel, where no signal is heard."""
    program = """
import signal, time
import enrich.ray.supervisor

def dead(*given):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    time.sleep(100)

def check():
    import enrich.preflight, enrich.command

    enrich.preflight.open_declared = dead
    return enrich.command.main(sys.argv[1:])

raise SystemExit(enrich.ray.supervisor.supervised(check))
"""
    runtime = root / "config" / "training" / "runtime.yaml"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}", "--runtime-config-path", str(runtime), "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "DAEDA_TIMEOUTS": '{"storage_seconds": 1}'},
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: embedding store 'items': {root / 'data' / 'items.lance'} was not open within 3 s: see whether its "
        "disk or server answers, or raise timeouts.storage_seconds\n"
    )


def test_an_address_that_is_none(root: Path, capsys: Any) -> None:
    assert run(root, "--check", "--ray-address", "ray://head:10001") == 2
    assert capsys.readouterr().err == (
        "error: --ray-address: 'ray://head:10001' is not host:port, like head.example:6379, of the head of a Ray "
        "cluster\n"
    )


def test_a_store_that_does_not_exist(root: Path) -> None:
    change_file(root, AGGREGATIONS, "path: items.lance", "path: itmes.lance")
    path = root / "data" / "itmes.lance"
    hint = "correct the path or data_root, or put the data there"
    assert mistakes(root) == [f"embedding store 'items': {path} does not exist: {hint}"]
    (root / "prepare.py").touch()
    assert mistakes(root) == [
        f"embedding store 'items': {path} does not exist: make the data with `python {root / 'prepare.py'}`"
    ]


def test_a_version_that_does_not_exist(root: Path, capsys: Any) -> None:
    change_file(root, AGGREGATIONS, "version: 1", "version: 7")
    sentence = f"embedding store 'items': {root / 'data' / 'items.lance'} has no version 7; newest first it has 1"
    assert mistakes(root) == [sentence]
    assert run(root, "--check") == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"error: {sentence}\n")


def test_text_ids_for_integers(root: Path) -> None:
    write_store(root, pa.array(["a", "b"]), mode="overwrite")
    change_file(root, AGGREGATIONS, "version: 1", "version: 2")
    assert mistakes(root) == [
        f"column '{column}': the ids in '{source}' are int64, and those of embedding store 'items' ('id') are string: "
        "use a column of the same kind, or write the store with integer ids"
        for column, source in (("item_vec", "item_id"), ("likes_vec", "likes"))
    ]


def test_a_store_with_no_id_of_a_day_is_told(root: Path, capsys: Any) -> None:
    """The store has the ids 0 to 99; then it has others alone."""
    project, dag = opened(root)
    parts = sorted((root / "output/likes/skeleton/dt=2024-01-01").glob("part-*.parquet"))
    limits = clamp(RayEnvelope(num_cpus=2), Host(2, 4 * 2**30, 2**28, isolation=False))
    for ids, warned in ((None, ""), (pa.array(range(1_000, 1_100)), "120 ids")):
        shutil.rmtree(root / "data/items.lance")
        write_store(root, ids)
        preload = Preload(project, dag)
        preload.give_room(limits)
        preload.open()
        preload.needs(DAYS[0], parts)
        assert capsys.readouterr().err == (
            f"warning: day 2024-01-01: embedding store 'items' has none of its {warned}, and all of its vectors are "
            "NULL: see whether 'id' holds the ids of item_id, likes\n"
            if warned
            else ""
        )


def test_stores_that_would_give_nothing_or_anything(root: Path) -> None:
    """What is known without a vector is told before the first day."""
    path = root / "data/items.lance"
    lance.dataset(str(path)).delete("id < 100")
    change_file(root, AGGREGATIONS, "version: 1", "version: 2")
    where = f"embedding store 'items': version {{}} of {path}"
    assert mistakes(root) == [
        f"{where.format(2)} has no rows, and every vector would be NULL: write its rows, or pin another"
    ]
    for _repeated in range(2):
        write_store(root, pa.array([1, 2, 3]), mode="append")
    lance.dataset(str(path)).delete("id = 3")
    change_file(root, AGGREGATIONS, "version: 2", "version: 5")
    assert mistakes(root) == [
        f"{where.format(5)} has more than one row for id 1, 2, and which was written last is unknown because rows were "
        "deleted; write one row per id, or pin a version that was only appended to"
    ]


def test_skeleton_parts_that_cannot_be_read(root: Path) -> None:
    layout = Layout(root / "output" / "likes")
    first, second = (layout.day_dir("skeleton", day) for day in DAYS)
    (first / "part-10-0.parquet").write_bytes(b"PAR1 and no footer")
    part = write_skeleton(root, DAYS[1], {4: pa.table({"item_id": [1], "item_vec": [None], "likes": [None]})})
    assert part == second
    found = mistakes(root)
    assert found[0].startswith("skeleton of 2024-01-01: part-10-0.parquet is not a readable Parquet file (")
    assert found[0].endswith("): run `daeda pipeline train likes`, which builds the skeleton of the day anew")
    assert found[1:] == [
        "skeleton of 2024-01-02: part-4-0.parquet has no column 'likes_vec': run `daeda pipeline train likes`, which "
        "builds the skeleton of the day anew"
    ]


# The command, up to where Ray starts.


def test_a_skeleton_that_is_stale(root: Path, capsys: Any) -> None:
    assert run(root) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(
        "error: 2 skeleton days are missing or stale: 2024-01-01, 2024-01-02; the first because operator "
    )
    assert told.err.endswith("; run `daeda pipeline train likes --skeleton-only` first\n")


def test_a_service_without_enrichment(root: Path, capsys: Any) -> None:
    for name in ("item_vec", "likes_vec"):
        column = f'\n  - {{name: {name}, kind: embedding, dtype: "list<halffloat>"}}'
        change_file(root, "feature_services/likes.yaml", column, "")
        change_file(root, "config/training/runtime.yaml", f", {{name: {name}, default: null}}", "")
    (root / AGGREGATIONS).unlink()
    assert run(root) == 2
    assert capsys.readouterr().err == (
        "error: service 'likes' has no enrichment: none of its columns is of kind embedding, and its skeleton is the "
        "whole data set\n"
    )


def test_nothing_to_do_and_help_import_neither_ray_nor_lance(root: Path) -> None:
    """Where no day is planned none is built; what is imported is seen in a process of its own.

    What a run left that was killed behind its last day is cleared.
    """
    left = root / "output" / "likes" / "_staging" / "run-dead" / "work"
    left.mkdir(parents=True)
    program = (
        "import sys\n"
        "from enrich import command\n"
        "command._enriched_days = lambda *given: ()\n"
        f"code = command.main(['--runtime-config-path', {str(root / 'config' / 'training' / 'runtime.yaml')!r}])\n"
        "assert not {'ray', 'lance'} & set(sys.modules), 'heavy'\n"
        "raise SystemExit(code)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "enriched: all 0 days are there already\n")
    assert result.stdout == f"{root / 'output' / 'likes' / 'enriched'}\n"
    assert not left.parent.exists()
    program = "import sys, enrich.command\nassert not {'ray', 'lance', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unknown_flag(capsys: Any) -> None:
    assert main(["--chek"]) == 2
    assert capsys.readouterr().err.startswith("error: python -m enrich: unknown flag '--chek': did you mean '--check'?")

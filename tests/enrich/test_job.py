from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray import cloudpickle

from beam_pipeline.command import main as skeleton_command
from daeda.compiler.compile import compile_runnable
from daeda.dataset.fingerprint import enriched_fingerprint
from daeda.dataset.layout import Layout, part_name, parts_in_order
from daeda.dataset.manifest import ColumnStatistics, Manifest, read_manifest
from daeda.dataset.profile import read_profile
from daeda.errors import DayError, InputError, Interrupted
from daeda.planning.days import plan_skeleton
from daeda.planning.enriched_days import plan_enriched
from daeda.planning.sources import find_sources
from daeda.settings.runtime import RayEnvelope
from daeda.storage.regular import file_digest
from enrich import job
from enrich.command import main as enrichment_command
from enrich.job import EnrichRun, build_enriched
from enrich.part.part import enrich_part
from enrich.part.skeleton import needed_ids
from enrich.part.task import PartTask
from enrich.preflight import identify_stores
from enrich.preload import Preload, vector_columns
from enrich.ray import actors, own_ray, session, stream, time_limits
from enrich.ray.idle_services import STAND_IN
from enrich.ray.initialize import stdout_closed
from enrich.ray.limits import clamp
from enrich.store.store import open_store
from enrich.store.vectors import DayVectors
from tests.beam_pipeline.extending import build as extend_skeleton
from tests.enrich import test_extending as extending
from tests.enrich.maturing import maturing_project, state_of_output
from tests.enrich.tiny_project import (
    DAYS,
    PARTS,
    ROWS,
    change_file,
    day_rows,
    opened,
    write_project,
    write_skeleton,
    write_store,
)
from tests.projects import moment

pytestmark = [
    pytest.mark.filterwarnings("ignore:lance is not fork-safe:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
]

# Workers do not know this module: what is defined here travels as code.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="session")
def running_ray() -> Iterator[None]:
    """One Ray for all tests of this module that run in this process."""
    from daeda.process.host import Host

    with session.ray_session(clamp(RayEnvelope(num_cpus=4), Host(4, 4 * 2**30, 2**28, isolation=False))):
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_project(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _one_actor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each actor takes seconds of the processor to start: a test that needs several asks for them."""
    if "several_actors" not in request.fixturenames:
        limits_of = job._ray_limits
        monkeypatch.setattr(job, "_ray_limits", lambda project: dataclasses.replace(limits_of(project), actors=1))


@pytest.fixture
def several_actors() -> None:
    """As many actors as the limits give."""


def build(root: Path, days: tuple[dt.date, ...] = DAYS, **settings: Any) -> None:
    """As `ray_session` does for the whole of a run: a thread of Ray's prints on stdout that a worker has died."""
    with stdout_closed():
        build_enriched(EnrichRun(*opened(root, **settings), days))


def enriched(root: Path, day: dt.date = DAYS[0]) -> Path:
    return Layout(root / "output" / "likes").day_dir("enriched", day)


def manifest_of(directory: Path) -> Manifest:
    found = read_manifest(directory)
    assert found is not None
    return found


def assert_nothing_published(root: Path) -> None:
    assert not list((root / "output" / "likes").glob("enriched/dt=*"))
    assert_no_staging(root)


def assert_no_staging(root: Path) -> None:
    assert not list((root / "output" / "likes" / "_staging").glob("run-*"))


def digests(root: Path, day: dt.date = DAYS[0]) -> list[str]:
    return [part.sha256 for part in manifest_of(enriched(root, day)).parts]


def single_process(root: Path, day: dt.date) -> list[str]:
    """What a plain loop over the parts writes."""
    project, dag = opened(root)
    store = open_store("items", str(root / "data" / "items.lance"), "id", "vec", 4, 1)
    columns = vector_columns(dag)
    skeleton = Layout(project.service_dir).day_dir("skeleton", day)
    parts = [skeleton / part_name(number) for number in range(PARTS)]
    vectors = DayVectors.load(store, store.row_map(), needed_ids(parts, columns))
    tasks = [PartTask(str(path), str(root / path.name), number, 1000, columns) for number, path in enumerate(parts)]
    return [enrich_part(task, {"items": vectors}).sha256 for task in tasks]


@pytest.mark.cases
def test_a_profile_has_the_steps_of_each_day(root: Path, running_ray: None) -> None:
    build_enriched(EnrichRun(*opened(root), DAYS, profile=True))
    _, dag = opened(root)
    columns = [f"{enrichment.kind} {enrichment.column}" for enrichment in dag.enrichments]
    for day in DAYS:
        profile = read_profile(Layout(root / "output" / "likes"), "enriched", day)
        assert profile is not None
        steps = {one.operator: one for one in profile.operators}
        assert list(steps) == ["preload", "read skeleton", *columns, "write part", "publish"]
        manifest = manifest_of(enriched(root, day))
        assert {steps[name].rows for name in ("read skeleton", *columns, "write part")} == {manifest.rows}
        assert steps["write part"].written_bytes >= sum(part.size for part in manifest.parts)
        assert all(operator.peak_bytes > 2**20 for operator in profile.operators)
        waiting = profile.waiting
        assert waiting is not None
        assert waiting.actors == 1
        assert waiting.parts + waiting.vectors > 0
        assert waiting.wall_seconds > 0


def test_days_are_enriched_in_order_and_published(
    root: Path, running_ray: None, several_actors: None, capfd: Any
) -> None:
    build(root)
    for day in DAYS:
        directory = enriched(root, day)
        manifest = manifest_of(directory)
        names = [part_name(number) for number in range(PARTS)]
        assert [part.name for part in manifest.parts] == names
        assert parts_in_order(path.name for path in directory.glob("*.parquet")) == names
        whole = pa.concat_tables(pq.read_table(directory / name) for name in names)
        given = day_rows(day)
        assert whole.column_names == given.column_names
        assert whole.drop_columns(["item_vec", "likes_vec"]).equals(given.drop_columns(["item_vec", "likes_vec"]))
        assert digests(root, day) == single_process(root, day)
        project, dag = opened(root)
        skeleton = manifest_of(Layout(root / "output" / "likes").day_dir("skeleton", day))
        assert manifest.columns[:4] == skeleton.columns[:4]
        assert manifest.columns[4:] == tuple(
            ColumnStatistics(name, "list<halffloat>", whole.column(name).null_count)
            for name in ("item_vec", "likes_vec")
        )
        assert manifest.columns[4].nulls == sum(i is None or i >= 100 for i in given.column("item_id").to_pylist())
        assert manifest.fingerprint == enriched_fingerprint(dag, skeleton.parts, identify_stores(project, dag))
        assert (manifest.dataset, manifest.rows, manifest.day) == ("enriched", PARTS * ROWS, day.isoformat())
        assert sorted(manifest.seconds) == ["enrich", "preload", "publish"]
        assert sorted(manifest.software) == ["daeda", "pyarrow", "pylance", "ray"]
    assert_no_staging(root)
    told = capfd.readouterr()
    assert told.out == ""
    for line in told.err.splitlines():
        assert line.startswith(("enriched 2024-01-0", "resource envelope clamped")), line


def test_a_ray_of_the_run_s_own_has_its_servers_and_workers_and_nothing_else(running_ray: None) -> None:
    node: Any = ray._private.worker._global_node
    servers = {info.process.pid for kind in node.all_processes.values() for info in kind}
    below = {child for pid in servers for child in psutil.Process(pid).children()}
    # One that has gone meanwhile has no words.
    words = {child: words_of(child) for child in below}
    stand_ins = [child for child in below if STAND_IN in words[child]]
    assert set(node.all_processes) == {"gcs_server", "raylet"}
    assert len(stand_ins) == 2
    for child in below.difference(stand_ins):
        assert not words[child] or words[child][0].startswith("ray::") or "default_worker.py" in " ".join(words[child])


def words_of(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        words: list[str] = process.cmdline()
        return words
    return []


@pytest.mark.some(1, cases=3)
@pytest.mark.parametrize(("room", "preload", "count"), [(False, True, 2), (True, True, 1), (True, False, 2)])
def test_bytes_do_not_depend_on_preload_or_actors(
    root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch, capfd: Any, room: bool, preload: bool, count: int
) -> None:
    before = job._ray_limits(opened(root)[0])
    changed = dataclasses.replace(before, actors=count, **({} if room else {"object_store_bytes": 5}))
    monkeypatch.setattr(job, "_ray_limits", lambda project: changed)
    build(root, DAYS[:1], ray={"preload_day_embeddings": preload})
    assert digests(root) == single_process(root, DAYS[0])
    assert [line for line in capfd.readouterr().err.splitlines() if "batch by batch" in line] == (
        []
        if room
        else [
            "day 2024-01-01: the vectors of embedding store 'items' take 0.0 MiB and the object store has 0.0 MiB left "
            "for them: they are read batch by batch"
        ]
    )


@pytest.mark.cases
def test_ray_hands_out_the_last_positions_first(
    root: Path, running_ray: None, several_actors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ray.data.from_items
    monkeypatch.setattr(ray.data, "from_items", lambda rows, **options: original(rows[::-1], **options))
    build(root)
    assert [digests(root, day) for day in DAYS] == [single_process(root, day) for day in DAYS]


def test_a_failing_part_publishes_nothing(root: Path, running_ray: None, capfd: Any) -> None:
    part = day_rows(DAYS[0]).slice(3 * ROWS, ROWS)
    full = pa.array([[1.0]] * ROWS, part.schema.field("item_vec").type)
    directory = write_skeleton(root, DAYS[0], {3: part.set_column(4, "item_vec", full)})
    with pytest.raises(DayError) as caught:
        build(root)
    assert str(caught.value) == (
        f"day 2024-01-01: {directory / 'part-3-0.parquet'}: column 'item_vec' is the placeholder of an embedding and "
        "holds values; build the skeleton again"
    )
    assert_nothing_published(root)
    assert "Traceback" not in capfd.readouterr().err


def test_the_first_failure_ends_the_run_and_published_days_stay(root: Path, running_ray: None) -> None:
    part = Layout(root / "output" / "likes").day_dir("skeleton", DAYS[1]) / part_name(10)
    content = part.read_bytes()
    part.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(DayError) as caught:
        build(root)
    assert str(caught.value) == (
        f"day 2024-01-02: its skeleton is damaged: {part}: the bytes on disk are not those that were written: run "
        "`daeda pipeline train likes`, which builds the skeleton of the day anew and enriches it"
    )
    assert digests(root, DAYS[0]) == single_process(root, DAYS[0])
    assert not enriched(root, DAYS[1]).exists()
    assert_no_staging(root)


def test_a_skeleton_that_is_replaced_while_it_is_enriched_gives_no_day(
    root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace_the_skeleton(self: Any, *given: Any) -> Any:
        write_skeleton(root, DAYS[0], {0: day_rows(DAYS[0]).slice(1, ROWS)})
        return original(self, *given)

    original = stream.PartStream.next_receipt
    monkeypatch.setattr(stream.PartStream, "next_receipt", replace_the_skeleton)
    with pytest.raises(DayError) as caught:
        build(root)
    skeleton = Layout(root / "output" / "likes").day_dir("skeleton", DAYS[0])
    assert str(caught.value) == (f"day 2024-01-01: {skeleton} was replaced or removed while it was enriched: run again")
    assert_nothing_published(root)


def _other_rows(part: Path) -> None:
    """Another part of as many rows in its place, of the same size and mtime."""
    before = part.stat()
    fresh = part.with_name("_fresh")
    content = bytearray(part.read_bytes())
    content[20] ^= 1
    fresh.write_bytes(content)
    fresh.replace(part)
    os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert part.stat().st_size == before.st_size


def _put_back(part: Path) -> None:
    """Another one is there for a while, and nobody can say who has read it."""
    kept = part.with_name("_kept")
    part.rename(kept)
    part.write_bytes(b"other")
    kept.replace(part)


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize(
    "change", [_other_rows, _put_back, Path.unlink, Path.touch, lambda part: os.truncate(part, 99)]
)
def test_a_part_of_the_skeleton_that_changes_behind_its_check_gives_no_day(
    root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    part = Layout(root / "output" / "likes").day_dir("skeleton", DAYS[0]) / part_name(3)
    kept = part.read_bytes()

    def change_before_the_actors_read(self: Any, *given: Any) -> Any:
        if not changed:
            changed.append(part)
            change(part)
        return original(self, *given)

    changed: list[Path] = []
    original = stream.PartStream.post
    with monkeypatch.context() as patched:
        patched.setattr(stream.PartStream, "post", change_before_the_actors_read)
        with pytest.raises(DayError) as caught:
            build(root)
    assert str(part) in str(caught.value)
    assert str(caught.value).startswith("day 2024-01-01: ")
    assert str(caught.value).endswith(": run again")
    assert changed
    assert_nothing_published(root)
    part.write_bytes(kept)
    build(root, DAYS[:1])
    assert digests(root) == single_process(root, DAYS[0])


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("preload", [True, False])
def test_a_store_that_is_written_anew_before_the_actors_open_it(
    root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch, preload: bool
) -> None:
    """Version 1 of another store lies at the same path: what was planned with is what is read, or nothing is."""
    project, dag = opened(root, ray={"preload_day_embeddings": preload})
    run = EnrichRun(project, dag, DAYS[:1], stores=identify_stores(project, dag))
    real = Preload.open_for if preload else Preload.load

    def anew(self: Preload, *given: Any) -> Any:
        found = None if preload else real(self, *given)
        shutil.rmtree(root / "data" / "items.lance")
        write_store(root)
        return real(self, *given) if preload else found

    monkeypatch.setattr(Preload, "open_for" if preload else "load", anew)
    with pytest.raises(DayError) as caught:
        build_enriched(run)
    day = "" if preload else "day 2024-01-01: "
    assert str(caught.value) == (
        f"{day}embedding store 'items': version 1 of {root / 'data' / 'items.lance'} is another one than when this run "
        "began: run again when nobody writes it anew"
    )
    assert_nothing_published(root)


def test_a_null_where_none_may_be(root: Path, running_ray: None) -> None:
    change_file(root, "feature_services/likes.yaml", 'item_vec, kind: embedding, dtype: "list<halffloat>"',
                'item_vec, kind: embedding, dtype: "list<halffloat>", nullable: false')  # fmt: skip
    ids = day_rows(DAYS[0]).column("item_id").to_pylist()
    with pytest.raises(DayError) as caught:
        build(root)
    count = sum(found is None or found >= 100 for found in ids)
    assert str(caught.value) == (
        f"day 2024-01-01: column 'item_vec' must not be NULL, and {count} rows have none, the first of them row 0 of "
        "part-0-0.parquet: add the missing vectors to the store, or say nullable: true"
    )
    assert_nothing_published(root)


def test_a_day_without_skeleton(root: Path) -> None:
    skeleton = Layout(root / "output" / "likes").day_dir("skeleton", DAYS[1])
    shutil.rmtree(skeleton)
    with pytest.raises(InputError) as caught:
        build(root)
    assert str(caught.value) == (
        f"day 2024-01-02 has no skeleton in {skeleton}: run `daeda pipeline train likes --skeleton-only` first"
    )
    assert_nothing_published(root)


# Actors that die, and days that take too long.


class DyingWorker(actors.PartWorker):
    """Dies in part 5, as often as the file in DEATHS says."""

    def result(self, task: PartTask, vectors: Any) -> bytes:
        left = Path(task.skeleton).parents[2] / "deaths"
        if task.number == 5 and left.exists():
            deaths = int(left.read_text())
            if deaths:
                left.write_text(str(deaths - 1))
                os.kill(os.getpid(), signal.SIGKILL)
        return super().result(task, vectors)


LATE = (
    "not done after 2 minutes; raise ray.day_timeout_minutes (--ray-day-timeout-minutes), or give the run more CPUs "
    "(--ray-num-cpus)"
)


class SlowWorker(actors.PartWorker):
    def result(self, task: PartTask, vectors: Any) -> bytes:
        time.sleep(0.5)
        return super().result(task, vectors)


def test_a_killed_actor_is_replaced(
    root: Path, running_ray: None, several_actors: None, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(stream, "PartWorker", DyingWorker)
    deaths = root / "output" / "likes" / "deaths"
    deaths.write_text("1")
    build(root, DAYS[:1])
    assert deaths.read_text() == "0"
    assert digests(root) == single_process(root, DAYS[0])
    for line in capfd.readouterr().err.splitlines():
        assert line.startswith(("enriched 2024-01-0", "resource envelope clamped")), line


@pytest.mark.cases
def test_an_actor_that_dies_every_time_ends_the_day(
    root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(stream, "PartWorker", DyingWorker)
    (root / "output" / "likes" / "deaths").write_text("1000")
    with pytest.raises(DayError) as caught:
        build(root)
    assert str(caught.value) == (
        "day 2024-01-01: an actor was lost or ran out of memory (part-5-0.parquet, 3 times); lower enrich_batch_rows, "
        "give fewer CPUs (--ray-num-cpus), or more memory; Ray's logs are in "
        f"{own_ray._OWN_DIRECTORIES[0].logs}"
    )
    assert_nothing_published(root)
    assert "Traceback" not in capfd.readouterr().err


def test_a_day_has_its_time(root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_and_hurry(self: Any, time_limit: Any) -> None:
        wait(self, time_limit)
        monkeypatch.setattr(time_limits, "MINUTE_SECONDS", 0.5)

    wait = stream.PartStream.wait_for_actors
    monkeypatch.setattr(stream.PartStream, "wait_for_actors", wait_and_hurry)
    monkeypatch.setattr(stream, "PartWorker", SlowWorker)
    with pytest.raises(DayError) as caught:
        build(root, ray={"day_timeout_minutes": 2})
    assert str(caught.value) == f"day 2024-01-01: {LATE}"
    assert_nothing_published(root)


def test_actors_that_do_not_come_are_told_with_rays_logs(
    root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limits, "MINUTE_SECONDS", 0.1)
    # Logs that were named would stay.
    monkeypatch.setattr(stream, "with_logs", lambda sentence: f"{sentence}; and the logs")
    with pytest.raises(DayError) as caught:
        build(root, ray={"day_timeout_minutes": 2})
    assert str(caught.value) == f"day 2024-01-01: none of Ray's actors has begun: {LATE}; and the logs"
    assert_nothing_published(root)


class ToldWorker(actors.PartWorker):
    def result(self, task: PartTask, vectors: Any) -> bytes:
        (Path(task.skeleton).parents[2] / "niceness").write_text(str(os.nice(0)))
        return super().result(task, vectors)


def commands_of_this_ray() -> list[str]:
    """The processes of this module's Ray, actors included: another module may have one of its own in this process."""
    directory = str(ray._private.worker.global_worker.node.get_session_dir_path())
    commands: dict[int, str] = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if directory in " ".join(process.cmdline()):
                own = [process, *process.children(recursive=True)]
                commands |= {one.pid: " ".join(one.cmdline()) for one in own}
    return list(commands.values())


def test_ray_starts_nothing_that_a_run_has_no_use_for(
    root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def look(self: Any, *given: Any) -> Any:
        seen.extend(commands_of_this_ray())
        return original(self, *given)

    original = stream.PartStream.next_receipt
    monkeypatch.setattr(stream.PartStream, "next_receipt", look)
    build(root, DAYS[:1])
    assert any("raylet" in command for command in seen)
    assert any("MapWorker" in command for command in seen)
    idle = ("monitor.py", "dashboard.py", "ActorLocationTracker", "_StatsActor", "_AutoscalingCoordinatorActor")
    assert not [command for command in seen if any(name in command for name in idle)]


def test_actors_get_as_much_of_a_processor_as_the_run(
    root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At Ray's own niceness of 15 they get a thirtieth: a day on a busy machine was not done in time."""
    monkeypatch.setattr(stream, "PartWorker", ToldWorker)
    build(root, DAYS[:1])
    assert [path.read_text() for path in root.rglob("niceness")] == [str(os.nice(0))]


def test_a_signal_ends_the_run(root: Path, running_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    def stop_at_part_2(self: Any, *given: Any) -> Any:
        if next(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return original(self, *given)

    original = stream.PartStream.next_receipt
    monkeypatch.setattr(stream.PartStream, "next_receipt", stop_at_part_2)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as caught:
        build(root)
    assert str(caught.value) == "interrupted by SIGINT"
    assert signal.getsignal(signal.SIGINT) is before
    assert_nothing_published(root)


# The real thing, with a Ray of its own.

SLOW = """
import sys
from enrich.ray.supervisor import supervised

def slow():
    import time
    import enrich.ray.stream

    class Slow(enrich.ray.stream.PartWorker):
        def result(self, task, vectors):
            time.sleep(0.25)
            return super().result(task, vectors)

    enrich.ray.stream.PartWorker = Slow
    from enrich.command import main
    return main(sys.argv[1:])

raise SystemExit(supervised(slow))
"""


def command(root: Path, *words: str) -> list[str]:
    runtime = root / "config" / "training" / "runtime.yaml"
    return [sys.executable, *words, "--runtime-config-path", str(runtime), "--on-stale", "keep"]


@pytest.mark.cases
def test_the_command(root: Path) -> None:
    result = subprocess.run(command(root, "-m", "enrich"), capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{root / 'output' / 'likes' / 'enriched'}\n"
    for line in result.stderr.splitlines():
        assert line.startswith(("enriched 2024-01-0", "resource envelope clamped")), line
    assert [digests(root, day) for day in DAYS] == [single_process(root, day) for day in DAYS]


AUDITED = """
import os
import sys
from enrich.ray.supervisor import supervised

def audited():
    import enrich.job

    original = enrich.job.in_background

    def look(event, given):
        if event == "os.unsetenv" or event == "os.putenv" and os.fsdecode(given[0]) not in os.environ:
            print(event, os.fsdecode(given[0]), file=sys.stderr)

    def begin(work):
        sys.addaudithook(look)
        return original(work)

    enrich.job.in_background = begin
    from enrich.command import main
    return main(sys.argv[1:])

raise SystemExit(supervised(audited))
"""


@pytest.mark.cases
def test_no_variable_is_new_while_stores_are_read(root: Path) -> None:
    """Threads of Lance read the environment, whose table a new variable moves: they would read what was given back."""
    script = root / "audited.py"
    script.write_text(AUDITED)
    result = subprocess.run(command(root, str(script)), capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    assert [line for line in result.stderr.splitlines() if line.startswith("os.")] == []
    assert [digests(root, day) for day in DAYS] == [single_process(root, day) for day in DAYS]


@pytest.mark.cases
def test_the_command_on_a_cluster_that_runs_already(root: Path, running_ray: None) -> None:
    """The Ray of these tests is the cluster: it is joined by the command, and stays."""
    address = ray.get_runtime_context().gcs_address
    result = subprocess.run(
        command(root, "-m", "enrich", "--ray-address", address),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{root / 'output' / 'likes' / 'enriched'}\n"
    assert [digests(root, day) for day in DAYS] == [single_process(root, day) for day in DAYS]
    assert ray.cluster_resources()["CPU"] == 4


@pytest.mark.cases
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command(root: Path, number: signal.Signals) -> None:
    (root / "slow.py").write_text(SLOW)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(
        command(root, str(root / "slow.py")), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 240
        while not enriched(root, DAYS[0]).exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) > 2
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not [child.cmdline() for child in alive]
    assert (process.returncode, out) == (130, "")
    *lines, last = err.splitlines()
    assert last == f"error: interrupted by {number.name}"
    for line in lines:
        assert line.startswith(("enriched 2024-01-0", "resource envelope clamped")), line
    assert "Traceback" not in err
    assert digests(root, DAYS[0]) == [file_digest(enriched(root) / part_name(i)) for i in range(PARTS)]
    assert not enriched(root, DAYS[1]).exists()
    assert_no_staging(root)


def test_days_that_keep_some_vectors(tmp_path: Path, running_ray: None, capfd: pytest.CaptureFixture[str]) -> None:
    """One day is extended, and one is enriched whole, since a part of it is damaged by the time when it is read."""
    project = extending.made(tmp_path)
    project.runtime["feed_end"] = "2024-01-03"
    extend_skeleton(project, "output")
    days = (dt.date(2024, 1, 2), dt.date(2024, 1, 3))
    for output in ("output", "again"):
        if output == "again":
            extending.other_ids(project)
            extend_skeleton(project, "output")
            extend_skeleton(project, "again", extend=False)
        for day in days:
            extending.enrich(project, output, day=day)
    project.runtime["output_root"] = "output"
    loaded = project.write().load()
    dag = compile_runnable(loaded)
    sources = find_sources(loaded, dag.skeleton())
    stores = identify_stores(loaded, dag, None)
    skeleton = plan_skeleton(loaded, dag.skeleton(), sources, days, "rebuild")
    plans = plan_enriched(loaded, dag, skeleton, "rebuild", lambda: stores)
    extensions = {plan.day: plan.extension for plan in plans if plan.extension is not None}
    assert {day: one.vectors for day, one in extensions.items()} == dict.fromkeys(days, ("taste",))
    damaged = tmp_path / f"output/ranking/enriched/dt={days[1]}/part-0-0.parquet"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    capfd.readouterr()
    build_enriched(EnrichRun(loaded, dag, days, stores=stores, extensions=lambda: extensions))
    told = capfd.readouterr().err
    assert "enriched 2024-01-03: not extended, and built anew: " in told
    assert "enriched 2024-01-02: not extended" not in told
    for day in days:
        (found, wanted) = (
            [path.read_bytes() for path in sorted((tmp_path / output).glob(f"ranking/enriched/dt={day}/*.parquet"))]
            for output in ("output", "again")
        )
        assert found == wanted


def both_halves(root: Path) -> None:
    words = ["--runtime-config-path", str(root / "config" / "training" / "runtime.yaml")]
    assert skeleton_command(words) == 0
    assert enrichment_command(words) == 0


@pytest.mark.cases
def test_a_day_that_matures_between_two_runs_is_built_and_nothing_else_is_touched(
    tmp_path: Path, running_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    made = maturing_project(tmp_path)
    both_halves(tmp_path)
    waits = "1 day left out, waiting for labels (2024-01-03): sold matures 2024-01-05 (needs sales up to dt=2024-01-04)"
    told = capsys.readouterr().err
    assert f"skeleton: {waits}\n" in told
    assert f"enriched: {waits}\n" in told
    first = state_of_output(tmp_path)
    assert {Path(name).parent.as_posix() for name in first} == {
        f"{dataset}/dt=2024-01-0{day}" for dataset in ("skeleton", "enriched") for day in (1, 2)
    }
    later = [(10, moment("04 07:59")), (10, moment("04 08:00")), (10, moment("04 08:01"))]
    made.data = {"sales": later}
    made.write_data()
    both_halves(tmp_path)
    assert "waiting for labels" not in capsys.readouterr().err
    second = state_of_output(tmp_path)
    assert {name: state for name, state in second.items() if "dt=2024-01-03" not in name} == first
    rows = pq.read_table(tmp_path / "output/ranking/enriched/dt=2024-01-03", partitioning=None)
    # Both rows are of item 10 and of 08:00: the sales at 12:00, and those of the next day until 08:00.
    assert rows.column("sold").to_pylist() == [3, 3]
    both_halves(tmp_path)
    assert state_of_output(tmp_path) == second

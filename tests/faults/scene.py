"""The project that faults strike, and what must hold after each of them.

A scene has one small project without an enrichment, and output roots in three states: `empty`, `stale`, where every
day was published with another rows_per_part and is built anew, and `extended`, where every day keeps all columns but
one. An undisturbed run says what every day has to hold in the end.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from daeda.dataset.layout import Layout
from daeda.dataset.manifest import read_manifest
from daeda.dataset.publish.staging import repair
from tests.faults.fault import Fault
from tests.faults.warm import TAG, Child, Warm
from tests.projects import TinyProject, moment

Days = dict[str, dict[str, str]]
DAYS = 3
OLD_ROWS_PER_PART = 4
# What a run removes when its last day is published.
STEPS_OF_THE_END = 25
# How long a process may live on that can write.
SECONDS_TO_END = 10.0
# Every child that starts below a scene has this in its output root.
STATES = ("empty", "stale", "extended")
# What the days of before have in the place of a column without a default.
PRICES = ("- name: price\n  kind: point_in_time\n", "- name: price\n  default: 7.5\n  kind: point_in_time\n")


def small_project(root: Path) -> TinyProject:
    """Three days with several parts each, and a rolling list: every stage is there."""
    project = TinyProject(root).without("item_vector")
    project.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    project.base = {"history_len": 3}
    project.runtime |= {"feed_start": "2024-01-02", "feed_end": f"2024-01-0{1 + DAYS}", "day_workers": 2}
    project.runtime |= {"rows_per_part": 3, "compute": {"duckdb_config": {"threads": 2, "memory_limit": "400MiB"}}}
    project.views["prices"]["source"]["missing_partitions"] = "empty"
    project.data["events"] = [
        (user, 10 + user % 2, moment(f"0{day} 12:00"), float(user)) for day in range(1, 2 + DAYS) for user in range(5)
    ]
    return project.write().write_data()


def bytes_of_days(service_dir: Path, dataset: str = "skeleton") -> Days:
    """The digest of every part, by day and name. A day that is not whole is an AssertionError."""
    days: Days = {}
    for directory in sorted((service_dir / dataset).glob("*")):
        manifest = read_manifest(directory)
        assert manifest is not None, f"{directory} has no manifest: {sorted(directory.iterdir())}"
        names = sorted(path.name for path in directory.iterdir())
        assert names == sorted(["_manifest.json", *(part.name for part in manifest.parts)]), directory
        days[directory.name] = {}
        for part in manifest.parts:
            content = (directory / part.name).read_bytes()
            assert len(content) == part.size, directory / part.name
            days[directory.name][part.name] = hashlib.sha256(content).hexdigest()
            assert days[directory.name][part.name] == part.sha256, directory / part.name
    return days


def size_of_days(service_dir: Path, dataset: str = "skeleton") -> int:
    return sum(path.stat().st_size for path in (service_dir / dataset).glob("dt=*/*.parquet"))


def alive(tag: str) -> list[psutil.Process]:
    """The processes of a run that are alive, whoever is their parent now: with its tag, or at work in its directory.

    Ray's workers write their title over their environment.
    """
    processes = []
    for process in psutil.process_iter():
        try:
            if tag in (process.environ().get(TAG), process.cwd()) and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return processes


def assert_nobody_is_left(tag: str) -> None:
    """Nothing that can write is alive after SECONDS_TO_END."""
    until = time.monotonic() + SECONDS_TO_END
    while left := alive(tag):
        assert time.monotonic() < until, [process.cmdline() for process in left]
        time.sleep(0.05)


def left_in_staging(service_dir: Path) -> list[str]:
    return sorted(path.name for path in (service_dir / "_staging").glob("run-*"))


@dataclass
class Scene:
    """The project, a warm process for its commands, and the bytes before and after by state of the output root.

    `steps` are those of a whole run, `steps_extending` those from the first that copies to the last that publishes.
    """

    root: Path
    warm: Warm
    project: TinyProject
    old: Days = field(default_factory=dict)
    to_extend: Days = field(default_factory=dict)
    wanted: Days = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    steps_extending: int = 0
    bytes_compared: int = 0
    number: int = 0

    @classmethod
    def make(cls, root: Path, warm: Warm) -> Scene:
        """Build all states without any fault."""
        scene = cls(root, warm, small_project(root / "project"))
        stale = scene.root / "stale"
        scene.succeed(stale, DAEDA_ROWS=OLD_ROWS_PER_PART)
        scene.old = bytes_of_days(stale / "ranking")
        scene.publish_other_prices(scene.root / "extended")
        scene.to_extend = bytes_of_days(scene.root / "extended" / "ranking")
        for state in STATES:
            output = scene.output(state)
            child = scene.succeed(output)
            days = bytes_of_days(output / "ranking")
            assert scene.wanted in ({}, days)
            scene.wanted, scene.steps[state] = days, child.steps
            manifests = [read_manifest(path) for path in (output / "ranking/skeleton").iterdir()]
            assert all(("extend" in made.seconds) == (state == "extended") for made in manifests if made is not None)
        child = scene.succeed(scene.output("extended"), fault=Fault(0, extending=True))
        scene.steps_extending = child.steps - STEPS_OF_THE_END
        assert len(scene.wanted) == DAYS
        assert scene.wanted not in (scene.old, scene.to_extend)
        return scene

    def publish_other_prices(self, output: Path) -> None:
        """Publish days that have other values in one column."""
        path = self.project.root / "feature_services/ranking.yaml"
        before = path.read_text()
        assert PRICES[0] in before
        path.write_text(before.replace(*PRICES))
        try:
            self.succeed(output)
        finally:
            path.write_text(before)

    def output(self, state: str) -> Path:
        """A new output root in a state."""
        self.number += 1
        output = self.root / f"output-{self.number}"
        if state != "empty":
            shutil.copytree(self.root / state, output)
        else:
            output.mkdir()
        return output

    def words(self, output: Path) -> list[str]:
        return ["--runtime-config-path", str(self.project.runtime_path), "--output-root", str(output)]

    def start(self, output: Path, *more: str, **options: object) -> Child:
        """Start the skeleton into an output root."""
        self.number += 1
        said = self.root / "said" / str(self.number)
        return self.warm.start(said, [*self.words(output), *more], below=output, tag=str(output), **options)  # type: ignore[arg-type]

    def succeed(self, output: Path, **settings: object) -> Child:
        """A plain run to its end; `DAEDA_ROWS` is another rows_per_part."""
        rows = settings.pop("DAEDA_ROWS", None)
        path = self.project.runtime_path
        before = path.read_text()
        if rows is not None:
            path.write_text(before.replace("rows_per_part: 3", f"rows_per_part: {rows}"))
        try:
            child = self.start(output, **settings)
            code = child.wait()
        finally:
            path.write_text(before)
        assert code == 0, child.stderr
        return child

    def check_after_fault(self, output: Path, state: str) -> None:
        """Days are whole, old or new; nobody is left; a repair brings back what was set aside."""
        service_dir = output / "ranking"
        assert_nobody_is_left(str(output))
        self._check_days(service_dir)
        repair(Layout(service_dir))
        days = self._check_days(service_dir)
        if state != "empty":
            assert sorted(days) == sorted(self.old)
        assert left_in_staging(service_dir) == []

    def check_after_rerun(self, output: Path) -> None:
        """A plain run ends well, with the wanted bytes, and leaves nothing in staging."""
        self.succeed(output)
        service_dir = output / "ranking"
        assert bytes_of_days(service_dir) == self.wanted
        self.bytes_compared += size_of_days(service_dir)
        assert left_in_staging(service_dir) == []
        shutil.rmtree(output)

    def _check_days(self, service_dir: Path) -> Days:
        days = bytes_of_days(service_dir)
        for day, parts in days.items():
            assert parts in (self.wanted[day], self.old[day], self.to_extend[day]), day
        self.bytes_compared += size_of_days(service_dir)
        return days

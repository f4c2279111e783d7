"""Enriched days that are extended while faults strike: their vectors are kept, and neither a store nor Ray is needed.

A scene has one small project with two columns of vectors, and an output root whose skeleton has one column more than
its enriched days. A day that is enriched anew says what each has to hold in the end.
"""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from daeda.dataset.layout import Layout
from daeda.dataset.manifest import read_manifest
from daeda.dataset.publish.staging import repair
from tests.faults.fault import Fault
from tests.faults.scene import Days, assert_nobody_is_left, bytes_of_days, left_in_staging, size_of_days
from tests.faults.warm import Child, Warm
from tests.projects import TinyProject

DAYS = (dt.date(2024, 1, 2), dt.date(2024, 1, 3))
# What a run removes when its last day is published.
STEPS_OF_THE_END = 10


@dataclass
class EnrichedScene:
    """The project, a warm process for its commands, and the bytes of the days before and after.

    `steps` are those from the first block that is copied to the last publication.
    """

    root: Path
    warm: Warm
    project: TinyProject
    skeleton: Days = field(default_factory=dict)
    old: Days = field(default_factory=dict)
    wanted: Days = field(default_factory=dict)
    steps: int = 0
    bytes_compared: int = 0
    number: int = 0

    @classmethod
    def make(cls, root: Path, warm: Warm) -> EnrichedScene:
        """Build the days that are to be extended, and those that are to come of it, without any fault."""
        # What they import takes seconds.
        from tests.beam_pipeline.extending import build
        from tests.enrich.test_extending import add_column, enrich, made

        project = made(root / "project")
        project.runtime["feed_end"] = str(DAYS[-1])
        scene = cls(root, warm, project)
        build(project, "to_extend")
        for day in DAYS:
            enrich(project, "to_extend", day=day)
        scene.old = bytes_of_days(scene.to_extend / "ranking", "enriched")
        add_column(project)
        build(project, "anew", extend=False)
        for day in DAYS:
            enrich(project, "anew", day=day)
        scene.wanted = bytes_of_days(project.root / "anew" / "ranking", "enriched")
        build(project, "to_extend")
        scene.skeleton = bytes_of_days(scene.to_extend / "ranking")
        output = scene.output()
        child = scene.succeed(output, Fault(0, extending=True))
        scene.steps = child.steps - STEPS_OF_THE_END
        manifests = [read_manifest(path) for path in (output / "ranking" / "enriched").iterdir()]
        assert all("extend" in manifest.seconds for manifest in manifests if manifest is not None)
        scene.check(output, (scene.wanted,))
        assert len(scene.wanted) == len(DAYS)
        assert all(scene.wanted[day] != scene.old[day] for day in scene.wanted)
        return scene

    @property
    def to_extend(self) -> Path:
        """The output root whose enriched days lack a column."""
        return self.project.root / "to_extend"

    def output(self) -> Path:
        """A new output root with days that are to be extended."""
        self.number += 1
        return Path(shutil.copytree(self.to_extend, self.root / f"output-{self.number}"))

    def start(self, output: Path, fault: Fault | None = None) -> Child:
        """Start the enrichment into an output root."""
        self.number += 1
        words = ["--runtime-config-path", str(self.project.runtime_path), "--output-root", str(output)]
        said = self.root / "said" / str(self.number)
        return self.warm.start(said, words, half="enrich", fault=fault, below=output, tag=str(output))

    def succeed(self, output: Path, fault: Fault | None = None) -> Child:
        """A plain run to its end."""
        child = self.start(output, fault)
        code = child.wait()
        assert code == 0, child.stderr
        return child

    def check_after_fault(self, output: Path) -> None:
        """Days are whole, old or new; nobody is left; a repair brings back what was set aside."""
        assert_nobody_is_left(str(output))
        service_dir = output / "ranking"
        self.check(output, (self.old, self.wanted))
        repair(Layout(service_dir))
        self.check(output, (self.old, self.wanted))
        assert sorted(bytes_of_days(service_dir, "enriched")) == sorted(self.old)
        assert left_in_staging(service_dir) == []

    def check_after_rerun(self, output: Path) -> None:
        """A plain run ends well, with the wanted bytes, and leaves nothing in staging."""
        self.succeed(output)
        self.check(output, (self.wanted,))
        assert sorted(bytes_of_days(output / "ranking", "enriched")) == sorted(self.wanted)
        assert left_in_staging(output / "ranking") == []
        shutil.rmtree(output)

    def check(self, output: Path, expected: tuple[Days, ...]) -> None:
        """Each enriched day that is there is one of those; the skeleton is as it was."""
        service_dir = output / "ranking"
        assert bytes_of_days(service_dir) == self.skeleton
        for day, parts in bytes_of_days(service_dir, "enriched").items():
            assert parts in [days[day] for days in expected], day
        self.bytes_compared += size_of_days(service_dir, "enriched")

"""Build the skeletons of several projects as one Beam job.

    python -m tests.beam_pipeline.runners.all_cases CASES.json BEAM_FLAGS ...

CASES.json is a list of {"runtime": path of runtime.yaml, "settings": what flags would override, with output_root}.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import apache_beam as beam

from beam_pipeline.pipeline import Skeleton, SkeletonRun, run_context
from beam_pipeline.runners.choice import choose_runner
from beam_pipeline.transforms import Days
from beam_pipeline.workers.registry import register_run
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.catalog.project import ProjectPaths, load_project
from daeda.compiler.compile import compile_runnable
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging
from daeda.planning.preflight import check_sources
from daeda.planning.sources import find_sources


def main(cases: Path, words: list[str]) -> None:
    runner = choose_runner(words)
    options = runner.options(1)
    pipeline = beam.Pipeline(runner=runner.start(options), options=options)
    slots: list[SharedDaySlots] = []
    with contextlib.ExitStack() as stack:
        for number, case in enumerate(json.loads(cases.read_text())):
            project = load_project(ProjectPaths(Path(case["runtime"])), flags=case["settings"])
            dag = compile_runnable(project).skeleton()
            sources = find_sources(project, dag)
            checked = check_sources(project, dag, sources, project.runtime.days)
            run = SkeletonRun(project, dag, sources, checked, project.runtime.days, runner, 60.0)
            staging = stack.enter_context(open_staging(Layout(project.service_dir)))
            context = run_context(run, staging)
            slots.append(SharedDaySlots(staging.directory, run.day_workers).open())
            register_run(context, slots[-1])
            chain = Skeleton(run.operators, context, label=f"Skeleton {number}")
            days = Days(run.days, label=f"Days {number}", one_by_one=runner.makes_one_bundle)
            _ = pipeline | days | chain
        pipeline.run().wait_until_finish()
        # To an engine the job is done, too, when a day has ended its run.
        for cause in filter(None, (run.cause for run in slots)):
            raise cause


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

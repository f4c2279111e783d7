"""A tiny project with a function of its own, in a module that no other test has: Python imports a name once."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from beam_pipeline.day.execution import run_operator
from beam_pipeline.session.registry import begin, session_of
from beam_pipeline.session.timed import timed
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.day_slots import ThreadDaySlots
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.registry import forget_run, register_run
from daeda.compiler.compile import compile_runnable
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging
from tests.projects import TinyProject

_NUMBERS = itertools.count()
FIRST, SECOND = "dt=2024-01-02", "dt=2024-01-03"


class FunctionProject(TinyProject):
    """`source` becomes a module below the root; `spec` calls a function of it for the column `made`."""

    def calls(self, source: str, function: str, columns: list[str], dtype: str, **spec: Any) -> FunctionProject:
        self.without("item_vector")
        self.module = f"functions_{next(_NUMBERS)}"
        self.source_path = self.root / "features" / f"{self.module}.py"
        self.root.joinpath("features").mkdir(parents=True, exist_ok=True)
        self.source_path.write_text(source, encoding="utf-8")
        path = function if ":" in function else f"features.{self.module}:{function}"
        self.spec = {"name": "made", "function": path, "columns": columns, "dtype": dtype, **spec}
        self.aggregations["udf_specs"] = [self.spec]
        self.service["columns"].append({"name": "made", "kind": "udf", "dtype": dtype})
        self.runtime["output_columns"].append("made")
        return self

    def build(self, udf_chunk_rows: int = 8_192) -> FunctionProject:
        """Write everything and build the days in this process, without Beam."""
        self.write().write_data()
        project = self.load()
        operators = compile_runnable(project).skeleton().operators
        with open_staging(Layout(project.service_dir)) as staging:
            context = RunContext(
                service="ranking", data_root=str(self.root / "data"), service_dir=str(project.service_dir),
                run_dir=str(staging.directory), limits=DayLimits(1 << 30, 1, "", udf_chunk_rows=udf_chunk_rows),
                day_workers=1, label_columns=("user_id",), project_root=str(self.root),
            )  # fmt: skip
            register_run(context, ThreadDaySlots(1))
            try:
                for day in project.runtime.days:
                    handle = begin(context, DayHandle(day))
                    session = session_of(handle)
                    for operator in operators:
                        with timed(session, operator.name):
                            handle = run_operator(session, operator, handle)  # type: ignore[arg-type]
                    session.close()
            finally:
                forget_run(context)
        return self

    def values(self, *names: str, day: str = SECOND) -> list[Any]:
        """The values of `made`, or of other columns as tuples."""
        table = pq.read_table(self.root / "output/ranking/skeleton" / day / "part-0-0.parquet", partitioning=None)
        listed = [table.column(name).to_pylist() for name in names or ("made",)]
        return list(zip(*listed, strict=True)) if names else listed[0]


def project(root: Path) -> FunctionProject:
    return FunctionProject(root)

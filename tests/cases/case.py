"""A golden case: a folder that is a project, with its input rows as text and what must come out of them."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.compiler.compile import compile_runnable, project_dag
from daeda.dtypes import DType
from daeda.errors import NotBuiltYet
from daeda.planning.explain import explain_text
from daeda.planning.explain_sql import explain_sql
from tests.projects import write_parquet

FOLDER = Path(__file__).parent
RUNTIME = Path("config/training/runtime.yaml")
EXPLAIN, SQL, ROWS, INPUT = "explain.txt", "skeleton.sql", "rows.txt", "input.yaml"


@dataclass(frozen=True)
class GoldenCase:
    """One folder of tests/cases."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def project(self) -> Project:
        """The project as it lies in the folder; its data is not there."""
        return load_project(ProjectPaths(self.folder / RUNTIME))

    @property
    def service(self) -> str:
        return self.project.service.name

    def expected(self, what: str) -> str:
        """What explain.txt, skeleton.sql or rows.txt say."""
        return (self.folder / what).read_text(encoding="utf-8")

    def explain(self) -> str:
        return explain_text(project_dag(self.project)) + "\n"

    def sql(self) -> str:
        skeleton = project_dag(self.project).skeleton()
        return explain_sql(skeleton, self.project.runtime.days[0], self.project.runtime.rows_per_part) + "\n"

    def make(self, root: Path) -> Path:
        """Copy the project below `root` and write its input as Parquet; returns the runtime file."""
        shutil.copytree(self.folder, root, ignore=shutil.ignore_patterns("*.txt", "*.sql", INPUT, "__pycache__"))
        for name, rows in yaml.safe_load((self.folder / INPUT).read_text(encoding="utf-8")).items():
            view = self.project.views[name]
            columns = {view.source_name(one.name): one.dtype.name for one in view.fields}
            path = root / "data" / view.source.path
            for partition, listed in rows.items() if isinstance(rows, dict) else [(None, rows)]:
                if listed is None:  # a directory without a file
                    (path / partition).mkdir(parents=True)
                    continue
                typed = [tuple(map(typed_value, row, (one.dtype for one in view.fields))) for row in listed]
                write_parquet(path if partition is None else path / partition / "part-0.parquet", columns, typed)
        return root / RUNTIME

    def tables(self, service_dir: Path) -> dict[str, pa.Table]:
        """The skeleton's days as they were published."""
        return {
            path.name: pa.concat_tables(
                pq.read_table(part, partitioning=None) for part in sorted(path.glob("*.parquet"))
            )
            for path in sorted((service_dir / "skeleton").glob("dt=*"))
        }

    def rows(self, service_dir: Path) -> str:
        """The days as they were published, as text."""
        return self.told(self.tables(service_dir))

    def told(self, tables: Mapping[str, pa.Table]) -> str:
        """Days as text: a table each, with names, types and values."""
        types = {one.name: one.dtype for one in self.project.service.columns}
        return "\n".join(
            "\n".join([day.removeprefix("dt="), *_aligned(self._rounded(table), types), ""])
            for day, table in tables.items()
        )

    def _rounded(self, table: pa.Table) -> pa.Table:
        """The table with 12 digits of decayed sums, whose last places are the engine's own."""
        specs = self.project.aggregations.aggregation_specs
        for name in (output.name for spec in specs if spec.half_life is not None for output in spec.outputs):
            values = [None if value is None else float(f"{value:.12g}") for value in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(values, pa.float64()))
        return table


def golden_cases() -> tuple[GoldenCase, ...]:
    """Every folder that has input."""
    return tuple(GoldenCase(path.parent) for path in sorted(FOLDER.glob(f"*/{INPUT}")))


def engines() -> tuple[str, ...]:
    """The rolling engines that this version runs."""
    found = []
    for engine in ("duckdb", "polars"):
        project = load_project(ProjectPaths(golden_cases()[0].folder / RUNTIME), flags={"compute": {"engine": engine}})
        try:
            compile_runnable(project)
        except NotBuiltYet:
            continue
        found.append(engine)
    return tuple(found)


def typed_value(value: Any, dtype: DType) -> Any:
    """A value of YAML as pyarrow takes it for the type; instants finer than microseconds are written as text."""
    if value is None:
        return None
    if dtype.item is not None:
        return [typed_value(item, dtype.item) for item in value]
    if dtype.is_decimal:
        return Decimal(value)
    if dtype.name == "timestamp[ns]" and isinstance(value, str):
        whole, _, fraction = value.partition(".")
        seconds = int(dt.datetime.fromisoformat(whole).replace(tzinfo=dt.UTC).timestamp())
        return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))
    return value


def shown(value: Any) -> str:
    """A value as rows.txt has it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case str():
            return repr(value)
        case list():
            return f"[{', '.join(map(shown, value))}]"
        case dict():
            return f"{{{', '.join(f'{name}: {shown(item)}' for name, item in value.items())}}}"
        case _:
            return str(value)


def plain(array: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Values in Python; instants as text in their own resolution, since Python's datetime ends at microseconds."""
    if isinstance(array, pa.ChunkedArray):
        return [value for chunk in array.chunks for value in plain(chunk)]
    kind = array.type
    if pa.types.is_list(kind):
        return [None if not one.is_valid else plain(one.values) for one in array]
    if pa.types.is_struct(kind):
        names, columns = [field.name for field in kind], map(plain, array.flatten())
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if pa.types.is_timestamp(kind):
        texts = array.cast(pa.timestamp(kind.unit)).cast(pa.string()).to_pylist()
        return [None if one is None else _trimmed(one) for one in texts]
    return list(array.to_pylist())


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _aligned(table: pa.Table, types: Mapping[str, DType]) -> Iterator[str]:
    columns = [[name, types[name].name, *map(shown, plain(table.column(name)))] for name in table.column_names]
    widths = [max(map(len, column)) for column in columns]
    for line in zip(*columns, strict=True):
        yield " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()

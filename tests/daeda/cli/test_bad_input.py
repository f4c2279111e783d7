"""Every mistake of a user has one sentence, exit code 2, and writes nothing. A case is a file in bad_input/.

words        the command after `daeda`; or `enrich ...`, `audit-alone ...` for the processes that it starts
set          entries of the tiny project, by path    unset   entries that are left out
text         files that are replaced by a text       remove  files and directories, before the texts are written
parquet      files, each {column: [type, values]}    store   the Lance store, {column: [type, values]}
strange      columns of a file that get a type that daeda does not read: a name of STRANGE
truncate     files that are cut to so many bytes, or by so many from their end
environment  variables                               message the whole of stderr; {root} is the project
pipeline     entries of a hand-edited pipeline, by path: the compiled one with these changes
"""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from daeda.cli.main import main
from daeda.compiler.pipeline_file import pipeline_text
from daeda.dtypes import DType
from daeda_audit.command import main as audit
from enrich.command import main as enrich
from tests.projects import TinyProject, write_parquet

CASES = sorted((Path(__file__).parent / "bad_input").glob("*.yaml"))


@dataclass(frozen=True)
class Case:
    message: str
    words: str = "pipeline train ranking"
    set: dict[str, Any] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)
    text: dict[str, str] = field(default_factory=dict)
    parquet: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    strange: dict[str, dict[str, str]] = field(default_factory=dict)
    store: dict[str, list[Any]] = field(default_factory=dict)
    truncate: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    pipeline: dict[str, Any] = field(default_factory=dict)

    def make(self, root: Path) -> None:
        """The project of the case below `root`."""
        project = TinyProject(root)
        for path, value in self.set.items():
            *parents, last = path.split("/")
            _entry(project, parents)[_key(last)] = value
        for path in self.unset:
            *parents, last = path.split("/")
            del _entry(project, parents)[_key(last)]
        project.write()
        TinyProject(root).write_data()
        if self.pipeline:
            edit_pipeline(project, self.pipeline)
        for name in self.remove:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, text in self.text.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        for name, columns in self.parquet.items():
            rows = list(zip(*(values for _, values in columns.values()), strict=True))
            write_parquet(root / name, {name: dtype for name, (dtype, _) in columns.items()}, rows)
        self._damage(root)

    def _damage(self, root: Path) -> None:
        for name, columns in self.strange.items():
            table = pq.read_table(root / name, partitioning=None)
            for column, kind in columns.items():
                place = table.schema.get_field_index(column)
                table = table.set_column(place, column, pa.array([STRANGE[kind][1]] * len(table), STRANGE[kind][0]))
            pq.write_table(table, root / name)
        for name, size in self.truncate.items():
            content = (root / name).read_bytes()
            (root / name).write_bytes(content[:size])
        if self.store:
            import lance

            columns = {name: pa.array(values, vector_type(kind)) for name, (kind, values) in self.store.items()}
            lance.write_dataset(pa.table(columns), str(root / "data/vectors.lance"))


# Types that Parquet has and daeda does not read, with a value.
STRANGE: dict[str, tuple[pa.DataType, Any]] = {
    "struct": (pa.struct([("name", pa.string())]), {"name": "toys"}),
    "time": (pa.time64("us"), dt.time(12)),
    "binary": (pa.binary(), b"toys"),
    "zoned": (pa.timestamp("ns", tz="Europe/Berlin"), dt.datetime(2024, 1, 2, 8, tzinfo=dt.UTC)),
}


def vector_type(text: str) -> pa.DataType:
    """`int64`, or `float16[2]` for vectors of a fixed length."""
    item, bracket, length = text.rstrip("]").partition("[")
    return (
        pa.list_(DType.parse(item.replace("float16", "halffloat")).arrow(), int(length))
        if bracket
        else (DType.parse(text).arrow())
    )


def edit_pipeline(project: TinyProject, changes: dict[str, Any]) -> Path:
    """Write the compiled pipeline as the hand-edited one, with changes; the entry behind a list's last is added."""
    pipeline = yaml.safe_load(pipeline_text(project.compile().to_model()))
    for path, value in changes.items():
        *parents, last = map(_key, path.split("/"))
        place = pipeline
        for part in parents:
            place = place[part]
        if value == "(removed)":
            del place[last]
        elif last == len(place):
            place.append(value)
        else:
            place[last] = value
    written = project.root / "config/pipelines/ranking.yaml"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(yaml.safe_dump(pipeline, sort_keys=False, default_flow_style=None), encoding="utf-8")
    return written


def _key(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _entry(project: TinyProject, path: list[str]) -> Any:
    entries: Any = vars(project)
    for part in path:
        entries = entries[_key(part)]
    return entries


def everything_below(root: Path) -> set[Path]:
    return set(root.rglob("*"))


def refused(root: Path, words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Stderr of a command that must exit with 2, write no file and say nothing on stdout."""
    before = everything_below(root)
    name, *rest = words.format(root=root).split()
    match name:
        case "enrich":
            code = enrich(rest)
        case "audit-alone":
            code = audit(rest)
        case _:
            code = main([name, *rest])
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert everything_below(root) == before
    return told.err.replace(str(root), "{root}")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_mistake_is_told_in_one_sentence_and_nothing_is_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(**yaml.safe_load(path.read_text(encoding="utf-8")))
    case.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    assert refused(tmp_path, case.words, capsys) == case.message


def test_a_runner_that_is_not_offered_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).write().write_data()
    words = ["-m", "beam_pipeline", "--runtime-config-path", str(project.runtime_path), "--runner", "DaskRunner"]
    repository = Path(__file__).parents[3]
    # In a process of its own: Beam stays out of this one.
    done = subprocess.run([sys.executable, *words], cwd=repository, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --runner DaskRunner is not offered: did you mean 'SparkRunner'? Known: DirectRunner, FlinkRunner, "
        "FnApiRunner, PortableRunner, PrismRunner, SparkRunner\n"
    )
    assert not (tmp_path / "output").exists()

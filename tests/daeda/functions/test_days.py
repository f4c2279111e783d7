"""What a function of the user gets and gives: any column before it, in the declared types, whatever the chunks are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.day import functions
from daeda.dataset.manifest import read_manifest
from daeda.errors import ConfigurationError, DayError
from daeda.planning.days import Action, plan_skeleton
from daeda.planning.explain import explain_text
from daeda.planning.sources import find_sources
from tests.daeda.functions.project import FIRST, FunctionProject
from tests.projects import fields, moment

HEAD = "import pyarrow as pa\nimport pyarrow.compute as pc\n\n"
DESCRIBE = """
def describe(*columns):
    rows = zip(*(column.to_pylist() for column in columns))
    return pa.array([" ".join([str(c.type) for c in columns] + [repr(v) for v in row]) for row in rows])
"""


def test_it_reads_the_spine_look_ups_and_windows_in_their_declared_types(tmp_path: Path) -> None:
    columns = ["event_timestamp", "price", "category", "recent_items"]
    made = FunctionProject(tmp_path).calls(HEAD + DESCRIBE, "describe", columns, "string").build()
    assert made.values(day=FIRST) == [
        "timestamp[us] double string list<item: int64> datetime.datetime(2024, 1, 2, 9, 0) 2.5 'books' [10]",
        "timestamp[us] double string list<item: int64> datetime.datetime(2024, 1, 2, 10, 0) None 'unknown' [10]",
    ]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("bool", [True, None]), ("uint8", [255, None]), ("float", [0.5, None]), ("decimal(12, 2)", ["1.25", None]),
        ("date", [19_000, None]), ("timestamp[ms]", [1_704_000_000_001, None]),
        ("timestamp[ns]", [1_704_000_000_000_000_001, None]), ("timestamp[us, UTC]", [1, None]),
        ("list<string>", [["a", None, ""], []]), ("list<double>", [[0.1, float("inf")], None]),
        ("list<list<int64>>", [[[1], []], None]),
    ],
)  # fmt: skip
def test_every_type_comes_out_as_it_was_returned(tmp_path: Path, dtype: str, values: list[Any]) -> None:
    source = f"""{HEAD}
from daeda.dtypes import DType
KIND = DType.parse({dtype!r}).arrow()
def values(items):
    given = {values!r}
    storage = KIND if not (pa.types.is_temporal(KIND) or pa.types.is_decimal(KIND)) else None
    full = pa.array(given, storage) if storage else pa.array(given).cast(pa.int32() if pa.types.is_date(KIND) else
        (pa.string() if pa.types.is_decimal(KIND) else pa.int64())).cast(KIND)
    return full.take(pc.cast(pc.not_equal(items, 11), pa.int64()))
"""
    made = FunctionProject(tmp_path).calls(source.replace("inf", "float('inf')"), "values", ["item_id"], dtype).build()
    table = pq.read_table(tmp_path / "output/ranking/skeleton" / FIRST / "part-0-0.parquet", partitioning=None)
    column = table.column("made").combine_chunks()
    expected = made_by(made, pa.array([11, 99]))
    assert column.cast(expected.type).equals(expected)
    assert len(column) == 2


def made_by(made: FunctionProject, items: pa.Array) -> pa.Array:
    """What the function itself returns."""
    from daeda.functions.loading import load_function

    return load_function(made.spec["function"], made.root).call(items)


def test_a_function_of_a_library_is_called_as_it_is(tmp_path: Path) -> None:
    made = FunctionProject(tmp_path).calls("", "pyarrow.compute:utf8_length", ["category"], "int32").build()
    assert made.values("category", "made", day=FIRST) == [("books", 5), ("unknown", 7)]


def test_functions_read_functions_and_expressions_read_them_whether_the_contract_has_them_or_not(
    tmp_path: Path,
) -> None:
    source = f"{HEAD}def twice(a):\n    return pc.multiply(a, 2)\n"
    made = FunctionProject(tmp_path).calls(source, "twice", ["doubled"], "double")
    hidden = {**made.spec, "name": "doubled", "columns": ["amount"]}
    made.aggregations["udf_specs"].append(hidden)
    made.service["columns"].append(
        {"name": "share", "kind": "derived", "dtype": "double", "expression": "doubled + made"}
    )
    made.runtime["output_columns"].append("share")
    made.build()
    assert made.values("amount", "made", "share", day=FIRST) == [(3.0, 12.0, 18.0), (4.0, 16.0, 24.0)]
    assert [operator.name for operator in made.compile().operators if operator.name.startswith("udf_")] == [
        "udf_doubled",
        "udf_made",
    ]


def test_the_contract_fills_its_default_and_refuses_null_with_the_row(tmp_path: Path) -> None:
    source = f"{HEAD}def none(a):\n    return pa.nulls(len(a))\n"
    made = FunctionProject(tmp_path / "filled").calls(source, "none", ["amount"], "int64")
    made.column("made")["default"] = 7
    assert made.build().values() == [7, 7]
    made = FunctionProject(tmp_path / "refused").calls(source, "none", ["amount"], "int64")
    made.column("made")["nullable"] = False
    with pytest.raises(DayError) as raised:
        made.build()
    assert str(raised.value) == (
        "day 2024-01-02, operator 'sink': column 'made' must not be NULL, and 2 rows have none, the first of them row "
        "0 (user_id 1): give the column a default in the service, or say nullable: true"
    )


def test_a_day_without_rows_calls_nothing(tmp_path: Path) -> None:
    source = f"{HEAD}def fails(a):\n    raise ValueError('called')\n"
    made = FunctionProject(tmp_path).calls(source, "fails", ["amount"], "double")
    made.data["events"] = made.data["events"][:2]
    made.views["events"]["source"]["missing_partitions"] = "empty"
    made.views["prices"]["source"]["missing_partitions"] = "empty"
    assert made.build().values() == []


def many(root: Path, source: str, function: str, dtype: str) -> FunctionProject:
    """Thirty rows in one day."""
    made = FunctionProject(root).calls(source, function, ["item_id", "recent_items"], dtype)
    made.data["events"] += [(1, number, moment("02 12:00"), 1.0) for number in range(30)]
    made.runtime["feed_end"] = "2024-01-02"
    return made


def test_the_bytes_are_the_same_for_every_size_of_chunk(tmp_path: Path) -> None:
    source = (
        f"{HEAD}def score(item, recent):\n    return pc.add(pc.list_value_length(recent), pc.cast(item, 'int32'))\n"
    )
    made = many(tmp_path, source, "score", "int32")
    digests = set()
    for rows in (1, 7, 31, 32, 33, 8_192):
        made.build(rows)
        digests.add((tmp_path / "output/ranking/skeleton" / FIRST / "part-0-0.parquet").read_bytes())
    assert len(digests) == 1


def test_chunks_have_exactly_so_many_rows_in_the_order_of_the_day(tmp_path: Path) -> None:
    source = f"{HEAD}CALLS = []\ndef note(item, recent):\n    CALLS.append(item.to_pylist())\n    return item\n"
    made = many(tmp_path, source, "note", "int64").build(12)
    import importlib

    calls = importlib.import_module(f"features.{made.module}").CALLS
    # The second call asks for the sample of the first chunk again.
    assert [len(call) for call in calls] == [12, 6, 12, 8]
    assert calls[0] + calls[2] + calls[3] == [value for (value,) in made.values("item_id", day=FIRST)]


REFUSED = [
    ("def made(item, recent):\n    return item.slice(1)\n", "int64",
     "returned 31 values for 32 rows, rows 0 to 31: one for each"),
    ("def made(item, recent):\n    return pc.cast(item, 'int32')\n", "int64",
     "returned int32 at rows 0 to 31, and the column 'made' is declared int64: cast the values in the function, or "
     "declare their type"),
    ("def made(item, recent):\n    return pc.cast(item, 'double')\n", "int64",
     "returned double at rows 0 to 31, and the column 'made' is declared int64: cast the values in the function, or "
     "declare their type"),
    ("def made(item, recent):\n    return item.to_pylist()\n", "int64",
     "returned a list at rows 0 to 31: it returns one Arrow array, with a value for each row"),
    ("def made(item, recent):\n    raise KeyError('no such word\\nsecond line')\n", "int64",
     "raised KeyError: 'no such word\\nsecond line' (MODULE.py:5), at rows 0 to 31"),
    ("def made(item, recent):\n    return pc.cast(item, 'string') if item[40] else None\n", "string",
     "raised IndexError: index out of bounds (array.pxi:"),
    ("def made(item, recent):\n    return pc.subtract(item, pc.min(item))\n", "int64",
     "gave row 16 14 among 32 rows, and 0 among 16: a function is row-wise, its value for a row depends on that row "
     "alone"),
    ("import random\ndef made(item, recent):\n    return pa.array([random.random() for _ in item])\n", "double",
     "gave row 16 0."),
    ("def made(item, recent):\n    return pa.StringArray.from_buffers(len(item), pa.array(range(33), 'int32')"
     ".buffers()[1], pa.py_buffer(b'\\xff' * 32))\n", "string",
     "returned an Arrow array that is not valid at rows 0 to 31: Invalid UTF8 sequence at string index 0"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "dtype", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_a_function_must_not_return_fails_the_day_with_its_rows(
    tmp_path: Path, source: str, dtype: str, message: str
) -> None:
    made = many(tmp_path, f"{HEAD}{source}", "made", dtype)
    with pytest.raises(DayError) as raised:
        made.build()
    said = message.replace("MODULE", made.module)
    expected = f"day 2024-01-02, operator 'udf_made': function 'features.{made.module}:made' {said}"
    assert str(raised.value).startswith(expected)
    assert not said.endswith(("alone", "type", "row", "each", "index 0", "31")) or str(raised.value) == expected
    if "KeyError" in message:
        assert isinstance(raised.value.__cause__, KeyError)


def test_other_forms_of_the_declared_type_are_taken(tmp_path: Path) -> None:
    source = f"{HEAD}def name(a):\n    return pa.chunked_array([a.cast(pa.large_string()).dictionary_encode()])\n"
    made = FunctionProject(tmp_path).calls(source, "name", ["category"], "string").build()
    assert made.values(day=FIRST) == ["books", "unknown"]


def fingerprint_reasons(made: FunctionProject) -> tuple[Action, tuple[str, ...]]:
    loaded = made.write().load()
    dag = made.compile().skeleton()
    plan = plan_skeleton(loaded, dag, find_sources(loaded, dag), loaded.runtime.days[:1], "rebuild")[0]
    return plan.action, plan.reasons


def test_a_day_is_stale_when_the_code_or_the_version_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"{HEAD}def same(a):\n    return a\n"
    made = FunctionProject(tmp_path).calls(source, "same", ["amount"], "double").build()
    assert fingerprint_reasons(made) == (Action.SKIP, ())
    manifest = read_manifest(tmp_path / "output/ranking/skeleton" / FIRST)
    assert manifest is not None
    code = f"code of {made.spec['function']}"
    assert len(manifest.fingerprint.settings[code]) == 64
    made.spec["version"] = 2
    assert fingerprint_reasons(made) == (Action.REBUILD, ("operator udf_made changed",))
    made.spec["version"] = 1
    # A later process, which imports the edited file.
    from daeda.functions import loading

    made.source_path.write_text(f"{source}# edited\n", encoding="utf-8")
    monkeypatch.setattr(loading, "_codes", {})
    assert fingerprint_reasons(made) == (Action.REBUILD, (f"setting {code} changed",))


def test_it_is_explained_with_its_call(tmp_path: Path) -> None:
    made = FunctionProject(tmp_path).calls("", "pyarrow.compute:utf8_length", ["category"], "int32").write()
    text = explain_text(made.compile())
    assert "made = pyarrow.compute:utf8_length(category), row by row, as int32, version 1" in text


def test_a_history_can_be_computed_by_hand_in_an_edited_pipeline(tmp_path: Path) -> None:
    """A function stands wherever a relation does: here its column is aggregated."""
    import yaml

    from daeda.compiler.compile import compile_runnable
    from daeda.compiler.pipeline_file import pipeline_text

    source = f"{HEAD}def big(a):\n    return pc.greater(a, 1.5)\n"
    made = FunctionProject(tmp_path).calls(source, "big", ["amount"], "bool")
    made.views["events"]["fields"] = fields(
        user_id="int64", item_id="int64", event_timestamp="timestamp[us]", amount="double"
    )
    made.write().write_data()
    pipeline = yaml.safe_load(pipeline_text(made.compile().to_model()))
    for operator in pipeline["operators"]:
        if operator["op_kind"] == "rolling_aggregate":
            operator["inputs"][1] = "judged"
            operator["aggregates"][0] |= {"kind": "count", "column": "is_big"}
        if operator["name"] == "scan_events_by_user":
            operator["columns"].append({"name": "amount", "source": "amount", "dtype": "double"})
    pipeline["operators"].insert(-3, {
        "name": "judge", "op_kind": "arrow_udf_transform", "inputs": ["events_by_user"], "output": "judged",
        "engine": "sql_arrow_udf", "function": made.spec["function"], "columns": ["amount"], "result": "is_big",
        "dtype": "bool",
    })  # fmt: skip
    edited = tmp_path / "config/pipelines/ranking.yaml"
    edited.parent.mkdir()
    edited.write_text(yaml.safe_dump(pipeline))
    assert "judge" in {operator.name for operator in compile_runnable(made.load()).operators}
    made.build()
    assert made.values("user_id", "events_1d", "made", day=FIRST) == [(1, 1, True), (2, 1, True)]


def test_rows_of_a_sample_may_differ_in_the_last_places(tmp_path: Path) -> None:
    assert functions._agree(1.0, 1.0 + 1e-12)
    assert functions._agree([float("nan"), 0.0], [float("nan"), -0.0])
    assert not functions._agree(1.0, 1.001)
    assert not functions._agree([1], [1, 2])


def test_a_missing_function_stops_the_plan(tmp_path: Path) -> None:
    made = FunctionProject(tmp_path).calls("", "nothing", ["amount"], "double").write().write_data()
    loaded, dag = made.load(), made.compile().skeleton()
    with pytest.raises(ConfigurationError) as raised:
        plan_skeleton(loaded, dag, find_sources(loaded, dag), loaded.runtime.days, "rebuild")
    assert str(raised.value) == (
        f"config/training/aggregations.yaml:31: function '{made.spec['function']}': the module "
        f"'features.{made.module}' has no 'nothing': none exists"
    )

"""The nine operators and the DAG: checked when they are built, the same again after a way through YAML."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml
from pydantic import ValidationError

from daeda.errors import ConfigurationError
from daeda.operators.dag import Dag, Operator, PipelineModel

TIME = {"column": "at", "unit": "us"}


def scan(output: str, columns: dict[str, str], **entries: Any) -> dict[str, Any]:
    listed = [{"name": name, "source": name, "dtype": dtype} for name, dtype in columns.items()]
    given = {"name": f"scan_{output}", "output": output, "op_kind": "scan", "view": output, "path": output}
    return {**given, "reads": "static", "columns": listed, **entries}


SPINE = scan(
    "spine",
    {"at": "timestamp[us]", "id": "int64", "tags": "list<string>"},
    reads="day",
    time=TIME,
    order_by=["at", "id"],
)
ITEMS = scan("items", {"id": "int64", "color": "string"})
PRICES = scan(
    "prices", {"id": "int64", "at": "timestamp[us]", "price": "double", "known": "timestamp[us]"},
    reads="lookback", lookback="7d", time=TIME, created={"column": "known", "unit": "us"},
)  # fmt: skip
FILTER = {"name": "keep", "op_kind": "filter", "inputs": ["spine"], "output": "kept", "predicate": "id > 0"}
JOIN = {
    "name": "join",
    "op_kind": "join",
    "inputs": ["kept", "items"],
    "output": "a",
    "keys": ["id"],
    "columns": ["color"],
}
PIT = {
    "name": "pit", "op_kind": "pit_join", "inputs": ["a", "prices"], "output": "b", "keys": ["id"], "left_time": TIME,
    "right_time": TIME, "created": {"column": "known", "unit": "us"}, "ttl": "7d", "columns": ["price"],
    "tie_order": ["price"],
}  # fmt: skip
HISTORY = {**PRICES, "name": "scan_history", "output": "history"}
ROLLING = {
    "name": "rolling", "op_kind": "rolling_aggregate", "inputs": ["b", "history"], "output": "c", "keys": ["id"],
    "engine": "sql_arrow_udf", "left_time": TIME, "history_time": TIME, "tie_order": ["price"],
    "aggregates": [
        {"name": "n", "kind": "count", "window": "1d"},
        {"name": "last_prices", "kind": "list", "column": "price", "window": "7d", "max_length": 3},
    ],
}  # fmt: skip
AHEAD = {key: value for key, value in PRICES.items() if key != "lookback"} | {
    "name": "scan_ahead", "output": "ahead", "reads": "lookahead", "gap": "0s", "lookahead": "2d",
}  # fmt: skip
LABEL = {
    "name": "label", "op_kind": "label_aggregate", "inputs": ["c", "ahead"], "output": "l", "keys": ["id"],
    "engine": "sql_arrow_udf", "left_time": TIME, "history_time": TIME, "tie_order": ["price"],
    "aggregates": [
        {"name": "again", "kind": "until_first", "window": "1d", "gap": "1d"},
        {"name": "next_prices", "kind": "list", "column": "price", "window": "2d", "max_length": 3},
    ],
}  # fmt: skip
ARROW = {
    "name": "flat", "op_kind": "arrow_udf_transform", "inputs": ["l"], "output": "d", "engine": "sql_arrow_udf",
    "function": "my.module:flatten", "columns": ["tags"], "result": "flat_tags", "dtype": "list<string>",
}  # fmt: skip
PROJECT = {
    "name": "assemble", "op_kind": "project", "inputs": ["d"], "output": "e",
    "columns": [
        {"name": "at", "dtype": "timestamp[us]", "source": "at"},
        {"name": "id", "dtype": "int64", "source": "id"},
        {"name": "color", "dtype": "string", "source": "color", "default": "none"},
        {"name": "dear", "dtype": "bool", "expression": "price > 9"},
        {"name": "vector", "dtype": "list<halffloat>"},
    ],
}  # fmt: skip
STORE = {
    "name": "store", "path": "s.lance", "id_column": "id", "vector_column": "v", "dimension": 2, "version": "tagged"
}  # fmt: skip
RAY = {
    "name": "lookup", "op_kind": "ray_udf_transform", "inputs": ["e"], "output": "f", "engine": "pythonic",
    "kind": "lookup", "column": "vector", "source": "id", "normalize": "l2", "store": STORE,
}  # fmt: skip
SINK = {"name": "sink", "op_kind": "sink", "inputs": ["f"], "output": "day", "dataset": "enriched", "not_null": ["id"]}
ALL = [SPINE, FILTER, ITEMS, JOIN, PRICES, PIT, HISTORY, ROLLING, AHEAD, LABEL, ARROW, PROJECT, RAY, SINK]


def changed(operator: str, /, **entries: Any) -> list[dict[str, Any]]:
    """All operators, one of them changed."""
    return [{**entry, **entries} if entry["name"] == operator else entry for entry in ALL]


def dag(operators: list[dict[str, Any]]) -> Dag:
    return Dag("s", PipelineModel.model_validate({"service": "s", "operators": operators}).operators)


def refusal(operators: list[dict[str, Any]]) -> str:
    with pytest.raises(ConfigurationError) as raised:
        dag(operators)
    return str(raised.value)


def test_every_operator_is_among_these() -> None:
    kinds = {arg.model_fields["op_kind"].default for arg in get_args(Operator)}
    assert kinds == {entry["op_kind"] for entry in ALL}
    assert len(kinds) == 10


def test_a_pipeline_is_the_same_after_a_way_through_yaml() -> None:
    model = dag(ALL).to_model()
    text = yaml.safe_dump(model.model_dump(mode="json"), sort_keys=False)
    again = PipelineModel.model_validate(yaml.safe_load(text))
    assert again == model
    assert Dag("s", again.operators) == dag(ALL)


def test_operators_are_put_in_topological_order_and_keep_their_place_where_they_can() -> None:
    assert [operator.name for operator in dag(ALL[::-1]).operators] == [
        "scan_spine", "keep", "scan_items", "join", "scan_prices", "pit", "scan_history", "rolling", "scan_ahead",
        "label", "flat", "assemble", "lookup", "sink",
    ]  # fmt: skip
    assert [operator.name for operator in dag(ALL).operators] == [entry["name"] for entry in ALL]


def test_the_relations_follow_from_the_operators() -> None:
    relation = dag(ALL).relations["d"]
    assert [f"{column.name} {column.dtype}" for column in relation.columns] == [
        "at timestamp[us]", "id int64", "tags list<string>", "color string", "price double", "n int64",
        "last_prices list<double>", "again int64", "next_prices list<double>", "flat_tags list<string>",
    ]  # fmt: skip
    assert relation.order == ("at", "id")


def test_the_skeleton_ends_where_ray_begins() -> None:
    skeleton = dag(ALL).skeleton()
    assert [operator.name for operator in skeleton.operators][-2:] == ["assemble", "sink"]
    assert (skeleton.sink.dataset, skeleton.sink.inputs, skeleton.enrichments) == ("skeleton", ("e",), ())
    assert skeleton.output.names == dag(ALL).output.names


def test_a_cycle_is_shown_as_its_path() -> None:
    operators = changed("keep", inputs=["b"])
    assert refusal(operators) == "the operators form a cycle: keep -> pit -> join -> keep"


def test_an_operator_that_reads_itself_is_a_cycle() -> None:
    assert refusal(changed("keep", inputs=["kept"])) == "the operators form a cycle: keep -> keep"


@pytest.mark.parametrize(
    ("name", "entries", "message"),
    [
        ("join", {"inputs": ["kept", "itms"]},
         "operator 'join' (join): unknown input 'itms': did you mean 'items'? Known: a, ahead, b, c, d, day, e, f, "
         "history, items, kept, l and 2 more"),
        ("join", {"name": "pit"}, "two operators have the name 'pit': each name stands once"),
        ("join", {"output": "b"}, "two operators have the output 'b': each output stands once"),
        ("join", {"inputs": ["kept", "items", "spine"]}, "operator 'join' (join): takes 2 inputs, found 3"),
        ("join", {"columns": ["colour"]}, "operator 'join' (join): no column 'colour': did you mean 'color'? Known: "
                                          "color, id"),
        ("join", {"columns": ["id"]}, "operator 'join' (join): the column id exists already on the left side: rename "
                                      "it "
                                      "with field_mapping"),
        ("join", {"keys": []}, "operator 'join' (join): needs at least one key"),
        ("join", {"keys": ["color"]}, "operator 'join' (join): no column 'color': Known: at, id, tags"),
        ("join", {"latest": True, "latest_by": TIME}, "operator 'join' (join): no column 'at': Known: color, id"),
        ("keep", {"predicate": None, "session": ["basket"], "having": "count(*) > 1"},
         "operator 'keep' (filter): no column 'basket': Known: at, id, tags"),
        ("pit", {"left_time": {"column": "at", "unit": "ms"}},
         "operator 'pit' (pit_join): column 'at' is timestamp[us], which is not a timestamp in ms"),
        ("pit", {"tie_order": ["prize"]}, "operator 'pit' (pit_join): no column 'prize': did you mean 'price'? Known: "
                                          "at, id, known, price"),
        ("rolling", {"aggregates": [{"name": "m", "kind": "mean", "column": "at", "window": "1d"}]},
         "operator 'rolling' (rolling_aggregate): 'm': mean needs numbers, found timestamp[us]"),
        ("rolling", {"aggregates": [{"name": "m", "kind": "sum", "column": "at", "window": "1d"}]},
         "operator 'rolling' (rolling_aggregate): 'm': sum needs numbers, found timestamp[us]"),
        ("flat", {"columns": ["tag"]}, "operator 'flat' (arrow_udf_transform): no column 'tag': did you mean 'tags'? "
                                       "Known: again, at, color, id, last_prices, n, next_prices, price, tags"),
        ("assemble", {"columns": [{"name": "id", "dtype": "int32", "source": "id"}]},
         "operator 'assemble' (project): column 'id' is declared int32 and made as int64"),
        ("lookup", {"column": "color"}, "operator 'lookup' (ray_udf_transform): column 'color' is string: an embedding "
                                        "column is list<halffloat> or list<float>"),
        ("lookup", {"kind": "avg_pool"},
         "operator 'lookup' (ray_udf_transform): avg_pool needs a list of integer or text ids, and 'id' is int64"),
        ("lookup", {"source": "dear"},
         "operator 'lookup' (ray_udf_transform): lookup needs an integer or text id, and 'dear' is bool"),
        ("sink", {"not_null": ["ident"]}, "operator 'sink' (sink): no column 'ident': Known: at, color, dear, id, "
                                          "vector"),
        ("scan_spine", {"order_by": []}, "operator 'sink' (sink): its input has no total order of rows: a Sink writes "
                                         "what is derived from a spine"),
        ("scan_spine", {"order_by": ["time"]}, "operator 'scan_spine' (scan): no column 'time': Known: at, id, tags"),
    ],
)  # fmt: skip
def test_operators_that_do_not_fit_together_are_refused(name: str, entries: dict[str, Any], message: str) -> None:
    assert refusal(changed(name, **entries)) == message


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ([entry for entry in ALL if entry is not SINK], "a pipeline has exactly one Sink, found 0"),
        ([*ALL, {**SINK, "name": "second", "output": "twice"}], "a pipeline has exactly one Sink, found 2"),
        ([*changed("lookup", inputs=["day"])[:-1], {**SINK, "inputs": ["e"]}],
         "operator 'sink' (sink): a Sink is terminal, and its output is read by another operator"),
        ([*ALL, {**ITEMS, "name": "idle", "output": "unread"}],
         "operator 'idle' (scan): nothing reads its output 'unread'"),
    ],
)  # fmt: skip
def test_a_pipeline_ends_in_one_sink(operators: list[dict[str, Any]], message: str) -> None:
    assert refusal(operators) == message


def test_a_sink_in_the_middle_of_the_file_comes_last() -> None:
    assert dag([SINK, *ALL[:-1]]).operators[-1].name == "sink"


@pytest.mark.parametrize(
    ("name", "entries", "error"),
    [
        ("keep", {"predicate": None}, "a Filter has exactly one of 'predicate', 'semi_join', 'session' and 'sample'"),
        ("keep", {"having": "true"}, "'session' and 'having' belong together"),
        ("scan_items", {"inputs": ["spine"]}, "a Scan reads files and has no inputs"),
        ("scan_items", {"lookback": "1d"}, "'lookback' and reads: lookback belong together"),
        ("scan_spine", {"time": None}, "reads: day chooses rows by time, and needs a 'time'"),
        ("join", {"latest": True}, "'latest' and 'latest_by' belong together: give both or neither"),
        ("join", {"latest_by": TIME}, "'latest' and 'latest_by' belong together: give both or neither"),
        ("join", {"tie_order": ["color"]}, "'created' and 'tie_order' say which row is the latest: they need latest: "
                                           "true"),
        ("rolling", {"aggregates": [{"name": "n", "kind": "list", "column": "price", "window": "1d"}]},
         "kind 'list' needs a 'max_length': the newest that many items are kept"),
        ("rolling", {"aggregates": [{"name": "n", "kind": "last", "window": "1d"}]}, "kind 'last' needs a 'column'"),
        ("assemble", {"columns": [{"name": "x", "dtype": "int64", "source": "id", "expression": "1"}]},
         "a column has a 'source' or an 'expression', and not both"),
        ("flat", {"function": "os.system"}, "'os.system' is not an import path: write package.module:function"),
        ("flat", {"version": 0}, "greater than or equal to 1"),
        ("join", {"on": "id"}, "Extra inputs are not permitted"),
        ("join", {"op_kind": "merge"}, "does not match any of the expected tags"),
    ],
)  # fmt: skip
def test_an_operator_is_checked_when_it_is_built(name: str, entries: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        dag(changed(name, **entries))


def test_an_operator_is_frozen() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        dag(ALL).operators[0].name = "other"  # type: ignore[misc]


def test_an_engine_that_no_executor_has_for_it_is_refused() -> None:
    operators = [entry for entry in changed("rolling", engine="sql") if entry is not ARROW]
    operators = [
        {**operator, "inputs": ["l"]} if operator["name"] == "assemble" else operator for operator in operators
    ]
    with pytest.raises(ConfigurationError) as raised:
        dag(operators).require_runnable()
    assert str(raised.value) == (
        "operator 'rolling' (rolling_aggregate) cannot run on engine 'sql': it runs on sql_arrow_udf"
    )


@pytest.mark.parametrize(
    ("kind", "column", "dtype"),
    [
        ("count", None, "int64"), ("count_distinct", "at", "int64"), ("sum", "small", "int64"),
        ("sum", "money", "decimal(38, 2)"), ("sum", "price", "double"), ("mean", "small", "double"),
        ("std", "money", "double"), ("min", "at", "timestamp[us]"), ("first", "tags", "list<string>"),
        ("list", "small", "list<int16>"), ("top_k", "at", "list<timestamp[us]>"), ("flatten_distinct", "tags",
                                                                                   "list<string>"),
    ],
)  # fmt: skip
def test_the_type_of_an_aggregate(kind: str, column: str | None, dtype: str) -> None:
    columns = {"id": "int64", "at": "timestamp[us]", "small": "int16", "money": "decimal(12, 2)", "price": "double",
               "tags": "list<string>"}  # fmt: skip
    listed = kind in ("list", "top_k", "flatten_distinct")
    aggregate = {"name": "x", "kind": kind, "column": column, "window": "1d", "max_length": 2 if listed else None}
    operators = [
        SPINE, scan("history", columns, reads="lookback", lookback="1d", time=TIME),
        {**ROLLING, "inputs": ["spine", "history"], "tie_order": [], "aggregates": [aggregate]},
        {**SINK, "inputs": ["c"], "dataset": "skeleton"},
    ]  # fmt: skip
    assert dag(operators).output.column("x").dtype.name == dtype

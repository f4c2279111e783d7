"""`.features(frame)`: equal to the rows that `train` would publish, in whatever order and library they are given."""

from __future__ import annotations

import datetime as dt
import random
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import daeda
from beam_pipeline.in_memory.day import DayRows
from beam_pipeline.in_memory.given_order import GivenOrder
from daeda_python import frames
from daeda_python.results import Preview
from tests.daeda_python.conftest import ENGINES, shop
from tests.projects import TinyProject, moment

DAYS = ("2024-01-02", "2024-01-03")
GIVEN = ["user_id", "item_id", "event_timestamp", "amount"]
MADE = ["category", "price", "events_1d", "recent_items", "item_vector"]

pytestmark = pytest.mark.usefixtures("in_process")


def days_of(project: daeda.Project) -> pa.Table:
    """The rows of both days, as a preview has them, which tests/daeda_preview compares with what `train` publishes."""
    return pa.concat_tables(project.preview(day=day, rows=100).table for day in DAYS)


def frame(**columns: Any) -> pa.Table:
    given = {"user_id": [1], "item_id": [10], "event_timestamp": [moment("03 12:00")], "amount": [1.0], **columns}
    return pa.table({name: values for name, values in given.items() if values is not None})


@pytest.mark.parametrize("engine", ENGINES)
def test_shuffled_doubled_and_without_keys_rows_have_the_values_of_their_days(tmp_path: Path, engine: str) -> None:
    shop(tmp_path, engine).write().write_data().write_store()
    project = daeda.project(tmp_path)
    published = days_of(project)
    assert published.column("user_id").null_count == 1
    order = [*range(published.num_rows)] * 2
    random.Random(7).shuffle(order)
    wanted = published.take(pa.array(order))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = project.features(wanted.select(GIVEN))
    assert [str(one.message).partition(":")[0] for one in told] == [
        "2 rows without 'user_id'", "2 rows without 'item_id'"
    ]  # fmt: skip
    assert made.column_names == [*GIVEN, *MADE]
    for name in made.column_names:
        assert made.column(name).type == wanted.column(name).type
        assert made.column(name).combine_chunks().equals(wanted.column(name).combine_chunks()), name


@pytest.mark.filterwarnings("ignore::daeda.DataWarning")
def test_each_library_gets_its_own_frame_back(root: Path) -> None:
    project = daeda.project(root)
    given = days_of(project).select(GIVEN).append_column("mine", pa.array(["a"] * 8))
    made = project.features(given)
    of_polars = project.features(pl.DataFrame(given))
    assert isinstance(of_polars, pl.DataFrame)
    assert of_polars.to_arrow().cast(made.schema).equals(made)
    pandas = given.to_pandas().set_index(pd.Index(list("abcdefgh"), name="row"))
    of_pandas = project.features(pandas)
    assert isinstance(of_pandas, pd.DataFrame)
    assert of_pandas.index.equals(pandas.index)
    assert list(of_pandas.columns) == made.column_names
    assert str(of_pandas["events_1d"].dtype) == "Int64"
    for name in ("price", "events_1d"):
        assert pa.array(of_pandas[name], from_pandas=True).equals(made.column(name).combine_chunks())
    assert [list(one) for one in of_pandas["recent_items"]] == made.column("recent_items").to_pylist()
    vectors = [None if one is None else list(one) for one in of_pandas["item_vector"]]
    assert vectors == made.column("item_vector").to_pylist()
    pd.testing.assert_frame_equal(of_pandas[["mine"]], pandas[["mine"]])


def test_no_whole_number_is_rounded_in_pandas() -> None:
    large = 2**53 + 1
    features = pa.table({
        "alone": pa.array([large, None]),
        "many": pa.array([[large, None], None]),
        "nested": pa.array([[[large], [None]], []]),
        "whole": pa.array([[1, 2], None], pa.list_(pa.int32())),
        "entries": pa.array([[{"item": large}, {"item": None}], None]),
    })  # fmt: skip
    appended = frames.appended(pd.DataFrame({"mine": [1, 2]}), features)
    preview = Preview("ranking", features)
    for frame in (appended, preview.to_pandas()):
        again = pa.Table.from_pandas(frame[features.column_names], schema=features.schema, preserve_index=False)
        assert again.to_pylist() == features.to_pylist()
        assert [str(dtype) for dtype in frame.dtypes[features.column_names]][:2] == [
            "Int64",
            "list<item: int64>[pyarrow]",
        ]
        assert isinstance(frame["whole"][0], np.ndarray)


def test_pandas_may_have_made_floats_of_keys_and_nanoseconds_of_times(root: Path) -> None:
    times = pd.to_datetime(["2024-01-03 12:00", "2024-01-03 12:00"]).as_unit("ns")
    given = pd.DataFrame({"item_id": [10.0, np.nan], "event_timestamp": times, 3: ["not a text", "for its name"]})
    with pytest.warns(daeda.DataWarning, match=r"^1 row without 'item_id'"):
        made = daeda.project(root).features(given, columns=["price"])
    assert made["price"].tolist()[0] == 3.5
    assert list(made.columns) == ["item_id", "event_timestamp", 3, "price"]


def test_a_time_with_a_zone_is_the_same_instant(root: Path) -> None:
    zone = dt.timezone(dt.timedelta(hours=5))
    times = [dt.datetime(2024, 1, 3, 12, 30, tzinfo=zone), dt.datetime(2024, 1, 3, 11, 30, tzinfo=zone)]
    given = pa.table({"item_id": [10, 10], "event_timestamp": pa.array(times, pa.timestamp("us", tz="+05:00"))})
    assert daeda.project(root).features(given, columns=["price"])["price"].to_pylist() == [3.5, None]


def test_chunks_may_have_dictionaries_of_their_own(root: Path) -> None:
    chunks = [pa.array([value]).dictionary_encode() for value in (10, 11)]
    times = [moment("03 12:00")] * 2
    given = pa.table({"item_id": pa.chunked_array(chunks), "event_timestamp": times})
    made = daeda.project(root).features(given, columns=["price"])
    assert made.column("item_id").type == chunks[0].type
    plain = daeda.project(root).features(pa.table({"item_id": [10, 11], "event_timestamp": times}), columns=["price"])
    assert made.column("price").equals(plain.column("price"))


def test_no_rows_have_the_columns_of_all_features(root: Path) -> None:
    made = daeda.project(root).features(frame().slice(0, 0))
    assert made.num_rows == 0
    assert made.column_names == [*GIVEN, *MADE]


def test_keys_in_the_index_of_a_frame_are_told(root: Path) -> None:
    """And an index that has the name of a column, or of none of the view, is no mistake."""
    project = daeda.project(root)
    given = frame().to_pandas()
    with pytest.raises(daeda.InputError) as caught:
        project.features(given.set_index(["item_id", "user_id"]), columns=["price"])
    assert str(caught.value) == (
        "'item_id', 'user_id' are in the index of the frame, and features are made of its columns: give "
        "frame.reset_index()"
    )
    for index in (given.set_index("item_id", drop=False), given.rename_axis("row")):
        assert list(project.features(index, columns=["price"])["price"]) == [3.5]


def test_columns_are_chosen_and_those_that_the_frame_has_are_kept(root: Path) -> None:
    made = daeda.project(root).features(frame(amount=[8.5]), columns=["price", "amount", "item_vector"])
    assert made.column_names == [*GIVEN, "price", "item_vector"]
    assert made.to_pylist()[0] | {"event_timestamp": None} == {
        "user_id": 1, "item_id": 10, "event_timestamp": None, "amount": 8.5, "price": 3.5, "item_vector": [1.0, 0.0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "columns", "error", "sentence"),
    [
        (frame(event_timestamp=None, event_time=[moment("03 12:00")]), None, daeda.InputError,
         "the rows have no column 'event_timestamp', the time of each row, only amount, item_id, user_id: add it, as a "
         "timestamp in UTC"),
        (frame(user_id=None, item_id=None, userid=[1]), None, daeda.InputError,
         "the rows have no columns 'user_id', 'item_id' (is it 'userid' for 'user_id'?), which 7 columns need "
         "(user_id, events_1d, recent_items, item_id, category and 2 more): add them, or name with columns= "
         "what does without"),
        (frame(item_id=None), ["price"], daeda.InputError,
         "the rows have no column 'item_id', which 1 column needs (price): add it, or name with columns= what does "
         "without"),
        (frame(event_timestamp=pa.array([None], pa.timestamp("us"))), None, daeda.InputError,
         "1 row without 'event_timestamp': a row without a time belongs to no day, remove it"),
        (frame(item_id=["ten"]), None, daeda.InputError,
         "column 'item_id' of the rows is string, and the view 'events' declares int64 (Failed to parse string: 'ten' "
         "as a scalar of type int64): cast it"),
        (frame(event_timestamp=[1704283200]), None, daeda.InputError,
         "column 'event_timestamp' of the rows is int64, and the view 'events' declares timestamp[us] (no unit, and no "
         "truth value, is guessed of a number): cast it"),
        (frame(item_id=[True]), None, daeda.InputError,
         "column 'item_id' of the rows is bool, and the view 'events' declares int64 (no unit, and no truth value, is "
         "guessed of a number): cast it"),
        (frame(), "price", daeda.UsageError, "columns= is a list of names, and 'price' is a text: columns=['price']"),
        (frame(), [], daeda.UsageError,
         "columns= is a list of names, of one column at least: leave it out for all columns"),
        (frame(), [1], daeda.UsageError, "columns= is a list of names, and 1 is none"),
        (frame(), ["price", "price"], daeda.UsageError, "columns=: 'price' stands there twice"),
        (frame(price=[1.0]), None, daeda.InputError,
         "the frame has column 'price', and so has the service 'ranking', which would compute it anew: drop or rename, "
         "or name other columns with columns="),
        (frame(), ["amount"], daeda.InputError,
         "the frame has every column that is asked for (amount): nothing is left to be made"),
        (frame(), ["prices"], daeda.UsageError,
         "columns: no column 'prices': did you mean 'price'? Known: amount, category, event_timestamp, events_1d, "
         "item_id, item_vector, price, recent_items, user_id"),
        (frame(event_timestamp=[moment("09 12:00")]), ["price"], daeda.InputError, None),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(
    root: Path, given: pa.Table, columns: Any, error: type[Exception], sentence: str | None
) -> None:
    with pytest.raises(error) as refused:
        daeda.project(root).features(given, columns=columns)
    said = str(refused.value)
    if sentence is None:
        assert "2024-01-09" in said
        assert "partition" in said
    else:
        assert said == sentence


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"rows": -1}, "rows is -1, and not a whole number from 1: so many rows of a day are shown"),
        ({"rows": "a"}, "rows is 'a', and not a whole number from 1: so many rows of a day are shown"),
        ({"day": 3}, "day '3' is not a day: write YYYY-MM-DD"),
        ({"day": moment("03 12:00")}, "day '2024-01-03 12:00:00' is not a day: write YYYY-MM-DD"),
        ({"columns": []}, "columns= is a list of names, of one column at least: leave it out for all columns"),
    ],
)
def test_what_cannot_be_previewed_is_refused(root: Path, asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(daeda.UsageError) as refused:
        daeda.project(root).preview(**{"day": "2024-01-02", **asked})
    assert str(refused.value) == sentence


@pytest.mark.parametrize("labels", ["no", 2, None])
def test_labels_are_asked_for_or_not(root: Path, labels: Any) -> None:
    with pytest.raises(daeda.UsageError) as refused:
        daeda.project(root).features(frame(), labels=labels)
    assert str(refused.value) == f"labels= is {labels!r}, and neither True nor False"


def test_what_is_no_frame_is_refused(root: Path) -> None:
    project = daeda.project(root)
    with pytest.raises(daeda.UsageError, match=r"this is a builtins\.dict$"):
        project.features({"user_id": [1]})
    with pytest.raises(daeda.UsageError, match=r"LazyFrame: collect\(\) it$"):
        project.features(pl.DataFrame(frame()).lazy())
    with pytest.raises(daeda.InputError, match=r"^the frame has several columns of one name: mine: rename or drop"):
        project.features(pd.DataFrame([[1, 2]], columns=["mine", "mine"]))
    with pytest.raises(
        daeda.InputError, match=r"^column 'user_id' of the frame is of no one type of Arrow \(.*\): cast it$"
    ):
        project.features(pd.DataFrame({"user_id": [1, "a"], "event_timestamp": [moment("03 12:00")] * 2}))


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("event_timestamp", pd.PeriodIndex(["2024-01-03"], freq="D"), "is what its library makes of int64"),
        ("user_id", pd.Categorical(pd.PeriodIndex(["2024-01-03"], freq="D")), "is what its library makes of int64"),
        ("event_timestamp", pd.Series([dt.date(2024, 1, 3), moment("03 12:00")], dtype=object),
         "it has dates, and times within a day"),
        ("event_timestamp", pd.Series([pd.Timestamp(1704283200000000001)], dtype=object),
         "it has nanoseconds, which Arrow does not take from objects"),
        ("user_id", pd.Series([1.0, True], dtype=object), "it has values of the types bool, float"),
        ("user_id", pd.Series([np.float16(1.5), 2], dtype=object), "it has values of the types float16, int"),
        ("user_id", pd.Series([2**63 + 5], dtype=object), "Python int too large to convert to C long"),
        ("user_id", pd.arrays.SparseArray([1]), "Did not pass numpy.dtype object"),
    ],
)  # fmt: skip
def test_values_of_pandas_that_would_become_others_are_refused(root: Path, column: str, values: Any, said: str) -> None:
    given = pd.DataFrame({column: values}).assign(**{
        name: value for name, value in {"user_id": 1, "item_id": 10, "event_timestamp": moment("03 12:00")}.items()
        if name != column
    })  # fmt: skip
    with pytest.raises(daeda.InputError, match=r"^column '\w+' of the frame is of no one type of Arrow") as refused:
        daeda.project(root).features(given)
    assert said in str(refused.value)


def test_objects_of_one_kind_and_times_with_a_zone_are_taken_without_a_warning(root: Path) -> None:
    with_zone = pd.Series([moment("03 12:00")] * 2).dt.tz_localize("UTC").dt.tz_convert("Asia/Kathmandu")
    dates = pd.Series([dt.date(2024, 1, 3), pd.NaT], dtype=object)
    numbers = pd.Series([1, 2.0], dtype=object)
    assert frames.to_arrow(pd.DataFrame({"number": numbers, "date": dates}), ["number", "date"]).to_pydict() == {
        "number": [1.0, 2.0], "date": [dt.date(2024, 1, 3), None]
    }  # fmt: skip
    made = daeda.project(root).features(
        pd.DataFrame({"item_id": [10, 11], "event_timestamp": with_zone}), columns=["price"]
    )
    assert made["price"][0] == 3.5


class OwnFrame(pd.DataFrame):  # type: ignore[misc]
    """As geopandas and others have one."""

    @property
    def _constructor(self) -> type[OwnFrame]:
        return OwnFrame


def test_a_frame_of_ones_own_class_is_one_of_its_library(root: Path) -> None:
    given = OwnFrame({"item_id": [10, 11], "event_timestamp": [moment("03 12:00")] * 2})
    made = daeda.project(root).features(given, columns=["price"])
    assert type(made) is OwnFrame
    assert made["price"][0] == 3.5


def test_an_integer_that_only_polars_has_is_refused(root: Path) -> None:
    given = pl.DataFrame(frame()).with_columns(pl.col("user_id").cast(pl.Int128))
    with pytest.raises(daeda.InputError, match=r"^column 'user_id' of the frame is of no one type of Arrow \("):
        daeda.project(root).features(given)


def test_nan_in_a_key_is_told_as_null(root: Path) -> None:
    given = frame(item_id=pa.array([float("nan")]))
    with pytest.warns(daeda.DataWarning, match=r"^1 row without 'item_id'"):
        assert daeda.project(root).features(given, columns=["price"])["price"].to_pylist() == [None]


KEYS = {"int64": [1, 2], "string": ["1", "2"], "decimal(12, 2)": [Decimal("1.50"), Decimal(2)]}


@pytest.mark.parametrize(
    ("declared", "given", "said"),
    [
        ("int64", pa.array([1.0, 2.0**53]), "a whole number from 2**53 on may have been rounded before"),
        ("int64", pa.array([1.0, 2.0**24], pa.float32()), "a whole number from 2**24 on may have been rounded before"),
        ("int64", pa.array(np.array([1, 2048], np.float16)), "a whole number from 2**11 on may have been rounded"),
        ("int64", pa.array([1.0, 2.0**53 - 1]), None),
        ("int64", pa.array(["1", None, "-12", "12"]), None),
        ("int64", pa.array(["1", None, "12"], pa.string_view()), None),
        ("int64", pa.array(["1", None, "007"]), "'007' is not how a whole number is written"),
        ("int64", pa.array(["0x1"], pa.large_string()), "'0x1' is not how a whole number is written"),
        ("string", pa.array([1, 2]), None),
        ("string", pa.array([1.0, None, float("nan"), 1e15]), None),
        ("string", pa.array([1.5]), "was truncated"),
        ("string", pa.array([1e16]), "a whole number from 2**53 on may have been rounded before"),
        ("string", pa.array([Decimal("1.0")]), "it could be written in several ways, of which none is guessed"),
        ("string", pa.array([True]), "it could be written in several ways, of which none is guessed"),
        ("string", pa.array([dt.date(2024, 1, 3)]), "it could be written in several ways, of which none is guessed"),
        ("decimal(12, 2)", pa.array([1.5, float("nan")]), None),
        ("decimal(12, 2)", pa.array([1.505]), "it would be rounded"),
    ],
)
def test_a_key_is_taken_where_it_has_one_meaning(
    tmp_path: Path, declared: str, given: pa.Array, said: str | None
) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    fields = {field["name"]: field for field in project.views["events"]["fields"]}
    fields["user_id"]["dtype"] = project.column("user_id")["dtype"] = declared
    events = project.data["events"]
    project.data["events"] = [(KEYS[declared][user - 1], *rest) for user, *rest in events]
    project.write().write_data()
    times = [moment("03 12:00")] * len(given)
    asked = pa.table({"user_id": given, "event_timestamp": times})
    opened = daeda.project(tmp_path)
    if said is not None:
        with pytest.raises(daeda.InputError, match=r"^column 'user_id' of the rows is ") as refused:
            opened.features(asked, columns=["events_1d"])
        assert said in str(refused.value)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", daeda.DataWarning)
        made = opened.features(asked, columns=["events_1d"])["events_1d"].to_pylist()
    # User 1 has two events of the day before, whoever else is asked for has none.
    assert made == [2, *[0] * (len(given) - 1)]


def test_a_double_is_not_rounded_to_a_float(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    fields = {field["name"]: field for field in project.views["events"]["fields"]}
    fields["amount"]["dtype"] = project.column("amount")["dtype"] = "float"
    project.write().write_data()
    opened = daeda.project(tmp_path)
    opened.features(frame(amount=pa.array([0.5])), columns=["price"])
    opened.features(frame(amount=pa.array([float("nan")])), columns=["price"])
    with pytest.raises(daeda.InputError, match=r"declares float \(it would be rounded\): cast it$"):
        opened.features(frame(amount=pa.array([0.1])), columns=["price"])


def test_what_is_left_out_is_told_and_so_are_rows_before_the_data(root: Path) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = daeda.project(root).features(frame(amount=None, event_timestamp=[dt.datetime(2023, 12, 31, 12)]))
    assert made.column_names == [*(name for name in GIVEN if name != "amount"), *MADE]
    assert made["events_1d"].to_pylist() == [0]
    sentences = [str(one.message) for one in told if issubclass(one.category, daeda.DataWarning)]
    assert sentences == [
        "the rows have no column 'amount': left out is amount",
        "1 row is before 2024-01-01, the first day of view 'prices', and sees nothing of it",
        "1 row is before 2024-01-01, the first day of view 'events', and sees nothing of it",
    ]
    assert {one.filename for one in told} == {__file__}


def test_labels_are_made_where_they_are_asked_for(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    project.aggregations["label_specs"] = [
        {"name": "again", "entity": "user", "history": {"view": "events"}, "kind": "count", "window": "12h"}
    ]
    project.service["columns"].append({"name": "again", "kind": "label", "dtype": "int64", "nullable": False})
    rich = {"name": "rich", "kind": "derived", "dtype": "bool", "expression": "events_1d >= 0", "label": True}
    richer = {"name": "richer", "kind": "derived", "dtype": "bool", "expression": "rich"}
    project.service["columns"] += [rich, richer]
    project.runtime["output_columns"] += ["again", "rich", "richer"]
    project.write().write_data()
    opened = daeda.project(tmp_path)
    given = frame(event_timestamp=[moment("02 08:00")])
    assert not {"again", "rich", "richer"} & {*opened.features(given).column_names}
    made = opened.features(given, labels=True)
    assert [made[name].to_pylist() for name in ("again", "rich", "richer")] == [[1], [True], [True]]
    with pytest.raises(daeda.InputError, match=r"^column 'again' cannot be made: it is a label: ask for labels, "):
        opened.features(given, columns=["again"])
    with pytest.raises(daeda.InputError, match=r"^2024-01-03 has labels .*: leave out its row, or the labels, add"):
        opened.features(frame(), labels=True)
    times = [moment("02 08:00"), moment("03 08:00"), moment("04 08:00"), moment("04 09:00")]
    with pytest.raises(
        daeda.InputError, match=r"^2024-01-03 and 1 later day have labels .*: leave out their 3 rows, or the labels"
    ):
        opened.features(frame(event_timestamp=times, item_id=[10] * 4, user_id=[1] * 4, amount=None), labels=True)


def test_rows_of_days_come_back_in_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    chance = random.Random(3)
    for case in range(40):
        places = [*range(chance.choice([0, 1, 2, 7, 50]))]
        chance.shuffle(places)
        days: list[list[int]] = [[] for _ in range(chance.choice([1, 3]))]
        for place in places:
            chance.choice(days).append(place)
        directory = tmp_path / str(case)
        directory.mkdir()
        rows = GivenOrder(directory)
        for day in days:
            texts = pa.table({"text": pa.array([f"row {place}" for place in day], pa.string())})
            rows.add(DayRows(texts, pa.array(day, pa.int64())))
        pieces = [*rows.tables(chance.choice([1, 3, 64]))]
        found = pa.concat_tables(pieces).column("text").to_pylist()
        assert found == [f"row {place}" for place in range(len(places))]


def test_texts_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    next(field for field in project.views["events"]["fields"] if field["name"] == "user_id")["dtype"] = "string"
    project.service["columns"][0]["dtype"] = "string"
    project.data["events"] = [(str(user), *more) for user, *more in project.data["events"]]
    project.write().write_data()
    opened = daeda.project(tmp_path)
    texts = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"1\xff"))
    given = {"item_id": [10] * 2, "event_timestamp": [moment("03 12:00")] * 2}
    with pytest.raises(daeda.InputError, match=r"^column 'user_id' of the rows has a text that is no UTF-8: mend it$"):
        opened.features(pa.table({"user_id": texts, **given}), columns=["events_1d"])
    with pytest.raises(daeda.InputError, match=r"^column 'user_id' of the frame has a text that is no UTF-8 \("):
        opened.features(pd.DataFrame({"user_id": pd.Series(["1", "\ud800"], dtype=object), **given}))


def test_times_of_a_zone_may_be_categories(root: Path) -> None:
    times = pd.Series([moment("03 12:00")] * 2).dt.tz_localize("UTC").astype("category")
    made = daeda.project(root).features(
        pd.DataFrame({"item_id": [10, 11], "event_timestamp": times}), columns=["price"]
    )
    assert made["price"][0] == 3.5


def test_features_of_other_rows_than_those_of_the_frame_are_none() -> None:
    with pytest.raises(daeda.DaedaError, match=r"^features of 1 rows came for a frame of 2: this is a fault of daeda$"):
        frames.appended(pa.table({"a": [1, 2]}), pa.table({"b": [1]}))

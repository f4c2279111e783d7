"""Which days a dataset has: places, versions, halves, splits and days, and what is no data."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from daeda.dataset.layout import Layout, part_name
from daeda.errors import ChangedMeanwhile, DaedaError, UsageError
from daeda_data import dataset, finding, looking
from daeda_data.parts import PublishedDay
from daeda_data.training_data import TrainingData
from tests.daeda_data.days import day_of, publish_by_hand, publish_rows, rows_of
from tests.projects import TinyProject

THREE = [day_of(0), day_of(1), day_of(2)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of the skeleton of `service`, each of 12 parts of a row."""
    made = tmp_path_factory.mktemp("published") / "service"
    publish_rows(Layout(made), 3, rows=1)
    return made


@pytest.fixture
def layout(published: Path, tmp_path: Path) -> Layout:
    """These days, for a test to change."""
    shutil.copytree(published, tmp_path / "output" / "service")
    return Layout(tmp_path / "output" / "service")


def opened(layout: Layout, **arguments: Any) -> TrainingData:
    return dataset(str(layout.output_root), layout.service, **arguments)


def place(layout: Layout, day: int = 0) -> Path:
    return Path(str(layout.day_dir("skeleton", day_of(day))))


def sentence(layout: Layout, **arguments: Any) -> str:
    """What is told, without the directory of the test."""
    with pytest.raises(DaedaError) as raised:
        opened(layout, **arguments)
    return str(raised.value).replace(f"{layout.output_root}/", "")


def test_days_parts_rows_and_schema(layout: Layout) -> None:
    data = opened(layout)
    assert (data.service, data.version, data.half, data.path) == (
        "service",
        1,
        "skeleton",
        f"{layout.service_dir}/skeleton",
    )
    assert (data.days, data.rows) == (tuple(THREE), 36)
    assert data.schema.names == [*rows_of(day_of(0), 0, 1).schema.names, "dt"]
    assert data.schema.field("dt").type == pa.date32()
    parts = data.parts()
    assert [(part.day, part.number, part.rows) for part in parts[:13]] == [
        *[(day_of(0), number, 1) for number in range(12)], (day_of(1), 0, 1),
    ]  # fmt: skip
    assert parts[10].path == f"{layout.day_dir('skeleton', day_of(0))}/part-10-0.parquet"
    assert data.manifest("2024-01-02").day == data.manifest(day_of(1)).day == "2024-01-02"
    with pytest.raises(UsageError, match="2024-02-01 is none of the days of this dataset"):
        data.manifest("2024-02-01")
    with pytest.raises(UsageError, match="'soon' is no day"):
        data.manifest("soon")


CHOSEN: dict[str, tuple[Any, list[int]]] = {
    "one as text": ("2024-01-02", [1]),
    "one as a date": (day_of(1), [1]),
    "an instant at midnight": (dt.datetime(2024, 1, 2), [1]),
    "a list in any order": (["2024-01-03", day_of(0)], [0, 2]),
    "a tuple of three": (("2024-01-03", "2024-01-01", "2024-01-02"), [0, 1, 2]),
    "a range": (("2024-01-02", "2024-01-03"), [1, 2]),
    "a range of one": (("2024-01-02", "2024-01-02"), [1]),
    "a range as text": ("2024-01-02..2024-01-03", [1, 2]),
    "a slice": (slice("2024-01-01", day_of(1)), [0, 1]),
    "a slice with an open begin": (slice(None, "2024-01-02"), [0, 1]),
    "a slice with an open end": (slice("2024-01-02", None), [1, 2]),
    "an open slice": (slice(None), [0, 1, 2]),
}


@pytest.mark.parametrize("what", CHOSEN)
def test_days_that_are_asked_for(layout: Layout, what: str) -> None:
    asked, numbers = CHOSEN[what]
    assert opened(layout, days=asked).days == tuple(day_of(number) for number in numbers)


FORMS = (
    'a day "2025-01-01", a range ("2025-01-01", "2025-01-14") with both days in it, a list of days, or a slice'
)  # fmt: skip
REFUSED: dict[str, tuple[Any, str]] = {
    "days that are not there": (
        ["2024-01-02", "2024-01-05", "2024-02-07", "2024-02-08"],
        "2024-01-05, 2024-02-07..2024-02-08 are not published in service/skeleton, where 2024-01-01..2024-01-03 are: "
        "build what is missing with `daeda pipeline train`, or ask for other days",
    ),
    "a range that goes on": (
        ("2024-01-02", "2024-01-04"),
        "2024-01-04 is not published in service/skeleton, where 2024-01-01..2024-01-03 are: build what is missing with "
        "`daeda pipeline train`, or ask for other days",
    ),
    "a slice that begins behind": (
        slice("2024-01-09", None),
        "2024-01-09 is not published in service/skeleton, where 2024-01-01..2024-01-03 are: build what is missing with "
        "`daeda pipeline train`, or ask for other days",
    ),
    "a range backwards": (
        ("2024-01-03", "2024-01-02"),
        "days=: '2024-01-03..2024-01-02' ends before it begins: write the earlier day first",
    ),
    "twice": (["2024-01-01", day_of(0)], "days=: 2024-01-01 stands there twice"),
    "none": ([], f"days= is empty: leave it out for all days, or give {FORMS}"),
    "another spelling": ("20240101", f"days=: '20240101' is no day: days= takes {FORMS}"),
    "a number": ([20240101], f"days=: 20240101 is no day: days= takes {FORMS}"),
    "nothing like it": (7, f"days= takes {FORMS}, not 7"),
    "an instant": ([dt.datetime(2024, 1, 1, 5)], "days=: 2024-01-01 05:00:00 is an instant and no day: give its date"),
    "a step": (slice("2024-01-01", None, 2), "days=: a slice of days has no step: give a list of days"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_days_that_are_refused(layout: Layout, what: str) -> None:
    asked, told = REFUSED[what]
    assert sentence(layout, days=asked) == told


def test_what_lies_beside_days_and_parts_is_no_data(layout: Layout) -> None:
    service = Path(str(layout.service_dir))
    for name in ("skeleton/dt=2024-01-09/part-0-0.parquet", "skeleton/notes/x", "skeleton/dt=soon/y", "_staging/z"):
        (service / name).parent.mkdir(parents=True, exist_ok=True)
        (service / name).write_text("of somebody")
    for name in ("_SUCCESS", ".part-0-0.parquet.crc", "more.parquet", "notes.txt", "country=NO/part-0-0.parquet"):
        (place(layout) / name).parent.mkdir(exist_ok=True)
        (place(layout) / name).write_text("of somebody")
    data = opened(layout, verify=True)
    assert (data.days, data.rows, data.arrow().count_rows()) == (tuple(THREE), 36, 36)
    assert data.arrow().to_table().column("row").to_pylist() == list(range(12)) * 3
    assert sentence(layout, days="2024-01-09").startswith("2024-01-09 is not published in service/skeleton")
    assert opened(layout, days=slice("2024-01-02", None)).days == (day_of(1), day_of(2))


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a part is missing": (lambda day: (day / part_name(10)).unlink(), "part-10-0.parquet is missing"),
    "a part is cut": (
        lambda day: rewrite(day / part_name(0), lambda content: content[:100]),
        "part-0-0.parquet has 100 bytes, and the manifest says",
    ),
    "a part is a link": (
        lambda day: [(day / part_name(0)).rename(day / "_x"), (day / part_name(0)).symlink_to("_x")],
        "part-0-0.parquet is no regular file, and the manifest says",
    ),
    "a part is a FIFO": (
        lambda day: [(day / part_name(0)).unlink(), os.mkfifo(day / part_name(0))],
        "part-0-0.parquet is no regular file, and the manifest says",
    ),
    "a part too many": (
        lambda day: shutil.copy(day / part_name(0), day / part_name(12)),
        "part-12-0.parquet is no part of the manifest",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_a_manifest_and_parts_that_disagree_are_an_error(layout: Layout, what: str) -> None:
    damage, told = DAMAGE[what]
    damage(place(layout, 1))
    found = sentence(layout)
    assert found.startswith(f"service/skeleton/dt=2024-01-02 is not the day that was published: {told}")
    assert found.endswith(": build dt=2024-01-02 again")
    # Other days are read none the less.
    assert opened(layout, days=["2024-01-01", "2024-01-03"]).rows == 24


def test_a_manifest_that_cannot_be_believed_is_an_error(layout: Layout) -> None:
    rewrite(place(layout) / "_manifest.json", lambda content: content.replace(b'"rows": 12', b'"rows": 13', 1))
    assert sentence(layout).startswith(
        "service/skeleton/dt=2024-01-01/_manifest.json is not the manifest of this day: "
    )


def test_a_link_in_the_place_of_a_day_is_not_followed(layout: Layout, tmp_path: Path) -> None:
    shutil.move(place(layout), tmp_path / "elsewhere")
    place(layout).symlink_to(tmp_path / "elsewhere")
    assert sentence(layout).startswith("service/skeleton/dt=2024-01-01 is a link, which is not followed")


def test_verifying_finds_bytes_that_are_not_those_that_were_published(layout: Layout) -> None:
    part = place(layout) / part_name(3)
    rewrite(part, lambda content: content[:10] + bytes([content[10] ^ 1]) + content[11:])
    assert opened(layout).rows == 36
    told = "service/skeleton/dt=2024-01-01/part-3-0.parquet is not the file that was published: build the day again"
    assert sentence(layout, verify=True) == told
    assert opened(layout, days="2024-01-02", verify=True).rows == 12


def test_a_day_that_is_built_again_is_not_read_as_the_one_that_was_opened(layout: Layout) -> None:
    data = opened(layout)
    table = data.arrow()
    assert table.count_rows() == 36
    directory = place(layout, 1)
    shutil.rmtree(directory)
    with pytest.raises(ChangedMeanwhile, match="is not the file any more that was there when 2024-01-02 was"):
        table.to_table()
    publish_by_hand(layout, day_of(1), [rows_of(day_of(1), number, 1) for number in range(12)])
    with pytest.raises(ChangedMeanwhile, match="open the dataset anew"):
        data.parts()[12].open()
    assert opened(layout).arrow().to_table().num_rows == 36


def test_datasets_and_their_parts_go_to_other_processes(layout: Layout) -> None:
    data = pickle.loads(pickle.dumps(opened(layout, columns=["row", "item"])))
    assert data.arrow().to_table() == opened(layout, columns=["row", "item"]).arrow().to_table()
    with pickle.loads(pickle.dumps(data.parts()[1])).open_parquet() as file:
        assert file.metadata.num_rows == 1


def test_versions(layout: Layout) -> None:
    second = layout.of_version(2)
    assert "no day of version 2: version 1 is there" in sentence(layout, version=2)
    publish_rows(second, 1)
    assert (opened(layout, version=1).rows, opened(layout, version=2).rows) == (36, 36)
    assert opened(layout, version=2).path.endswith("service/v2/skeleton")
    assert sentence(layout) == "service has days of the versions 1 and 2: say version=2, or another"
    assert sentence(layout, version=3).startswith("service has no day of version 3: versions 1, 2 are there; build it")
    assert sentence(layout, version=0) == "version= is a whole number from 1 on, not 0"
    shutil.rmtree(Path(str(layout.service_dir)) / "skeleton")
    assert opened(layout).version == 2


def test_services_that_are_not_there(layout: Layout, tmp_path: Path) -> None:
    root = str(layout.output_root)
    with pytest.raises(UsageError, match=f"^no days of 'servce' in {root}: did you mean 'service'"):
        dataset(root, "servce")
    with pytest.raises(UsageError, match="holds no published day: build one with"):
        dataset(tmp_path, "service")
    with pytest.raises(UsageError, match="is no directory: give an output root, or the directory of a project"):
        dataset(tmp_path / "nowhere", "service")


def test_the_enriched_half_is_read_where_it_is_there(layout: Layout) -> None:
    publish_rows(layout, 2, parts=1, half="enriched")
    assert (opened(layout).half, len(opened(layout).days), opened(layout).rows) == ("enriched", 2, 6)
    assert len(opened(layout, half="skeleton").days) == 3
    assert sentence(layout, half="both") == 'half= is "skeleton" or "enriched", not \'both\''
    # A day that is not enriched yet is missing, though its skeleton is there.
    assert sentence(layout, days="2024-01-03").startswith("2024-01-03 is not published in service/enriched, where")


def test_a_skeleton_that_waits_for_its_vectors_is_not_read_for_the_whole(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "output" / "service")
    publish_by_hand(layout, day_of(0), [rows_of(day_of(0), 0, 3)], placeholders=["vector"])
    assert sentence(layout) == (
        "service holds the skeleton alone, in which 'vector' and all embedding columns are empty: enrich it with "
        '`daeda pipeline train`, or read it as it is with half="skeleton"'
    )
    assert opened(layout, half="skeleton").rows == 3


def test_a_directory_without_a_manifest_hides_no_placeholders(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "output" / "service")
    publish_by_hand(layout, day_of(0), [rows_of(day_of(0), 0, 3)], placeholders=["vector"])
    for number in (1, 2):
        place(layout, number).mkdir()
    assert sentence(layout).startswith("service holds the skeleton alone, in which 'vector' and all embedding columns")
    assert opened(layout, half="skeleton").days == (day_of(0),)


def test_a_day_that_is_replaced_while_days_are_listed_is_not_missing(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, looks = place(layout, 1).rename(place(layout, 1).with_name("_away")), []

    def look_at(*asked: Any) -> list[PublishedDay]:
        """The first look is at the days of a list that was made while one was absent."""
        looks.append(asked[-1])
        if len(looks) == 1:
            away.rename(place(layout, 1))
        return looking.look_at(*asked)

    monkeypatch.setattr(finding, "look_at", look_at)
    assert opened(layout, half="skeleton").days == tuple(THREE)
    assert looks == [[day_of(0), day_of(2)], THREE]


def test_days_with_other_columns_are_told_and_not_unified(layout: Layout) -> None:
    table = rows_of(day_of(3), 0, 3)
    place_of_price = table.schema.get_field_index("price")
    other = table.set_column(place_of_price, "price", table.column("price").cast(pa.float64()))
    directory = publish_by_hand(layout, day_of(3), [other])
    advice = (
        "days with different columns are not read as one: build them again, ask for days= that are alike, or for "
        "columns= that all of them have"
    )
    told = f"2024-01-04 has the column 'price' as double, and 2024-01-01 has it as decimal(12, 2): {advice}"
    assert sentence(layout) == told
    assert opened(layout, columns=["row", "vector"]).rows == 39
    shutil.rmtree(directory)
    publish_by_hand(layout, day_of(3), [table.drop_columns(["seen", "price"])])
    assert sentence(layout) == (f"2024-01-04 has no column 'price', and 2024-01-01 has it (2 columns differ): {advice}")
    shutil.rmtree(directory)
    publish_by_hand(layout, day_of(3), [table.append_column("new", table.column("row"))])
    assert sentence(layout) == f"2024-01-04 has the column 'new', and 2024-01-01 has none: {advice}"
    # As the sentence has it, though all columns of the first day are asked for.
    assert opened(layout, columns=table.column_names).pandas()["row"].tolist()[-3:] == [0, 1, 2]
    shutil.rmtree(directory)
    # Another order of the same columns is no other column.
    publish_by_hand(layout, day_of(3), [table.select(list(reversed(table.schema.names)))])
    assert opened(layout).arrow().to_table().column("row").to_pylist()[-3:] == [0, 1, 2]


def test_columns_that_are_chosen(layout: Layout) -> None:
    data = opened(layout, columns=["item", "row"])
    assert (data.columns, data.schema.names) == (("item", "row"), ["item", "row", "dt"])
    assert data.arrow().to_table().schema.names == ["item", "row", "dt"]
    assert sentence(layout, columns=["itm"]).startswith("columns=: no column 'itm': did you mean 'item'")
    assert sentence(layout, columns=["row", "row"]) == "columns=: 'row' stands there twice"
    assert sentence(layout, columns="row") == "columns= is a list of names, and 'row' is a text: columns=['row']"
    assert sentence(layout, columns=[]).startswith("columns= is a list of names, of one column at least: leave it out")
    assert sentence(layout, columns=3) == sentence(layout, columns=[3]) == "columns= is a list of names, and 3 is none"
    for names in ((name for name in ["item", "row"]), pa.array(["item", "row"]).to_numpy(zero_copy_only=False)):
        assert opened(layout, columns=names).columns == ("item", "row")


def test_the_column_of_the_day_hides_no_column(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "output" / "service")
    publish_by_hand(layout, day_of(0), [pa.table({"row": [1], "DT": ["own"]})])
    assert sentence(layout) == (
        "the service has a column 'DT' of its own, which the column of the day would hide: name that one differently, "
        'day_column="day", or leave it out with day_column=None'
    )
    assert opened(layout, columns=["row"]).schema.names == ["row", "dt"]
    assert opened(layout, day_column=None).arrow().to_table().to_pylist() == [{"row": 1, "DT": "own"}]
    assert opened(layout, day_column="day").arrow().to_table().to_pylist() == [
        {"row": 1, "DT": "own", "day": day_of(0)}
    ]


def test_a_project_says_where_its_days_are_and_what_its_splits_are(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without_enrichment()
    project.service |= {"version": 2, "splits": {"train": "2024-01-01..2024-01-02", "test": "2024-01-03..2024-01-04"}}
    project.write()
    layout = Layout(tmp_path / "output/ranking").of_version(2)
    publish_rows(layout, 3, parts=1)
    publish_rows(layout.of_version(1), 1, parts=1)
    for root in (tmp_path, tmp_path / "output"):
        data = dataset(root, "ranking", 2, split="train")
        assert (data.days, data.version, data.split) == ((day_of(0), day_of(1)), 2, "train")
    assert dataset(tmp_path, "ranking").version == 2
    assert dataset(tmp_path, "ranking", split="train", days="2024-01-02").days == (day_of(1),)
    wrong = {
        "no split 'trian': did you mean 'train'": {"split": "trian"},
        "2024-01-04 of the split 'test' is not published in": {"split": "test"},
        r"days=: 2024-01-03 lies outside of the split 'train' \(2024-01-01..2024-01-02\)": {
            "split": "train", "days": "2024-01-03",
        },
    }  # fmt: skip
    for told, arguments in wrong.items():
        with pytest.raises(UsageError, match=told):
            dataset(tmp_path, "ranking", **arguments)
    with pytest.raises(UsageError, match="are those of version 2 of 'ranking', and days of version 1 are asked for"):
        dataset(tmp_path / "output", "ranking", 1, split="train")
    with pytest.raises(UsageError, match="are those of version 2 of 'ranking', and days of version 1 are asked for"):
        dataset(tmp_path, "ranking", 1, split="train")


def test_a_split_without_a_project_is_told(layout: Layout) -> None:
    assert sentence(layout, split="train") == (
        "split='train': splits stand in the YAML of 'service', and no project that service lies in has it: give the "
        "directory of the project as root, or the days of 'train' as days="
    )


def test_kinds_are_those_of_the_manifest(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "output" / "service")
    publish_by_hand(layout, day_of(0), [pa.table({"a": [1], "b": [2]})], kinds={"a": "key"})
    assert dataset(tmp_path / "output", "service").kinds == {"a": "key", "b": None}
    # A column that has become a label is one on the days from before, too.
    publish_by_hand(layout, day_of(1), [pa.table({"a": [1], "b": [2]})], kinds={"a": "spine", "b": "label"})
    assert dataset(tmp_path / "output", "service").kinds == {"a": "key", "b": "label"}


def test_it_is_shown_in_a_terminal_and_in_a_notebook(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "output" / "service")
    table = pa.table({"a": [1, 2], "<b>\x1b[1m": ["x", "y"]})
    for number in (0, 1, 4):
        publish_by_hand(layout, day_of(number), [table], kinds={"a": "key"})
    data = opened(layout)
    assert repr(data) == (
        "service (skeleton): 3 days (2024-01-01..2024-01-02, 2024-01-05), 6 rows, 3 columns\n"
        "  a           int64\n"
        "  <b>\\x1b[1m  string\n"
        "  dt          date"
    )
    assert "<tr><td>a</td><td>int64</td><td>key</td></tr>" in data._repr_html_()
    assert "<td>&lt;b&gt;\\x1b[1m</td>" in data._repr_html_()


_LOADED = """
import sys
import daeda_data
assert not {"pyarrow", "duckdb", "numpy", "polars", "pandas", "pydantic"} & set(sys.modules), "too much is loaded"
data = daeda_data.dataset(sys.argv[1], "service")
data.parts(), data.schema
assert not {"duckdb", "polars", "pandas", "datasets", "apache_beam", "ray"} & set(sys.modules), "too much is loaded"
"""


def test_nothing_is_imported_that_is_not_asked_for(layout: Layout) -> None:
    command = [sys.executable, "-c", _LOADED, str(layout.output_root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

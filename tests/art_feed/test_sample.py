"""The generator: the same options give the same bytes, and the rows have the difficulties that it promises."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sample_data.generate import main
from sample_data.options import DAY_MS

SMALL = ("--days", "3", "--users", "150", "--artworks", "300", "--dimensions", "4")
Row = dict[str, Any]


def made(data: Path, *options: str) -> Path:
    assert main([*SMALL, *options, "--data", str(data)]) == 0
    return data


def digests(data: Path) -> dict[str, str]:
    files = sorted(data.rglob("*.parquet"))
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def store(data: Path) -> list[Row]:
    rows: list[Row] = lance.dataset(str(data / "artwork_embeddings.lance"), version=1).to_table().to_pylist()
    return rows


def rows_of(data: Path, name: str) -> list[Row]:
    files = sorted((data / name).glob("dt=*/*.parquet"))
    return pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).to_pylist()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("sample") / "data")


def test_the_same_options_give_the_same_bytes_and_another_seed_others(sample: Path, tmp_path: Path) -> None:
    same, other = made(tmp_path / "same"), made(tmp_path / "other", "--seed", "8")
    assert digests(same) == digests(sample)
    assert store(same) == store(sample)
    assert not set(digests(other).values()) & set(digests(sample).values())


def test_a_second_run_does_nothing_and_other_options_make_it_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = made(tmp_path / "data")
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    capsys.readouterr()
    made(data)
    assert capsys.readouterr() == (f"{data}\n", "the sample is there already: nothing to do\n" + ADVICE)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before
    made(data, "--days", "2")
    assert [path.name for path in sorted((data / "feed_events").iterdir())] == ["dt=2025-03-01", "dt=2025-03-02"]


ADVICE = (
    "set artwork_embed_dim: 4 in config/base.yaml\n"
    "train days from 2025-03-02 to 2025-03-02 (feed_start, feed_end in runtime.yaml)\n"
)


def test_a_run_that_was_cut_off_begins_again(sample: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / ".sample-in-work" / "feed_events").mkdir(parents=True)
    (data / "feed_events").mkdir()
    assert digests(made(data)) == digests(sample)
    assert not (data / ".sample-in-work").exists()


def test_what_is_not_of_a_sample_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "feed_events" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert main([*SMALL, "--data", str(tmp_path)]) == 2
    told = f"error: {tmp_path}/feed_events exists and is not of a sample: choose another directory with --data\n"
    assert capsys.readouterr() == ("", told)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--days", "0"], "argument --days: '0' is not a whole number above 0"),
        (["--users", "many"], "argument --users: 'many' is not a whole number above 0"),
        (["--start", "March"], "argument --start: 'March' is not a day: write YYYY-MM-DD"),
    ],
)
def test_a_wrong_option_is_refused(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(flags)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: {message}\n")


@pytest.mark.parametrize("flags", [["--users", "1", "--artworks", "1", "--days", "1"], ["--artworks", "2"]])
def test_the_smallest_samples_can_be_made(tmp_path: Path, flags: list[str]) -> None:
    assert (made(tmp_path / "data", *flags) / "sample.json").is_file()


def test_the_size_is_the_one_asked_for(sample: Path) -> None:
    assert [path.name for path in sorted((sample / "feed_events").iterdir())] == [
        f"dt=2025-03-0{number}" for number in (1, 2, 3)
    ]
    assert len({row["artwork_id"] for row in rows_of(sample, "artwork_properties")}) == 300
    assert {row["user_id"] for row in rows_of(sample, "feed_events")} <= set(range(1, 151))
    assert {len(row["vector"]) for row in store(sample) if row["vector"] is not None} == {4}


@pytest.mark.parametrize(("view", "time"), [("feed_events", "event_timestamp"), ("artwork_properties", "valid_from")])
def test_a_partition_holds_the_rows_of_its_day(sample: Path, view: str, time: str) -> None:
    for part in (sample / view).glob("dt=*"):
        start = (dt.date.fromisoformat(part.name.removeprefix("dt=")) - dt.date(1970, 1, 1)).days * DAY_MS
        times = pq.read_table(part, partitioning=None).column(time).to_pylist()
        assert all(start <= time < start + DAY_MS for time in times)
        assert times


def frozen(row: Row) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row.values())


def test_the_feed_has_ties_duplicates_gaps_and_visits_past_midnight(sample: Path) -> None:
    rows = rows_of(sample, "feed_events")
    moments = Counter((row["user_id"], row["event_timestamp"]) for row in rows)
    assert max(moments.values()) >= 4
    assert max(Counter(frozen(row) for row in rows).values()) >= 2
    days = defaultdict(set)
    for row in rows:
        if row["feed_session"] is not None:
            days[row["feed_session"]].add(row["event_timestamp"] // DAY_MS)
    assert max(len(among) for among in days.values()) == 2
    assert {row["event"] for row in rows} == {"like", "dislike", "open", "skip", "refresh"}
    assert all((row["artwork_id"] is None) == (row["event"] == "refresh") for row in rows)
    for name in ("feed_session", "aes_score", "tack_ids"):
        values = [row[name] for row in rows if row["event"] != "refresh"]
        assert 0 < values.count(None) < len(values) / 4, name
    assert not any(isinstance(row["aes_score"], float) and math.isnan(row["aes_score"]) for row in rows)


def test_few_users_and_few_artworks_have_most_of_the_feed(sample: Path) -> None:
    rows = [row for row in rows_of(sample, "feed_events") if row["event"] != "refresh"]
    for name, count in (("user_id", 150), ("artwork_id", 300)):
        frequent = [number for _, number in Counter(row[name] for row in rows).most_common(count // 10)]
        assert sum(frequent) > len(rows) / 4, name


def test_properties_have_changes_late_corrections_and_rows_that_were_never_known(sample: Path) -> None:
    rows = rows_of(sample, "artwork_properties")
    assert any(row["valid_from"] > row["published_at"] for row in rows)
    assert any(row["created_at"] is None for row in rows)
    assert all(row["created_at"] > row["valid_from"] for row in rows if row["created_at"] is not None)
    by_moment = defaultdict(set)
    for row in rows:
        by_moment[row["artwork_id"], row["valid_from"]].add((row["created_at"], row["author_id"], row["model_id"]))
    corrected = [versions for versions in by_moment.values() if len(versions) > 1]
    assert len(corrected) > 5
    assert any(len({author for _, author, _ in versions}) > 1 for versions in corrected)


def test_profiles_have_changes_at_one_moment_and_users_without_one(sample: Path) -> None:
    rows = pq.read_table(sample / "user_profile.parquet").to_pylist()
    assert 120 <= len({row["user_id"] for row in rows}) < 150
    assert len({(row["user_id"], row["updated_at"]) for row in rows}) < len(rows)
    assert None in {row["country"] for row in rows}


def test_some_vectors_are_missing_and_the_covered_ids_are_those_that_have_one(sample: Path) -> None:
    rows = store(sample)
    covered = pq.read_table(sample / "covered_artworks.parquet").column("artwork_id").to_pylist()
    assert covered == [row["artwork_id"] for row in rows if row["vector"] is not None]
    assert len(covered) < len(rows) < 300
    norms = [math.hypot(*row["vector"]) for row in rows if row["vector"] is not None]
    assert all(abs(norm - 1) < 1e-5 for norm in norms)

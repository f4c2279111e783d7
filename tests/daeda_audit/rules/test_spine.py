"""Which rows a day has: of the audit and of the product, where a filter asks another view."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda_audit.command import main
from tests.daeda_audit.feed import DAYS, build, words
from tests.projects import TinyProject, fields, moment, write_parquet


@pytest.mark.parametrize("partitioned", [False, True])
def test_ids_of_a_view_with_time_count_up_to_the_end_of_the_day(
    partitioned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Item 11 is listed later on the day of its event, item 99 only a day later, and item 10 at no known time."""
    made = TinyProject(tmp_path).without("item_vector")
    columns = {"item_id": "int64", "listed_at": "timestamp[us]"}
    made.views["listed"] = {
        "name": "listed", "entity": "item", "fields": fields(**columns),
        "source": {"path": "listed" if partitioned else "listed.parquet", "timestamp_field": "listed_at"},
    }  # fmt: skip
    made.service["spine"]["filters"] = [{"covered_by": {"view": "listed", "column": "item_id"}}]
    made.write().write_data()
    rows = [(11, moment("02 23:00")), (99, moment("03 01:00"))]
    if partitioned:
        for day, row in zip(("2024-01-02", "2024-01-03"), rows, strict=True):
            write_parquet(made.root / f"data/listed/dt={day}/a.parquet", columns, [row])
    else:
        made.views["listed"]["source"]["null_timestamps"] = "drop"
        made.write()
        write_parquet(made.root / "data/listed.parquet", columns, [*rows, (10, None)])
    build(made, days=DAYS)
    code, told = main(words(made, "--probe", "recompute")), capsys.readouterr()
    assert code == 0, told.err
    assert "\n2024-01-02: 1 of 1 row recomputed" in told.err
    assert "\n2024-01-03: 0 of 0 rows recomputed" in told.err
    assert told.err.startswith(
        "note: 'covered_by' of the view 'listed' judges a row by the rest of its day: which rows there are sees the "
        "future\n"
    )

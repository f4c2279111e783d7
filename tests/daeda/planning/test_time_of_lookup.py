"""The time of a looked-up row as a feature: named in feature_refs, and seen no earlier than the row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daeda.errors import ConfigurationError
from daeda.operators.dag import Operator
from daeda.operators.temporal import PointInTimeJoin
from daeda_audit.command import main as audit
from tests.daeda_audit.feed import build, words
from tests.hostile.test_values import DAY, rows_of
from tests.projects import TinyProject, fields, moment


def _timed(root: Path, **column: Any) -> TinyProject:
    made = TinyProject(root).without("item_vector", "price")
    made.views["prices"]["source"]["timestamp_field"] = "priced_at"
    made.views["prices"]["fields"] = fields(item_id="int64", priced_at="timestamp[us]", price="double")
    made.runtime["feature_refs"].append("prices:priced_at")
    made.service["columns"].append({"name": "priced_at", "kind": "point_in_time", "dtype": "timestamp[us]"} | column)
    made.runtime["output_columns"].append("priced_at")
    made.data["prices"] = [(11, moment("01 20:00"), 1.0), (11, moment("02 09:00"), 2.0)]
    return made


@pytest.mark.parametrize("searched", [False, True])
def test_a_row_gives_its_time_and_a_leak_of_it_is_told(
    searched: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _timed(tmp_path).write().write_data()
    build(made, days=[DAY], searched=searched)
    assert [row["priced_at"] for row in rows_of(made)] == [moment("01 20:00"), None]
    assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()

    def leaking(operator: Operator) -> Operator:
        exact = isinstance(operator, PointInTimeJoin)
        return operator.model_copy(update={"allow_exact": True}) if exact else operator

    build(made, days=[DAY], swap=leaking, searched=searched)
    assert rows_of(made)[0]["priced_at"] == moment("02 09:00")
    capsys.readouterr()
    assert audit(words(made, "--probe", "recompute")) == 1
    assert "priced_at" in capsys.readouterr().out


def test_the_newest_row_gives_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = _timed(tmp_path, kind="static", latest=True).write().write_data()
    build(made, days=[DAY])
    assert rows_of(made)[0]["priced_at"] == moment("02 09:00")
    assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()


def test_a_time_that_has_the_name_of_the_spines_is_refused(tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    made.runtime["feature_refs"].append("prices:event_timestamp")
    with pytest.raises(ConfigurationError) as caught:
        made.write().compile()
    assert str(caught.value) == (
        "config/training/runtime.yaml:9: 'prices:event_timestamp' has the name of a field of the spine view 'events', "
        "and a column takes the time of a looked-up row from its view by name: give it another one there, like "
        "field_mapping: {event_timestamp: prices_time}, and name that one here and in the service"
    )


def test_a_time_that_is_not_referenced_says_so(tmp_path: Path) -> None:
    made = _timed(tmp_path)
    made.runtime["feature_refs"].remove("prices:priced_at")
    with pytest.raises(ConfigurationError) as caught:
        made.write().compile()
    assert "column 'priced_at' (kind point_in_time) is made by no referenced view: add 'prices:priced_at' to " in str(
        caught.value
    )

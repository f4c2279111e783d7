"""Numbers and instants of YAML: what it reads as something else is refused, and no digit is lost on the way."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from daeda.dtypes import DType
from daeda.errors import ConfigurationError
from daeda.settings.document import Mistakes, load_document
from daeda.sql.literal import exact, literal
from daeda_audit.values import typed
from tests.projects import TinyProject


def read(text: str, tmp_path: Path) -> object:
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {text}\n", encoding="utf-8")
    mistakes = Mistakes()
    document = load_document(path, tmp_path, mistakes)
    mistakes.raise_if_any()
    assert document is not None
    return document.data["a"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("010", "YAML reads it as 8, in octal: write 10, or 8 where that is meant"),
        ("-0755", "YAML reads it as -493, in octal: write -755, or -493 where that is meant"),
        ("1:30", "YAML reads it as 90, in base 60: quote it, or write 90 where that is meant"),
        ("1:30.5", "YAML reads it as 90.5, in base 60: quote it, or write 90.5 where that is meant"),
        ("1.0e+400", "it is greater than any double: write .inf where that is meant, or quote it"),
        ("1.0e-400", "it is nearer to 0 than any double: write 0.0 where that is meant, or quote it"),
    ],
)
def test_a_number_that_is_read_as_another_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text, tmp_path)
    assert str(caught.value) == f"a.yaml:1: is not valid YAML: '{text}' of 'a' is no value: {told}"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1_000", 1000), ("0x1F", 31), ("0b11", 3), ("07", 7), ("00", 0), (".inf", float("inf")), ("1.5e+3", 1500.0),
     ("'010'", "010"), ("12:30:00 o'clock", "12:30:00 o'clock"), ("2024-01-02", dt.date(2024, 1, 2))],
)  # fmt: skip
def test_what_has_one_meaning_is_read(text: str, value: object, tmp_path: Path) -> None:
    assert read(text, tmp_path) == value


def test_digits_that_neither_double_nor_datetime_keep_are_kept(tmp_path: Path) -> None:
    written = read("12345678901234567890.12", tmp_path)
    wide = DType.parse("decimal(38, 2)")
    assert written == 12345678901234567890.12
    assert exact(written, DType.parse("double")) == 12345678901234567890.12
    assert exact(written, wide) == "12345678901234567890.12"
    assert literal(written, wide).sql("duckdb") == "CAST('12345678901234567890.12' AS DECIMAL(38, 2))"
    assert typed(written, wide) == Decimal("12345678901234567890.12")
    assert read("2024-02-29 10:00:00.123456789", tmp_path) == "2024-02-29 10:00:00.123456789"


def test_a_zone_is_worked_into_the_pipeline(tmp_path: Path) -> None:
    value = read("2024-02-29T10:00:00+02:00", tmp_path)
    assert exact(value, DType.parse("timestamp[us]")) == "2024-02-29 08:00:00"
    assert exact([value], DType.parse("list<timestamp[us]>")) == ["2024-02-29 08:00:00"]
    assert exact(value, DType.parse("timestamp[us, UTC]")) == value


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("daeda_day_workers", "abc", "daeda_day_workers: the names of settings are in capitals: write "
         "DAEDA_DAY_WORKERS, or unset it"),
        ("DAEDA_day_workers", "2", "DAEDA_day_workers: the names of settings are in capitals: write "
         "DAEDA_DAY_WORKERS, or unset it"),
        ("DAEDA_FEED_END", "x", "DAEDA_FEED_END: 'x' is not a day: write YYYY-MM-DD"),
        ("DAEDA_FEED_END", "2020-01-01", "config/training/runtime.yaml:1 with DAEDA_FEED_END: feed_end 2020-01-01 lies "
         "before feed_start 2024-01-02: swap them"),
    ],
)  # fmt: skip
def test_a_variable_is_named(
    variable: str, value: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        TinyProject(tmp_path).write().load()
    assert str(caught.value).splitlines()[0] == told

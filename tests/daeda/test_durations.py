from __future__ import annotations

import pytest

from daeda.dtypes import TimeUnit
from daeda.durations import Duration, finest


@pytest.mark.parametrize(
    ("text", "nanoseconds", "days"),
    [
        ("1ns", 1, 1),
        ("30s", 30_000_000_000, 1),
        ("24h", 86_400_000_000_000, 1),
        ("25h", 90_000_000_000_000, 2),
        ("7d", 604_800_000_000_000, 7),
        ("2w", 1_209_600_000_000_000, 14),
    ],
)
def test_a_duration_is_exact_and_its_days_are_rounded_up(text: str, nanoseconds: int, days: int) -> None:
    duration = Duration.parse(text)
    assert (duration.nanoseconds, duration.days) == (nanoseconds, days)


def test_unbounded_has_no_length() -> None:
    duration = Duration.parse("unbounded")
    assert (duration.nanoseconds, duration.days, duration.in_unit(TimeUnit.NANO), duration.unit) == (
        None,
        None,
        None,
        TimeUnit.SECOND,
    )


def test_a_window_longer_than_any_data_is_refused() -> None:
    assert Duration.parse("9" * 18 + "w").days == 7 * (10**18 - 1)
    with pytest.raises(ValueError, match=r"^a duration of 19 digits is longer than any data: write 'unbounded'$"):
        Duration.parse("9" * 19 + "w")


@pytest.mark.parametrize("text", ["٧d", "0d", "7", "d", "-1d", "1.5d", "7 days", "7D", "", "1d12h", " 2w", "2w "])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"^.+$") as raised:
        Duration.parse(text)
    assert str(raised.value) == (
        f"'{text}' is not a duration: write a whole number above 0 and a unit (ns, us, ms, s, m, h, d, w), like 7d, "
        "or 'unbounded'"
    )


def test_what_is_proposed_fits_the_key() -> None:
    units = "write a whole number above 0 and a unit (ns, us, ms, s, m, h, d, w), like 1d"
    for parse, text, told in (
        (Duration.parse, "1", f"'1' is not a duration: {units}, or 'unbounded'"),
        (Duration.parse_delay, "1", f"'1' is not a duration: {units}, or 0s"),
        (Duration.parse_bounded, "1", f"'1' is not a duration: {units}"),
        (Duration.parse_grid, "1", f"'1' is not a duration: {units}"),
        (Duration.parse_delay, "unbounded", "'unbounded' is not a delay: write 0s or a duration like 2d"),
        (Duration.parse_delay, "9" * 5_000 + "d", "a duration of 5000 digits is longer than any data: write 0s"),
        (
            Duration.parse_bounded,
            "9" * 19 + "d",
            "a duration of 19 digits is longer than any data: write a shorter one",
        ),
    ):
        with pytest.raises(ValueError, match=r"^.+$") as raised:
            parse(text)
        assert str(raised.value) == told


@pytest.mark.parametrize(
    ("text", "unit"),
    [("1d", TimeUnit.SECOND), ("1500ms", TimeUnit.MILLI), ("2000ms", TimeUnit.SECOND), ("7us", TimeUnit.MICRO)],
)
def test_its_unit_is_the_coarsest_in_which_it_is_whole(text: str, unit: TimeUnit) -> None:
    assert Duration.parse(text).unit is unit


def test_a_duration_is_never_rounded() -> None:
    assert Duration.parse("1d").in_unit(TimeUnit.MICRO) == 86_400_000_000
    with pytest.raises(ValueError, match=r"^'5ms' is finer than the timestamps that it is compared with$"):
        Duration.parse("5ms").in_unit(TimeUnit.SECOND)


def test_comparisons_are_made_in_the_finest_unit_present() -> None:
    assert finest(TimeUnit.MILLI, None, TimeUnit.NANO, TimeUnit.SECOND) is TimeUnit.NANO
    assert finest(None) is TimeUnit.SECOND

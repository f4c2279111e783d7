import datetime as dt
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from daeda.settings.checks import Bound, Check, LastDays, Within


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ({"column": "price", "null_share": "< 1%"}, "price: share of NULLs < 1%"),
        ({"column": "price", "null_share": "= 0"}, "price: share of NULLs = 0"),
        ({"column": "price", "null_share": "<=0.125"}, "price: share of NULLs <= 0.125"),
        ({"column": "price", "between": [0, 500]}, "price: between 0 and 500"),
        ({"column": "day", "between": [dt.date(2024, 1, 1), "2024-02-01"]}, "day: between 2024-01-01 and 2024-02-01"),
        ({"column": "country", "in": ["de", "fr"]}, "country: in de, fr"),
        ({"rows": "> 0"}, "rows > 0"),
        ({"rows": "within 30% of last 7 days"}, "rows within 30% of last 7 days"),
        ({"rows": "within 12.5 % of the last 1 day"}, "rows within 12.5% of last 1 day"),
        ({"unique": ["grain"]}, "unique: grain"),
        ({"unique": "user_id"}, "unique: user_id"),
        ({"drift": "psi", "below": 0.2}, "drift (psi) below 0.2 of last 7 days"),
        (
            {"drift": "psi", "below": 0.25, "column": "price", "reference": "2025-01-01..2025-01-31"},
            "price: drift (psi) below 0.25 of 2025-01-01..2025-01-31",
        ),
        ({"coverage": "vector", "at_least": "95%"}, "vector: coverage at least 95%"),
        ({"coverage": "vector", "at_least": 0.5}, "vector: coverage at least 50%"),
        ({"coverage": "vector", "at_least": "100%"}, "vector: coverage at least 100%"),
        ({"coverage": "vector", "at_least": 1}, "vector: coverage at least 100%"),
        ({"coverage": "vector", "at_least": "1%"}, "vector: coverage at least 1%"),
        ({"column": "price", "null_share": "= 0%"}, "price: share of NULLs = 0%"),
        ({"column": "price", "null_share": "< 100.0%"}, "price: share of NULLs < 100%"),
        ({"rows": "within 200% of last 7 days"}, "rows within 200% of last 7 days"),
    ],
)
def test_a_check_in_words(written: dict[str, Any], text: str) -> None:
    check = Check.model_validate(written)
    assert check.text == text
    assert check.severity == "warn"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            {},
            "a check asks one question, of null_share, between, in, rows, unique, drift, coverage, and none is written",
        ),
        ({"rows": "> 0", "unique": ["a"]}, "found rows and unique"),
        ({"null_share": "< 1%"}, "'null_share' is about a column: write which, as column: price"),
        ({"rows": "> 0", "column": "a"}, "'rows' is not about 'column': remove it"),
        ({"rows": "> 0", "below": 1}, "'below' belongs to 'drift' and not to 'rows': remove it"),
        ({"drift": "psi"}, "'drift' needs 'below': write 0.2, for one"),
        ({"coverage": "a"}, "'coverage' needs 'at_least': write 95%, for one"),
        ({"column": "a", "null_share": "1%"}, "'1%' is no bound of a share: write one like '< 1%' or '= 0'"),
        ({"column": "a", "null_share": "< 101%"}, "'< 101%' is beyond any share, which is from 0 to 100%"),
        ({"column": "a", "null_share": "< 0%"}, "'< 0%' holds of no share: write one that can fail and can pass"),
        ({"column": "a", "null_share": "<= 100%"}, "'<= 100%' holds of every share: write one that can fail"),
        ({"column": "a", "null_share": "> 1"}, "'> 1' holds of no share"),
        ({"rows": ">= 0"}, "'>= 0' holds of every number of rows: write one that can fail and can pass"),
        ({"rows": "< 0"}, "'< 0' holds of no number of rows"),
        (
            {"coverage": "a", "at_least": "0%"},
            "'0%' is the coverage of every day: write a share that it may fall below",
        ),
        ({"rows": "within 30%"}, "'within 30%' is no bound of a number of rows"),
        ({"rows": "> 0.5"}, "'> 0.5' is no bound of a number of rows"),
        ({"rows": "within 5% of last 0 days"}, "the last 0 days are not compared: write from 1 to 366"),
        ({"drift": "psi", "below": 0}, "'0' is no bound of an index: write a number above 0, like 0.2"),
        ({"drift": "psi", "below": 1, "reference": "yesterday"}, "'yesterday' is no reference: write 'last 7 days'"),
        ({"coverage": "a", "at_least": 95}, "'95' is no share: write one like 95% or 0.95"),
        ({"column": "a", "between": [1]}, "'[1]' is not what a value is between: write both ends, like [0, 500]"),
        ({"column": "a", "in": []}, "'[]' is no list of values: write some, like [de, fr]"),
    ],
)
def test_a_mistake_is_told(written: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Check.model_validate(written)
    assert sentence in str(raised.value)


def test_bounds_are_exact() -> None:
    check = Check.model_validate({"column": "a", "null_share": "< 10%"})
    assert isinstance(check.null_share, Bound)
    assert not check.null_share.holds(Fraction(1, 10))
    assert check.null_share.holds(Fraction(999_999_999, 10_000_000_000))
    signs = {sign: [Bound(sign, check.null_share.value).holds(Fraction(n, 10)) for n in (0, 1, 2)] for sign in "<>="}
    assert signs == {"<": [True, False, False], ">": [False, False, True], "=": [False, True, False]}


def test_the_days_before() -> None:
    assert LastDays(2).before(dt.date(2024, 3, 1)) == (dt.date(2024, 2, 28), dt.date(2024, 2, 29))
    assert LastDays(3).before(dt.date(1, 1, 2)) == (dt.date(1, 1, 1),)
    check = Check.model_validate({"rows": "within 30% of last 7 days"})
    assert isinstance(check.rows, Within)
    assert check.compares_days

"""The verdicts of checks that a day alone decides: those of a severity `fail` keep it from being published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from daeda.checks.rows import Broken, Rows
from daeda.dataset.manifest import ColumnStatistics, Verdict
from daeda.errors import DayError, counted
from daeda.settings.checks import Bound, Check

_NOT_MATURE = "the label is not mature"


@dataclass(frozen=True)
class DayFacts:
    """What is known of a day that is written: how many rows, what its columns hold, and the rows themselves.

    `immature` are the columns that are NULL because a label is not mature.
    """

    rows: int
    columns: Mapping[str, ColumnStatistics]
    contents: Rows
    immature: frozenset[str] = frozenset()


def written_by_skeleton(columns: Iterable[ColumnStatistics]) -> frozenset[str]:
    """The columns that a skeleton day has, and not only holds a place for."""
    return frozenset(column.name for column in columns if not column.placeholder)


def written_by_enrichment(skeleton: Iterable[ColumnStatistics]) -> frozenset[str]:
    """The columns that the enrichment fills."""
    return frozenset(column.name for column in skeleton if column.placeholder)


def due(checks: Iterable[Check], written: frozenset[str], *, enriched: bool) -> tuple[Check, ...]:
    """The checks that a half of a day decides: those of its columns; of rows and of several columns the skeleton's."""
    return tuple(
        check
        for check in checks
        if not check.compares_days and (check.of_column in written if check.of_column is not None else not enriched)
    )


def judge(checks: Iterable[Check], facts: DayFacts) -> tuple[Verdict, ...]:
    """The verdict of each check on a day."""
    return tuple(_judge(check, facts) for check in checks)


def refuse_failed(verdicts: Sequence[Verdict]) -> None:
    """Raise DayError where a check failed that must hold."""
    failed = [verdict for verdict in verdicts if verdict.severity == "fail" and verdict.outcome == "failed"]
    if failed:
        raise DayError(
            f"not published: {'; '.join(map(told, failed))}: correct the data or the check, or have it only warn "
            "(severity: warn)"
        )


def told(verdict: Verdict) -> str:
    """A verdict in words: `the check 'rows > 0' failed: 0 rows`."""
    if verdict.outcome == "passed":
        return f"the check '{verdict.check}' passed"
    what = "failed" if verdict.outcome == "failed" else "was not judged"
    return f"the check '{verdict.check}' {what}: {verdict.found}"


def _judge(check: Check, facts: DayFacts) -> Verdict:
    name = check.of_column
    if name is not None and name in facts.immature and facts.columns[name].nulls == facts.rows:
        return verdict(check, "not judged", _NOT_MATURE)
    match check.question:
        case "rows":
            assert isinstance(check.rows, Bound)
            passed = check.rows.holds(facts.rows)
            return verdict(check, "passed") if passed else verdict(check, "failed", counted(facts.rows, "row"))
        case "null_share" | "coverage":
            return _of_nulls(check, name or "", facts)
        case "unique":
            names = check.unique or ()
            broken = facts.contents.repeated(names)
            repeat = "repeats" if broken.count == 1 else "repeat"
            said = f"{counted(broken.count, 'row')} of {facts.rows:,} {repeat} another one, the first {broken.row}"
            return _of_broken(check, broken, said)
        case _:
            broken = facts.contents.outside(check)
            said = f"{counted(broken.count, 'row')} of {facts.rows:,}, the first of them {broken.row}: {broken.value}"
            return _of_broken(check, broken, said)


def _of_nulls(check: Check, name: str, facts: DayFacts) -> Verdict:
    nulls, rows = facts.columns[name].nulls, facts.rows
    if check.null_share is not None:
        passed = check.null_share.holds(Fraction(nulls, rows) if rows else Fraction(0))
    else:
        assert check.at_least is not None
        passed = not rows or Fraction(rows - nulls, rows) >= Fraction(check.at_least)
    if passed:
        return verdict(check, "passed")
    broken = facts.contents.without_value(name, nulls) if nulls else Broken(0)
    first = f", the first of them {broken.row}" if broken.row else ""
    return _of_broken(
        check,
        broken,
        f"{nulls:,} of {counted(rows, 'row')} {'is' if nulls == 1 else 'are'} NULL ({share(nulls, rows)}){first}",
        failed=True,
    )


def _of_broken(check: Check, broken: Broken, said: str, *, failed: bool = False) -> Verdict:
    if not broken.count and not failed:
        return verdict(check, "passed")
    return verdict(check, "failed", said, broken)


def verdict(
    check: Check, outcome: Literal["passed", "failed", "not judged"], found: str = "", broken: Broken | None = None
) -> Verdict:
    """The verdict of a check."""
    count, row = (None, None) if broken is None else (broken.count, broken.row or None)
    return Verdict(check.text, check.severity, outcome, found, count, row)


def share(part: int, whole: int) -> str:
    """`12.5%`."""
    return f"{100 * part / whole:.4g}%" if whole else "0%"

"""The report: a table on stderr, an example below it for every column that went wrong, one summary line on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daeda.errors import counted
from daeda_audit.raw.view import Row
from daeda_audit.report.findings import Finding, Findings
from daeda_audit.values import shown

_MOST_ROWS = 6


def table(findings: Findings, counted_as: str = "mismatches") -> list[str]:
    """The lines of the table; the third column counts what its head says."""
    lines = [
        (line.column, f"{line.checked:,}", f"{line.mismatches:,}" if line.mismatches else "0", line.note)
        for line in findings.lines.values()
    ]
    return aligned([("column", "checked", counted_as, "note"), *lines])


def aligned(lines: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Columns of text beside each other, numbers to the right."""
    widths = [max(len(line[position]) for line in lines) for position in range(4)]
    return [
        f"{name:<{widths[0]}}  {checked:>{widths[1]}}  {wrong:>{widths[2]}}  {note}".rstrip()
        for name, checked, wrong, note in lines
    ]


def examples(findings: Findings) -> list[str]:
    """A worked example of the first mismatch of each column."""
    return [line for finding in findings.lines.values() if finding.first is not None for line in _example(finding)]


def _example(finding: Finding) -> Iterable[str]:
    first = finding.first
    assert first is not None
    yield ""
    yield f"{finding.column}: row {first.row} of {first.day} ({first.dataset}): {first.identity}"
    for label, value in zip(first.labels, (first.published, first.recomputed), strict=True):
        yield f"  {label:<11} {value}"
    columns = first.evidence.columns
    if columns:
        counting = first.evidence.counted
        for row in counting[:_MOST_ROWS]:
            yield f"  counts      {_row(row, columns)}"
        if len(counting) > _MOST_ROWS:
            yield f"  counts      and {counted(len(counting) - _MOST_ROWS, 'older row')}"
        if not counting:
            yield "  counts      no row"
        for reason, row in first.evidence.hidden:
            yield f"  not seen    {_row(row, columns)}: {reason}"


def _row(row: Row, columns: Sequence[str]) -> str:
    return ", ".join(f"{name} {shown(row.get(name))}" for name in columns)

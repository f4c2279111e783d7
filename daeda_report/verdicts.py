"""The checks of the service: what each found on each day, and those that failed as findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from daeda.dataset.manifest import Verdict
from daeda.settings.checks import Check
from daeda_report.days import DaysOfReport
from daeda_report.findings import Finding

# A check that somebody wrote goes before what was found without one.
_WEIGHTS = {"fail": 130.0, "warn": 121.0}


def described_checks(days: DaysOfReport, checks: Sequence[Check]) -> list[dict[str, Any]]:
    """By check: its outcome on each day, null where none is told, and what was found on the days where it failed."""
    entries: dict[str, dict[str, Any]] = {}
    for index, day in enumerate(_verdicts(days, checks)):
        for one in day:
            empty = {"check": one.check, "severity": one.severity, "outcomes": [None] * len(days.days), "found": []}
            entry = entries.setdefault(one.check, empty)
            entry["outcomes"][index] = one.outcome
            if one.found or one.row is not None:
                entry["found"].append([index, one.outcome, one.found, one.count, one.row])
    return list(entries.values())


def failed_checks(days: DaysOfReport, checks: Sequence[Check]) -> list[Finding]:
    """A finding for each check that failed on some day, with what it found on the last one."""
    failed: dict[str, list[tuple[int, Verdict]]] = {}
    for index, day in enumerate(_verdicts(days, checks)):
        for one in day:
            if one.outcome == "failed":
                failed.setdefault(one.check, []).append((index, one))
    found = []
    for check, those in failed.items():
        index, last = those[-1]
        more = f" and on {len(those) - 1} more of these days" if len(those) > 1 else ""
        told = f"check '{check}' failed on {days.days[index]}{more}: {last.found}"
        found.append(Finding("check", told, _WEIGHTS[last.severity], None, days.days[those[0][0]], len(those)))
    return found


def _verdicts(days: DaysOfReport, checks: Sequence[Check]) -> list[tuple[Verdict, ...]]:
    """Those of each day, of the skeleton as far as the final dataset does not tell them again.

    A day may have been judged by checks that YAML has no more, or has with another severity.
    """
    severities = {check.text: check.severity for check in checks}
    together = []
    for index in range(len(days.days)):
        told: dict[str, Verdict] = {}
        for of in days.datasets.values():
            manifest = of.manifests[index]
            told |= {} if manifest is None else {one.check: one for one in manifest.checks}
        together.append(
            tuple(replace(one, severity=severities[one.check]) for one in told.values() if one.check in severities)
        )
    return together

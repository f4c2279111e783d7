"""Columns that say themselves what they take from a view, or how far back: one field of a view, several uses of it."""

from __future__ import annotations

from dataclasses import dataclass

from daeda.catalog.service import ContractColumn
from daeda.catalog.view import FeatureView
from daeda.durations import Duration
from daeda.settings.availability import Available


@dataclass(frozen=True)
class LookUpRules:
    """Which rows a look-up sees, beside those before it that are known."""

    ttl: Duration | None
    allow_exact: bool
    available: Available | None


@dataclass(frozen=True)
class Use:
    """A field of a view as one column of the contract takes it."""

    view: str
    field: str
    rules: LookUpRules


def rules_of(view: FeatureView, column: ContractColumn | None = None) -> LookUpRules:
    """What the view says, and in its place what the column says, null too."""
    said = set() if column is None else column.model_fields_set
    return LookUpRules(
        column.ttl if column is not None and "ttl" in said else view.ttl,
        bool(column.allow_exact) if column is not None and "allow_exact" in said else view.allow_exact,
        column.available if column is not None and "available" in said else view.source.available,
    )

"""Published days of a service as one table: which days, which columns, and the files in the order of the rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from daeda.dataset.layout import Dataset, Layout
from daeda.errors import InputError, UsageError, counted, cut, did_you_mean
from daeda_data.choosing import as_day
from daeda_data.names import names_asked
from daeda_data.parts import DayPart, PublishedDay

if TYPE_CHECKING:
    import pyarrow as pa

    from daeda.dataset.manifest import Manifest


class PublishedData:
    """Published days of one version of a service, in the order of days, parts and rows, as they were looked at."""

    def __init__(
        self,
        layout: Layout,
        half: Dataset,
        published: Sequence[PublishedDay],
        *,
        columns: Sequence[str] | None = None,
        day_column: str | None = "dt",
        split: str | None = None,
    ) -> None:
        self._layout = layout
        self._published = {day.day: day for day in published}
        self.half = half
        self.split = split
        self.day_column = day_column
        self.columns = _chosen_columns(published, columns)
        _check_day_column(day_column, self.columns)
        _check_alike(published, self.columns, are_all=columns is None)

    @property
    def service(self) -> str:
        """Name of the service."""
        return self._layout.service

    @property
    def version(self) -> int:
        """Version of its contract."""
        return self._layout.version

    @property
    def path(self) -> str:
        """The directory, or the address, that the days lie in."""
        return str(self._layout.dataset_dir(self.half))

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The days, ascending."""
        return tuple(self._published)

    @property
    def rows(self) -> int:
        """Rows of all days together."""
        return sum(day.manifest.rows for day in self._published.values())

    @cached_property
    def kinds(self) -> Mapping[str, str | None]:
        """What each column is: `key`, `timestamp`, `rolling`, `label`, ...; None where the days do not say it.

        It is what the first day says, but `label` for what is one on any day: a column may have become one.
        """
        days = [{column.name: column.kind for column in day.manifest.columns} for day in self._published.values()]
        labels = {name for day in days for name, kind in day.items() if kind == "label"}
        return {name: "label" if name in labels else days[0][name] for name in self.columns}

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the columns, that of the day (date32) last."""
        import pyarrow as pa

        part = self.parts()[0]
        with part.open_parquet() as file:
            found = file.schema_arrow.remove_metadata()
        missing = [name for name in self.columns if name not in found.names]
        if missing:
            raise InputError(f"{part.path} has no column '{missing[0]}', which its manifest has: build the day again")
        fields = [found.field(name) for name in self.columns]
        return pa.schema(fields + ([pa.field(self.day_column, pa.date32())] if self.day_column else []))

    def manifest(self, day: dt.date | str) -> Manifest:
        """The manifest of one of the days: parts and their digests, NULLs and bounds of columns, the fingerprint."""
        wanted = as_day(day)
        if wanted not in self._published:
            raise UsageError(f"{wanted} is none of the days of this dataset: `.days` lists them")
        return self._published[wanted].manifest

    def parts(self) -> tuple[DayPart, ...]:
        """The Parquet files in the order of their rows: by day, and 10 after 9."""
        return tuple(part for day in self._published.values() for part in day.parts)


def _chosen_columns(published: Sequence[PublishedDay], columns: Sequence[str] | None) -> tuple[str, ...]:
    known = [column.name for column in published[0].manifest.columns]
    names = names_asked(columns)
    if names is None:
        return tuple(known)
    for name in names:
        if name not in known:
            raise UsageError(f"columns=: no column '{cut(name)}': {did_you_mean(name, known)}")
    return names


def _check_day_column(name: str | None, columns: Sequence[str]) -> None:
    """The column of the day is no column of the service, whatever the case of letters: DuckDB has them as one."""
    if name is None:
        return
    if not isinstance(name, str) or not name:
        raise UsageError("day_column= is the name of the column of the day, or None for no such column")
    same = [column for column in columns if column.lower() == name.lower()]
    if same:
        raise UsageError(
            f"the service has a column '{same[0]}' of its own, which the column of the day would hide: name that one "
            'differently, day_column="day", or leave it out with day_column=None'
        )


def _check_alike(published: Sequence[PublishedDay], columns: Sequence[str], *, are_all: bool) -> None:
    """Raise InputError where days have other types of the columns than the first day; or more columns, if `are_all`."""
    first, *others = published
    types = _types(first)
    for day in others:
        own = _types(day)
        wrong = [name for name in columns if own.get(name) != types[name]]
        wrong += [name for name in own if name not in types] if are_all else []
        if not wrong:
            continue
        name = wrong[0]
        before, after = types.get(name), own.get(name)
        has = "has no column" if after is None else "has the column"
        as_now = "" if after is None or before is None else f" as {after}"
        as_then = "has none" if before is None else "has it" if after is None else f"has it as {before}"
        more = f" ({counted(len(wrong), 'column')} differ)" if len(wrong) > 1 else ""
        raise InputError(
            f"{day.day} {has} '{name}'{as_now}, and {first.day} {as_then}{more}: days with different columns are not "
            "read as one: build them again, ask for days= that are alike, or for columns= that all of them have"
        )


def _types(day: PublishedDay) -> dict[str, str]:
    return {column.name: column.dtype for column in day.manifest.columns}

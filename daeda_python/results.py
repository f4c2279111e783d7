"""What commands answer, as objects: the documents that `--json` prints, which print as tables and become frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daeda.answers.days import PlanAnswer, TrainAnswer
from daeda.answers.findings import AuditAnswer, CheckAnswer
from daeda.errors import InputError, counted
from daeda_python.tables import Tabular, as_html, on_its_side

if TYPE_CHECKING:
    import pyarrow as pa


class Plan(Tabular, PlanAnswer):
    """What `train` would do: `daeda plan --json`. As a frame, a row for each day and dataset.

    `days` are its days, each with `datasets["skeleton"].action` and `.reasons`; `sources` the path of each view.
    """

    @property
    def builds(self) -> bool:
        """Whether `train` would build anything."""
        planned = (one.action for day in self.days for one in day.datasets.values())
        return any(action in ("build", "rebuild", "extend") for action in planned)

    def to_arrow(self) -> pa.Table:
        """Columns: day, dataset, action, files_read, reasons (a list of sentences)."""
        import pyarrow as pa

        rows = [
            {"day": day.day, "dataset": name, "action": one.action, "files_read": day.files_read,
             "reasons": list(one.reasons)}
            for day in self.days
            for name, one in day.datasets.items()
        ]  # fmt: skip
        schema = [("day", pa.date32()), ("dataset", pa.string()), ("action", pa.string()), ("files_read", pa.int64())]
        return pa.Table.from_pylist(rows, pa.schema([*schema, ("reasons", pa.list_(pa.string()))]))

    def _title(self) -> str:
        return f"plan of {self.service}: {counted(len(self.days), 'day')}"

    def _remarks(self) -> Sequence[str]:
        cut = dict.fromkeys(sentence for day in self.days for sentence in day.cut_windows)
        return (*(f"{sentence}: windows hold less than they could" for sentence in cut), *self.notes)


class Run(Tabular, TrainAnswer):
    """What a run did: `daeda train --json`. As a frame, a row for each day and dataset.

    `location` is where the days are, `days` what became of each: `datasets["enriched"].outcome`, `.rows`, `.seconds`.
    """

    def to_arrow(self) -> pa.Table:
        """Columns: day, dataset, outcome, rows (NULL where nothing is published), seconds (NULL where not built)."""
        import pyarrow as pa

        rows = [
            {"day": day.day, "dataset": name, "outcome": one.outcome, "rows": one.rows, "seconds": one.seconds}
            for day in self.days
            for name, one in day.datasets.items()
        ]
        schema = [("day", pa.date32()), ("dataset", pa.string()), ("outcome", pa.string()), ("rows", pa.int64())]
        return pa.Table.from_pylist(rows, pa.schema([*schema, ("seconds", pa.float64())]))

    def _title(self) -> str:
        return f"run of {self.service}: {counted(len(self.days), 'day')} in {self.location}"


class Check(Tabular, CheckAnswer):
    """What `daeda check --json` finds. As a frame, a row for each mistake, warning, hint and note."""

    @property
    def passed(self) -> bool:
        """Whether days can be built: there are no mistakes."""
        return not self.mistakes

    def raise_if_wrong(self) -> None:
        """Raise InputError with all mistakes, if there are any."""
        if self.mistakes:
            raise InputError(*self.mistakes)

    def to_arrow(self) -> pa.Table:
        """Columns: kind (mistake, warning, hint or note), where (of a hint), message."""
        import pyarrow as pa

        rows = [{"kind": "mistake", "where": "", "message": one} for one in self.mistakes]
        rows += [{"kind": "warning", "where": "", "message": one} for one in self.warnings]
        rows += [
            {"kind": "hint", "where": one.where, "message": f"{one.kind}: {one.evidence}: {one.cure}"}
            for one in self.hints
        ]
        rows += [{"kind": "note", "where": "", "message": one} for one in self.notes]
        return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in ("kind", "where", "message")]))

    def _title(self) -> str:
        found = counted(len(self.mistakes), "mistake") if self.mistakes else "nothing is wrong"
        return f"check of {self.service or 'the project'}: {found}"

    def _remarks(self) -> Sequence[str]:
        return [f"{one.view}: from {one.first} to {one.newest} UTC" for one in self.views]


class Audit(Tabular, AuditAnswer):
    """What `daeda audit leakage --json` finds. As a frame, a row for each probe and column.

    `passed` is whether nothing differs that should not.
    """

    def to_arrow(self) -> pa.Table:
        """Columns: probe (recompute or append), column, checked, mismatches, note, example (a list of lines)."""
        import pyarrow as pa

        rows = [
            {"probe": probe, **one.model_dump(), "example": list(one.example)}
            for probe, columns in (("recompute", self.recomputed), ("append", self.appended))
            for one in columns
        ]
        types = [("probe", pa.string()), ("column", pa.string()), ("checked", pa.int64()), ("mismatches", pa.int64())]
        more = [("note", pa.string()), ("example", pa.list_(pa.string()))]
        return pa.Table.from_pylist(rows, pa.schema([*types, *more]))

    def _shown(self) -> pa.Table:
        return self.to_arrow().drop_columns(["example"])

    def _title(self) -> str:
        return f"audit of {self.service}, {counted(len(self.days), 'day')}: {'passed' if self.passed else 'FAILED'}"

    def _remarks(self) -> Sequence[str]:
        examples = (line for one in (*self.recomputed, *self.appended) for line in one.example)
        return (*examples, *self.summary.splitlines())


@dataclass(frozen=True, repr=False)
class Preview(Tabular):
    """Rows of a day as `train` makes them, as a table. `left_out` says of a column why it is not among them."""

    service: str
    table: pa.Table
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_arrow(self) -> pa.Table:
        """The rows, in the types that are published; vectors are lists of floats."""
        return self.table

    def _title(self) -> str:
        return f"{self.service}: {counted(self.table.num_rows, 'row')}, {counted(self.table.num_columns, 'column')}"

    def _remarks(self) -> Sequence[str]:
        return (*(f"left out: {name}: {why}" for name, why in self.left_out.items()), *self.notes)

    def __repr__(self) -> str:
        return on_its_side(self._title(), self.table, self._remarks())

    def _repr_html_(self) -> str:
        return as_html(self._title(), self.table, self._remarks(), on_its_side=True)

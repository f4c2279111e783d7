"""What commands answer with --json: one document on stdout, whose form and version `format` names.

The schema of each is docs/reference/answers.schema.json, made from these models. A key that is added leaves the
version as it is; one that is removed, or means something else, raises it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from daeda.dataset.layout import Dataset

_KIND = "Kind in the service, but label for whatever reads a label, and weight for the weight of a sample."


class Answer(BaseModel):
    """A document or a part of one; frozen, and without other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def text(self) -> str:
        """The document as JSON, for stdout."""
        return self.model_dump_json(indent=2)


class ServiceAnswer(Answer):
    """A document about one service; `format` names the form of each."""

    format: str
    service: str = Field(description="The service.")


class DescribedColumn(Answer):
    """What is said of a column wherever it is described."""

    name: str = Field(description="Its name.")
    kind: str = Field(description=_KIND)
    dtype: str = Field(description="Type, also where the service leaves it out.")
    description: str = Field(description="What it means.")


class DeclaredCheck(Answer):
    """A check of the service."""

    check: str = Field(description="The check in words.")
    severity: Literal["warn", "fail"] = Field(description="Whether it only warns.")


class JudgedCheck(DeclaredCheck):
    """What a check found on a day."""

    outcome: Literal["passed", "failed", "not judged"] = Field(description="What came out.")
    found: str = Field(description="What was found where it failed, or why it was not judged.")
    count: int | None = Field(description="How many rows broke it; null where no single rows do.")
    row: str | None = Field(description="The first of these rows.")


class PlannedDataset(Answer):
    """What is to be done with one day of one dataset."""

    action: Literal["build", "skip", "rebuild", "extend", "keep", "blocked", "wait"] = Field(
        description="What train would do; keep leaves a stale day, wait one whose labels are not mature."
    )
    reasons: tuple[str, ...] = Field(description="Why.")


class PlannedDay(Answer):
    """One day of the range."""

    day: dt.date = Field(description="The day, in UTC.")
    files_read: int = Field(description="Files that the skeleton of the day reads.")
    datasets: dict[Dataset, PlannedDataset] = Field(description="By dataset.")
    cut_windows: tuple[str, ...] = Field(description="Windows that begin before the first partition of their view.")
    checks: tuple[JudgedCheck, ...] = Field(
        default=(), description="What checks have found of the day that is published now."
    )


class PlanAnswer(ServiceAnswer):
    """`daeda plan --json`."""

    format: Literal["daeda.plan/1"] = Field(default="daeda.plan/1", description="Form and version.")
    days: tuple[PlannedDay, ...] = Field(description="The days of the range.")
    sources: dict[str, str] = Field(description="Path or address of each view that is read.")
    notes: tuple[str, ...] = Field(description="Availability, maturity of labels, and splits, as sentences.")


class ExplainedColumn(DescribedColumn):
    """A column of the output."""

    nullable: bool = Field(description="Whether NULL may be in it.")


class ExplainAnswer(ServiceAnswer):
    """`daeda explain --json`."""

    format: Literal["daeda.explain/1"] = Field(default="daeda.explain/1", description="Form and version.")
    columns: tuple[ExplainedColumn, ...] = Field(description="The columns of the output, in their order.")
    operators: tuple[dict[str, Any], ...] = Field(description="The operators, as pipeline YAML has them.")
    checks: tuple[DeclaredCheck, ...] = Field(default=(), description="The checks of the service.")
    sql: str | None = Field(description="With --sql: what --sql prints.")


class BuiltDataset(Answer):
    """What a run did with one day of one dataset."""

    outcome: Literal["built", "rebuilt", "extended", "skipped", "kept", "blocked", "waiting", "not built"] = Field(
        description="What was done."
    )
    rows: int | None = Field(description="Rows that are published; null where the day is not.")
    seconds: float | None = Field(description="Seconds that it took; null where nothing was built.")


class BuiltDay(Answer):
    """One day of the range."""

    day: dt.date = Field(description="The day, in UTC.")
    datasets: dict[Dataset, BuiltDataset] = Field(description="By dataset.")
    checks: tuple[JudgedCheck, ...] = Field(
        default=(), description="What checks found of the published day, of all datasets."
    )


class TrainAnswer(ServiceAnswer):
    """`daeda train --json`, after a run that is done."""

    format: Literal["daeda.train/1"] = Field(default="daeda.train/1", description="Form and version.")
    dataset: Dataset = Field(description="The final dataset of the run.")
    location: str = Field(description="Where the days of that dataset are: the line that train prints without --json.")
    days: tuple[BuiltDay, ...] = Field(description="The days of the range.")


class HeldDay(Answer):
    """A day of one version and dataset that holds the value."""

    version: int = Field(description="The version of the service.")
    dataset: Dataset = Field(description="The dataset.")
    tag: str | None = Field(default=None, description="The tag that has the day; null for a day of the version itself.")
    day: dt.date = Field(description="The day, in UTC.")
    directory: str = Field(description="Where it is.")
    rows: int = Field(description="Rows with the value in their key.")
    lists: dict[str, int] = Field(description="How many lists of a column hold it, by column.")
    built_again: bool = Field(
        description="Whether the command builds it again: it is published, and of the version of the project."
    )


class EraseAnswer(ServiceAnswer):
    """`daeda erase --json`: what was found before anything is changed; the exit code says whether something is left."""

    format: Literal["daeda.erase/1"] = Field(default="daeda.erase/1", description="Form and version.")
    key: str = Field(description="The key and its value, as --key has them.")
    days: tuple[HeldDay, ...] = Field(description="The days that hold the value, of all versions.")
    sources: tuple[str, ...] = Field(
        description="Where the sources of the days to be built again have it: to be deleted there first."
    )


class DescribedTag(Answer):
    """A tag: a named set of published days that never changes."""

    name: str = Field(description="Its name.")
    version: int = Field(description="The version of the service that its days are of.")
    made: dt.datetime = Field(description="When it was made, in UTC.")
    days: tuple[dt.date, ...] = Field(description="Its days.")
    datasets: tuple[Dataset, ...] = Field(description="The datasets that it has of each day.")
    rows: int = Field(description="Rows of the final dataset.")
    size: int = Field(description="Bytes of all parts; those of links are shared with the days that are published.")
    location: str = Field(description="Where its datasets are.")


class TagAnswer(ServiceAnswer):
    """`daeda tag --json`: the tag that was made, all tags where none is named, none where one was removed."""

    format: Literal["daeda.tags/1"] = Field(default="daeda.tags/1", description="Form and version.")
    tags: tuple[DescribedTag, ...] = Field(description="The tags.")


class DamagedDay(Answer):
    """A day that is not what was published."""

    dataset: Dataset = Field(description="The dataset.")
    day: dt.date = Field(description="The day, in UTC.")
    directory: str = Field(description="Where it is.")
    problems: tuple[str, ...] = Field(description="How it differs from what was published.")


class VerifyAnswer(ServiceAnswer):
    """`daeda verify --json`: exit code 1 where something is not what was published."""

    format: Literal["daeda.verify/1"] = Field(default="daeda.verify/1", description="Form and version.")
    version: int = Field(description="The version of the service.")
    tag: str | None = Field(description="The tag; null for the days of the version itself.")
    days: int = Field(description="Days that were looked at, those of each dataset.")
    parts: int = Field(description="Parts whose digests were compared.")
    size: int = Field(description="Their bytes.")
    damaged: tuple[DamagedDay, ...] = Field(description="Days that are not what was published.")


class ChangedSchema(Answer):
    """A column that is on one side alone, or is something else there."""

    column: str = Field(description="Its name.")
    what: Literal["only here", "only there", "renamed", "type", "kind"] = Field(description="What differs.")
    here: str | None = Field(description="Its type, name or kind here; null where it is not there.")
    there: str | None = Field(description="The same of the other side.")
    days: tuple[dt.date, ...] = Field(description="The days on which it is so.")


class DifferentValue(Answer):
    """A value that differs."""

    day: dt.date = Field(description="The day, in UTC.")
    key: dict[str, Any] = Field(description="What names the row.")
    here: Any = Field(description="The value here; long lists and texts are cut.")
    there: Any = Field(description="The value there.")


class DifferentColumn(Answer):
    """A column whose values differ, or that is made otherwise and has the same values."""

    column: str = Field(description="Its name here.")
    rows: int = Field(description="Paired rows in which it differs; 0 where it is made otherwise alone.")
    null_here: int = Field(description="Of those, rows in which it is NULL here and not there.")
    null_there: int = Field(description="Rows in which it is NULL there and not here.")
    numbers: int = Field(description="Rows whose distance can be told.")
    greatest: float | None = Field(description="Greatest distance; of lists and vectors that of their elements.")
    mean: float | None = Field(description="Mean distance of these rows.")
    days: tuple[dt.date, ...] = Field(description="The days on which it differs.")
    why: tuple[str, ...] = Field(description="What explains it, by the manifests.")
    examples: tuple[DifferentValue, ...] = Field(description="A few of the values.")


class AloneRow(Answer):
    """A row of one side alone."""

    day: dt.date = Field(description="The day, in UTC.")
    key: dict[str, Any] = Field(description="What names the row.")


class AloneRows(Answer):
    """The rows of one side alone, duplicates as often as they are there."""

    rows: int = Field(description="How many.")
    days: tuple[dt.date, ...] = Field(description="On which days.")
    examples: tuple[AloneRow, ...] = Field(description="A few of them.")


class DiffAnswer(Answer):
    """`daeda diff --json`: exit code 0 where both hold the same, and 1 where they do not."""

    format: Literal["daeda.diff/1"] = Field(default="daeda.diff/1", description="Form and version.")
    here: str = Field(description="The first of both.")
    there: str = Field(description="The second.")
    dataset: Dataset = Field(description="The dataset that is compared.")
    equal: bool = Field(description="Whether nothing differs: exit code 0.")
    days: tuple[dt.date, ...] = Field(description="The days of both.")
    same_bytes: tuple[dt.date, ...] = Field(description="Of those, the days whose parts have the same digests.")
    days_only_here: tuple[dt.date, ...] = Field(description="Days that are published here alone.")
    days_only_there: tuple[dt.date, ...] = Field(description="Days that are published there alone.")
    key: tuple[str, ...] = Field(description="The columns by which rows are paired, as they are called here.")
    rows_here: int = Field(description="Rows of the days of both, here.")
    rows_there: int = Field(description="The same, there.")
    paired: int = Field(description="Rows that have the same key on both sides.")
    changed: int = Field(description="Of those, rows with a value that differs.")
    only_here: AloneRows = Field(description="Rows without a partner there.")
    only_there: AloneRows = Field(description="Rows without a partner here.")
    rows_why: tuple[str, ...] = Field(description="What explains that, by the manifests.")
    schema_changes: tuple[ChangedSchema, ...] = Field(description="Columns of one side alone, or of another type.")
    columns: tuple[DifferentColumn, ...] = Field(description="Columns whose values differ.")
    made_otherwise: tuple[DifferentColumn, ...] = Field(
        description="Columns that are made of something else, by their identities, and have the same values."
    )
    notes: tuple[str, ...] = Field(
        description="What differs and is no difference of data: the order of rows or columns."
    )


class UnneededThing(Answer):
    """Something that nobody needs."""

    kind: Literal["day", "staging", "tag"] = Field(
        description="A published day, what a run left that has ended, or a tag that was not finished."
    )
    version: int = Field(description="The version of the service.")
    dataset: Dataset | None = Field(description="The dataset of a day.")
    day: dt.date | None = Field(description="The day, in UTC.")
    location: str = Field(description="Where it is.")
    size: int = Field(description="Its bytes.")
    why: str = Field(description="Why nobody needs it.")


class PruneAnswer(ServiceAnswer):
    """`daeda prune --json`."""

    format: Literal["daeda.prune/1"] = Field(default="daeda.prune/1", description="Form and version.")
    things: tuple[UnneededThing, ...] = Field(description="What nobody needs.")
    removed: bool = Field(description="Whether it was removed.")
    left: dict[str, str] = Field(description="What is not needed and stays, by where it is, and why.")


class FoundHint(Answer):
    """A possible leak, which no check can prove."""

    kind: str = Field(description="What it is about.")
    where: str = Field(description="File and line, or the view.")
    evidence: str = Field(description="What was seen.")
    cure: str = Field(description="What to do where it is a leak.")


class SeenTimes(Answer):
    """From when to when the rows of a view are."""

    view: str = Field(description="The view.")
    first: str = Field(description="The first time, in UTC.")
    newest: str = Field(description="The last one.")
    partitions: int = Field(description="How many days of partitions it has.")


class CheckAnswer(ServiceAnswer):
    """`daeda check --json`, also where something is wrong: exit code 2 with `mistakes`, and 0 without."""

    format: Literal["daeda.check/1"] = Field(default="daeda.check/1", description="Form and version.")
    mistakes: tuple[str, ...] = Field(description="What keeps days from being built, embedding stores included.")
    warnings: tuple[str, ...] = Field(description="What may not be meant.")
    notes: tuple[str, ...] = Field(description="Which days wait for labels, or lack them: nothing is wrong with them.")
    hints: tuple[FoundHint, ...] = Field(description="Possible leaks.")
    views: tuple[SeenTimes, ...] = Field(description="The views that have times.")


class RowsAnswer(ServiceAnswer):
    """A document that holds values of rows."""

    def text(self) -> str:
        """The document in one line: a vector would take hundreds."""
        return self.model_dump_json()


class PreviewAnswer(RowsAnswer):
    """`daeda preview --json`."""

    format: Literal["daeda.preview/1"] = Field(default="daeda.preview/1", description="Form and version.")
    columns: dict[str, str] = Field(description="Type of each column, as YAML spells it.")
    rows: tuple[dict[str, Any], ...] = Field(
        description="The rows, by column: times, days and decimals are text, and so are NaN, Infinity and -Infinity."
    )
    left_out: dict[str, str] = Field(description="Columns that are not made of the rows given, and why.")


class ExplainedRawRow(Answer):
    """A raw row behind a value."""

    time: str | None = Field(description="Its time in UTC; null in a view without times.")
    known: str | None = Field(description="When it became known, where the view has a created_field.")
    values: dict[str, Any] = Field(description="What is worth showing of it, by column.")
    reason: str = Field(description="Why it does not count; empty where it does.")


class ExplainedValue(Answer):
    """What is behind one value of a row, by the rules of the audit."""

    column: str = Field(description="Its name.")
    kind: str = Field(description=_KIND)
    made_by: str = Field(description="What makes it.")
    value: Any = Field(description="The value that the preview shows.")
    recomputed: Any = Field(description="The value that the audit makes of the raw rows by itself.")
    agrees: bool = Field(description="Whether both are the same, as closely as the audit asks for.")
    key: dict[str, Any] = Field(description="The key whose raw rows are looked at.")
    begin: str | None = Field(description="From when on raw rows count; null for ever, or without times.")
    end: str | None = Field(description="Until when raw rows count; null for ever, or without times.")
    ends: str = Field(description="Which of both instants counts itself: [), (] or []; empty without times.")
    order: tuple[str, ...] = Field(description="What puts the rows of a look-up in order; the greatest is the newest.")
    rows: int = Field(description="How many raw rows count.")
    counted: tuple[ExplainedRawRow, ...] = Field(description="The first 200 of them, those of a window newest first.")
    missed: tuple[ExplainedRawRow, ...] = Field(description="The nearest of those that do not count.")
    sql: str = Field(description="The expression of a derived column.")
    inputs: dict[str, Any] = Field(description="What an expression or a function reads, or the ids of vectors.")
    notes: tuple[str, ...] = Field(description="What else has to be known.")


class ExplainedRowAnswer(RowsAnswer):
    """`daeda preview --explain ROW --json`."""

    format: Literal["daeda.explained_row/1"] = Field(default="daeda.explained_row/1", description="Form and version.")
    row: int = Field(description="Its number in the preview.")
    rows_of: str = Field(description="The day, or the file, whose row it is.")
    identity: dict[str, Any] = Field(description="Time and grain of the row.")
    passed: bool = Field(description="Whether all values agree.")
    columns: tuple[ExplainedValue, ...] = Field(description="The columns, or those that were asked for.")
    left_out: dict[str, str] = Field(description="Columns that are not made of the rows given, and why.")


class ReportFinding(Answer):
    """What stands out in a training set, as the report ranks it."""

    kind: str = Field(description="What it is about: rows, nulls, coverage, unit, category, drift, check, or days.")
    column: str | None = Field(description="The column that it is of; null where it is of the days.")
    first_day: dt.date | None = Field(description="The first day that it is seen on.")
    days: int = Field(description="On how many days.")
    told: str = Field(description="The sentence of the report.")


class ReportAnswer(ServiceAnswer):
    """`daeda report --json`."""

    format: Literal["daeda.report/1"] = Field(default="daeda.report/1", description="Form and version.")
    file: str = Field(description="The report: the line that report prints without --json.")
    days: int = Field(description="The days of the report.")
    published: int = Field(description="Those of them that are published.")
    findings: tuple[ReportFinding, ...] = Field(description="What stands out, the worst first.")


class DoctorFinding(Answer):
    """What was looked at, and what was seen."""

    state: Literal["ok", "warning", "wrong"] = Field(
        description="wrong is what keeps a run from being done, warning what makes it slow or may not be meant."
    )
    what: str = Field(description="What was looked at.")
    seen: str = Field(description="What was seen.")
    advice: str = Field(description="What to do; empty where nothing is to be done.")


class DoctorAnswer(Answer):
    """`daeda doctor --json`, also where something is wrong: exit code 1, and 0 without."""

    format: Literal["daeda.doctor/1"] = Field(default="daeda.doctor/1", description="Form and version.")
    services: tuple[str, ...] = Field(description="The services of the project that were looked at.")
    findings: tuple[DoctorFinding, ...] = Field(description="In the order of the table.")


class AuditedColumn(Answer):
    """What the audit found of one column."""

    column: str = Field(description="Its name.")
    checked: int = Field(description="Values, or rows, that were compared.")
    mismatches: int = Field(description="Those that differ.")
    note: str = Field(description="What the reader has to know of it.")


class AuditAnswer(ServiceAnswer):
    """`daeda audit leakage --json`."""

    format: Literal["daeda.audit/1"] = Field(default="daeda.audit/1", description="Form and version.")
    days: tuple[dt.date, ...] = Field(description="The days that were audited.")
    passed: bool = Field(description="Whether nothing differs that should not: exit code 0.")
    recomputed: tuple[AuditedColumn, ...] = Field(description="Of the probe recompute.")
    appended: tuple[AuditedColumn, ...] = Field(description="Of the probe append.")
    summary: str = Field(description="The sentence that the audit prints without --json.")


class CatalogView(Answer):
    """A feature view, who uses it, and what lies behind it."""

    name: str = Field(description="Its name.")
    description: str = Field(description="What it holds.")
    keys: tuple[str, ...] = Field(description="Key columns of its entities.")
    timestamp_field: str | None = Field(description="Its time; null where it has one row per key.")
    source: str = Field(description="Path, address or table.")
    fields: dict[str, str] = Field(description="Type of each field.")
    used_by: tuple[str, ...] = Field(description="Services that read it.")
    files: int | None = Field(description="Files there; null where that is not known, see problem.")
    first_day: dt.date | None = Field(description="First partition; null where there are no partitions.")
    last_day: dt.date | None = Field(description="Last partition.")
    problem: str | None = Field(description="Why nothing is known of its files.")


class CatalogService(Answer):
    """A feature service."""

    name: str = Field(description="Its name.")
    version: int = Field(description="Version of the contract.")
    owner: str = Field(description="Who answers for it.")
    description: str = Field(description="What it is for.")
    spine: str = Field(description="The view whose rows are its rows.")
    runtime: str = Field(description="Its runtime file.")
    first_day: dt.date = Field(description="First day of its range.")
    last_day: dt.date = Field(description="Last day of its range.")
    columns: int = Field(description="How many columns it has.")


class CatalogColumn(DescribedColumn):
    """A column of a service."""

    service: str = Field(description="The service that has it.")
    made_by: str = Field(description="What makes it: view:field, an entry of aggregations.yaml, or an expression.")


class CatalogStore(Answer):
    """An embedding store."""

    name: str = Field(description="Its name.")
    path: str = Field(description="The Lance dataset.")
    version: int | str = Field(description="Version number or tag.")
    dimension: int = Field(description="Length of its vectors.")
    columns: tuple[str, ...] = Field(description="Embedding columns that are made of it, as service:column.")


class CatalogTag(DescribedTag):
    """A tag of a service."""

    service: str = Field(description="The service.")


class CatalogAnswer(Answer):
    """`daeda catalog --json`; a section that was not asked for is null."""

    format: Literal["daeda.catalog/1"] = Field(default="daeda.catalog/1", description="Form and version.")
    views: tuple[CatalogView, ...] | None = Field(default=None, description="The feature views.")
    services: tuple[CatalogService, ...] | None = Field(default=None, description="The services with a runtime file.")
    columns: tuple[CatalogColumn, ...] | None = Field(default=None, description="The columns of these services.")
    stores: tuple[CatalogStore, ...] | None = Field(default=None, description="The embedding stores of these services.")
    tags: tuple[CatalogTag, ...] | None = Field(default=None, description="The tags of these services.")


class ImportedFile(Answer):
    """What became of a file."""

    name: str = Field(description="What it goes by.")
    outcome: Literal["imported", "unchanged", "would import"] = Field(description="What was done.")
    rows: int = Field(description="Its rows that fit.")
    rejected: int = Field(description="Its rows that are kept aside.")
    rejections: str | None = Field(description="The file of JSON lines that has those; null where there are none.")
    new_days: int = Field(description="Partitions that have rows of it for the first time.")
    replaced_days: int = Field(description="Partitions whose rows of it are others, or more, now.")
    unchanged_days: int = Field(description="Partitions whose rows of it are as they were.")
    removed_days: int = Field(description="Partitions whose rows it has no more.")
    lost_rows: int = Field(description="Rows that were published, and that it has no more.")


class ImportAnswer(Answer):
    """`daeda import --json`."""

    format: Literal["daeda.import/1"] = Field(default="daeda.import/1", description="Form and version.")
    location: str = Field(description="The directory.")
    published: bool = Field(description="Whether it has the rows now.")
    columns: dict[str, str] = Field(description="Types by name.")
    files: tuple[ImportedFile, ...] = Field(description="The files.")
    notes: tuple[str, ...] = Field(description="What was decided on the way.")
    days_without_rows: tuple[dt.date, ...] = Field(
        description="Days between the first and the last row of a file that have no partition."
    )


class LogLine(Answer):
    """`--log-json`: a line of stderr; keys that it is not about are left out.

    What libraries write there by themselves, past Python, stays as it is, and begins with no brace.
    """

    format: Literal["daeda.log/1"] = Field(default="daeda.log/1", description="Form and version.")
    time: dt.datetime = Field(description="When it was said, in UTC.")
    level: Literal["info", "hint", "warning", "error"] = Field(
        description="error is what keeps a command from being done."
    )
    message: str = Field(description="The line that is said without --log-json.")
    day: dt.date | None = Field(default=None, description="The day that it is about.")
    half: Dataset | None = Field(default=None, description="The half of a run.")
    rows: int | None = Field(default=None, description="Rows of that day, or of all days.")
    seconds: float | None = Field(default=None, description="Seconds that it took.")
    done: int | None = Field(default=None, description="Days that are done by now.")
    days: int | None = Field(default=None, description="Days in all.")
    error: str | None = Field(default=None, description="Of an error that was foreseen, its class in Python.")
    traceback: tuple[str, ...] | None = Field(default=None, description="Of what was not foreseen, as Python shows it.")


ANSWERS: tuple[type[Answer], ...] = (
    CheckAnswer,
    PreviewAnswer,
    ExplainedRowAnswer,
    PlanAnswer,
    ExplainAnswer,
    TrainAnswer,
    EraseAnswer,
    TagAnswer,
    VerifyAnswer,
    DiffAnswer,
    PruneAnswer,
    AuditAnswer,
    CatalogAnswer,
    ReportAnswer,
    ImportAnswer,
    DoctorAnswer,
    LogLine,
)

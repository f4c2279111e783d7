"""config/training/runtime.yaml: what to train, over which days, where, and with how much of the machine.

A flag wins over the environment (`DAEDA_DAY_WORKERS=4`, nested: `DAEDA_COMPUTE__ENGINE`), which wins over the file.
"""

from __future__ import annotations

import calendar
import datetime as dt
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from daeda.errors import cut, did_you_mean, in_yaml
from daeda.flags.table import flag_at
from daeda.settings.document import Document, Mistakes, Position
from daeda.settings.kinds import (
    Name,
    PathText,
    References,
    Size,
    Strict,
    Switch,
    Whole,
    parse_day,
    parse_name,
    repeated,
)
from daeda.settings.validation import record_validation

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_PREFIX = "DAEDA_"
# Set by the driver for the halves that it starts; not settings.
# Where the views of databases were exported to, and where an audit may write.
EXPORTS_VARIABLE = "DAEDA_EXPORTS"
AUDIT_WORK_VARIABLE = "DAEDA_AUDIT_WORK"
INTERNAL_VARIABLES = frozenset(
    {"DAEDA_LIFELINE_FD", "DAEDA_SUPERVISOR_FD", "DAEDA_LOG", EXPORTS_VARIABLE, AUDIT_WORK_VARIABLE}
)


def _first_day(value: object) -> object:
    month = _MONTH.fullmatch(str(value))
    return parse_day(f"{value}-01" if month else value)


def _last_day(value: object) -> object:
    month = _MONTH.fullmatch(str(value))
    if not month or not 1 <= int(month[2]) <= 12 or int(month[1]) < 1:
        return parse_day(f"{value}-01" if month else value)
    return parse_day(f"{value}-{calendar.monthrange(int(month[1]), int(month[2]))[1]}")


class DefaultedColumn(Strict):
    """An output column that is made with a literal when no operator of the range produced it."""

    example: ClassVar[str] = "the name of a column, or a name and its default like {name: price, default: 0.0}"

    name: Name = Field(description="Column of the service.")
    default: Any = Field(
        default=None, description="Literal of the column where no operator of the range makes it; null included."
    )


def _output_column(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class DuckDbConfig(Strict):
    """Limits of the skeleton's DuckDB; they never change the bytes that come out."""

    example: ClassVar[str] = "them like {memory_limit: 8GiB, threads: 8}"

    memory_limit: Size | None = Field(
        default=None,
        description="Memory of all days at work together, at most the host's; without it, 60 % of the host's.",
    )
    threads: Whole | None = Field(
        default=None, ge=1, description="Threads of all days at work together; without it the host's cores."
    )
    temp_directory: PathText | None = Field(
        default=None, description="Where a day spills what does not fit; without it, the run's staging directory."
    )


class Compute(Strict):
    """The engine of rolling aggregates and DuckDB's limits."""

    example: ClassVar[str] = "them like {engine: polars}"

    engine: Literal["duckdb", "polars"] = Field(
        default="duckdb", description="Engine of rolling aggregates; polars needs the extra of that name."
    )
    duckdb_config: DuckDbConfig = Field(default=DuckDbConfig(), description="Limits of DuckDB.")


def _host_and_port(text: str) -> str:
    host, _colon, port = text.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"'{text}' is not host:port, like head.example:6379, of the head of a Ray cluster")
    return text


class RayEnvelope(Strict):
    """Ceilings of the enrichment; a run is clamped to the host that it is on."""

    example: ClassVar[str] = "them like {num_cpus: 8, memory: 32GiB}"

    address: Annotated[str, AfterValidator(_host_and_port)] | None = Field(
        default=None,
        description="Head of a Ray cluster that runs already, host:port; without it, a run starts a Ray of its own.",
    )
    num_cpus: Whole = Field(default=16, ge=1, description="Logical CPUs.")
    memory: Size = Field(
        default=64 * 2**30, description="Memory of the whole enrichment, object store and reserve included."
    )
    object_store_memory: Size = Field(
        default=20 * 2**30,
        description="Memory of the object store, which shares the vectors of a day among the actors.",
    )
    reserved_cpus: Whole = Field(default=1, ge=0, description="CPUs that no worker gets.")
    reserved_memory: Size = Field(default=4 * 2**30, description="Memory that no worker gets.")
    actor_percent: Whole = Field(
        default=80,
        ge=1,
        le=100,
        description="Percent of the worker CPUs that run actors, at least two where there are two cores.",
    )
    preload_day_embeddings: Switch = Field(
        default=True,
        description="Read the vectors of a day once and share them; where they do not fit, actors read batches.",
    )
    start_timeout_seconds: Whole = Field(
        default=180,
        ge=1,
        description="Seconds after which a Ray that has not started or been joined is given up.",
    )
    day_timeout_minutes: Whole = Field(
        default=240, ge=1, description="Minutes after which a day that is not done is given up."
    )


class Timeouts(Strict):
    """How long a run waits for others: what takes longer is given up, and told. They never change the bytes."""

    example: ClassVar[str] = "them like {day_minutes: 60}"

    function_seconds: Whole = Field(
        default=600, ge=1, description="Seconds of one call of a function of your own; then its day fails."
    )
    day_minutes: Whole = Field(
        default=240,
        ge=1,
        description="Minutes of one day of the skeleton (ray.day_timeout_minutes: of the enrichment).",
    )
    database_seconds: Whole = Field(
        default=300, ge=1, description="Seconds in which a database answers nothing while a view is exported."
    )
    storage_seconds: Whole = Field(
        default=120,
        ge=1,
        description="Seconds of a request to object storage, its repetitions included; each MiB that arrives begins "
        "them anew.",
    )
    lock_minutes: Whole = Field(
        default=1440, ge=1, description="Minutes of waiting for the days that another run holds (--on-locked wait)."
    )


_ALL_VIEWS = ""
_DASHED_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ]|$)", re.ASCII)


def parse_data_until(value: object) -> dict[str, int]:
    """Nanoseconds by view, for all views by the empty name; raises ValueError.

    >>> parse_data_until("1970-01-02")
    {'': 86400000000000}
    """
    if isinstance(value, str) and "=" in value:
        pairs = [part.partition("=") for part in value.split(",")]
        if doubled := repeated(view.strip() for view, _, _ in pairs):
            raise ValueError(f"{', '.join(doubled)} has several instants: give each view one")
        value = {view.strip(): instant.strip() for view, _, instant in pairs}
    if value == {}:
        raise ValueError("there is no instant: write a day like 2025-03-01, or {view: 2025-03-01}, or remove the key")
    if isinstance(value, dict):
        return {parse_name(view): _instant(instant) for view, instant in value.items()}
    return {_ALL_VIEWS: _instant(value)}


def _instant(value: object) -> int:
    try:
        text = in_yaml(value).strip()
        # Python also reads 20240110 and 2024-W02, which mean other days to other readers.
        if not isinstance(value, dt.date) and not _DASHED_DAY.match(text):
            raise ValueError(text)
        moment = value if isinstance(value, dt.date) else dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"'{cut(value)}' is not an instant: write a day like 2025-03-01 or a time of UTC like 2025-03-01T06:00:00"
        ) from error
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1) * 1000


class RuntimeSettings(BaseModel):
    """The whole file. Days are inclusive UTC days; a month stands for its days."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, validate_default=True)

    service: Name = Field(description="The one service that this file belongs to.")
    data_root: PathText = Field(
        default=".",
        description="What paths of views and stores are relative to: a directory, itself relative to the project root, "
        "or an address like s3://bucket/path.",
    )
    output_root: PathText = Field(
        description="Directory of the published days, relative to the project root, or an address like s3://bucket/path."
    )
    staging_root: PathText = Field(
        default="staging",
        description="Local directory of work in progress where output_root is on object storage; every worker reaches "
        "it. Relative to the project root.",
    )
    feed_start: Annotated[dt.date, BeforeValidator(_first_day)] = Field(
        description="First day of the range, inclusive, UTC; a month stands for its first day."
    )
    feed_end: Annotated[dt.date, BeforeValidator(_last_day)] = Field(
        description="Last day of the range, inclusive, UTC; a month stands for its last day."
    )
    data_until: Annotated[dict[str, int], BeforeValidator(parse_data_until)] = Field(
        default_factory=dict,
        validate_default=False,
        description="Instant in UTC before which the data of labels is complete, for all views, or a mapping of views "
        "to instants; a date is its midnight. It takes the place of what files say.",
    )
    lineage: str | None = Field(
        default=None,
        min_length=1,
        description="Where train tells of each day that it has published, as events of OpenLineage: a file, relative "
        "to the project root, or the address of a server.",
    )
    feature_refs: References = Field(
        default=(),
        description="Columns that are looked up in other views, as view:feature; each is used. Left out, those that "
        "the columns of the service need.",
    )
    output_columns: tuple[Annotated[DefaultedColumn, BeforeValidator(_output_column)], ...] = Field(
        default=(),
        validate_default=False,
        min_length=1,
        description="Order of the columns: a name, or a name and a default; exactly the columns of the service. Left "
        "out, the columns of the service in its order.",
    )
    day_workers: Whole | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Days built at once, at most; they share memory and threads. Without it one, and on an engine with "
        "slots of its own as many as its parallelism.",
    )
    rows_per_part: Whole = Field(
        default=100_000,
        ge=1,
        description="Rows of one Parquet file of a day; the only chunk size that the output shows.",
    )
    rolling_chunk_rows: Whole = Field(
        default=1_000_000, ge=1, description="Rows of history that the rolling kernel takes at once, cut at entities."
    )
    udf_chunk_rows: Whole = Field(
        default=8_192, ge=1, description="Rows that a function of your own gets at once; it works row by row."
    )
    enrich_batch_rows: Whole = Field(default=8_192, ge=1, description="Rows that an actor enriches at once.")
    compute: Compute = Field(default=Compute(), description="How the skeleton computes.")
    ray: RayEnvelope = Field(default=RayEnvelope(), description="Ceilings of the enrichment.")
    timeouts: Timeouts = Field(default=Timeouts(), description="How long a run waits for others.")

    @model_validator(mode="after")
    def _range_is_forward(self) -> Self:
        if self.feed_end < self.feed_start:
            raise ValueError(f"feed_end {self.feed_end} lies before feed_start {self.feed_start}: swap them")
        if twice := repeated(column.name for column in self.output_columns):
            raise ValueError(f"output_columns names {', '.join(twice)} twice: each column stands once")
        return self

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Every day of the range, in order."""
        count = (self.feed_end - self.feed_start).days + 1
        return tuple(self.feed_start + dt.timedelta(days=offset) for offset in range(count))


def load_runtime(document: Document, flags: Mapping[str, Any], mistakes: Mistakes) -> RuntimeSettings | None:
    """Validate the runtime file under flags and environment; mistakes name the source of the value.

    `flags` is nested like the file and holds only what was given, for example `{"ray": {"num_cpus": 8}}`.
    """
    _check_environment(mistakes)

    def where(location: Position) -> str:
        position = position_of_setting(document, location, flags)
        if location:
            return position
        # Of settings that do not go together, one may be a flag or stand in the environment.
        given = [flag for name in ("feed_start", "feed_end") if name in flags and (flag := flag_at((name,)))]
        variables = (f"{_PREFIX}{name.upper()}" for name in RuntimeSettings.model_fields)
        given += [variable for variable in variables if variable in os.environ]
        return f"{position} with {', '.join(given)}" if given else position

    variables = _variables(document, mistakes)
    if variables is None:
        return None
    try:
        return RuntimeSettings(**_over(_over(document.data, variables), flags))
    except ValidationError as error:
        record_validation(RuntimeSettings, error, mistakes, where, document.data)
        return None


def _variables(document: Document, mistakes: Mistakes) -> dict[str, Any] | None:
    """What the environment says; a variable that cannot be read is recorded and gives None."""
    if not any(name.upper().startswith(_PREFIX) and name not in INTERNAL_VARIABLES for name in os.environ):
        return {}
    from daeda.settings.environment import SettingsError, read_environment

    try:
        return read_environment(RuntimeSettings, _PREFIX, frozenset({"data_until"}))
    except SettingsError as error:
        mistakes.add(*_unreadable_variable(document, str(error)))
        return None


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of both; where both have one, that of `above`, and of two mappings the entries of both again.

    >>> _over({"day_workers": 1, "ray": {"num_cpus": 8, "memory": "8GiB"}}, {"ray": {"num_cpus": 2}})
    {'day_workers': 1, 'ray': {'num_cpus': 2, 'memory': '8GiB'}}
    """
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _over(merged[name], value) if both else value
    return merged


def position_of_setting(document: Document, location: Position, flags: Mapping[str, Any] | None = None) -> str:
    """Where the value of a setting comes from: `--day-workers`, `DAEDA_DAY_WORKERS`, or `file:line`."""
    flag = flag_at(location)
    if flag is not None and flags and _reaches(flags, location):
        return flag
    for length in range(len(location), 0, -1):
        variable = _PREFIX + "__".join(str(part) for part in location[:length]).upper()
        if variable in os.environ:
            return variable
    return document.where(location)


def _unreadable_variable(document: Document, message: str) -> tuple[str, str]:
    """Place and sentence for a variable of a nested setting that pydantic-settings could not decode."""
    matched = re.search(r'field "(\w+)"', message)
    if matched is None:
        return document.where(()), message
    shown = '\'["a", "b"]\'' if matched[1] in ("feature_refs", "output_columns") else '\'{"key": "value"}\''
    return _PREFIX + matched[1].upper(), f"is not JSON: write it like {shown}, or write it in {document.shown}"


def _check_environment(mistakes: Mistakes) -> None:
    known = [name.upper() for name in RuntimeSettings.model_fields]
    for variable in sorted(os.environ):
        name = variable.removeprefix(_PREFIX).partition("__")[0]
        if variable.upper().startswith(_PREFIX) and variable != variable.upper():
            mistakes.add(variable, f"the names of settings are in capitals: write {variable.upper()}, or unset it")
        elif variable.startswith(_PREFIX) and variable not in INTERNAL_VARIABLES and name not in known:
            mistakes.add(variable, f"no setting has this name behind {_PREFIX}: {did_you_mean(name, known)}")


def _reaches(values: Mapping[str, Any], location: Position) -> bool:
    current: Any = values
    for part in location:
        if not isinstance(current, Mapping) or part not in current:
            return False
        current = current[part]
    return True

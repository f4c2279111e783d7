"""`daeda import`: files to partitions; its flags, and what it tells."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from daeda.errors import UsageError, counted, did_you_mean, shortened
from daeda.flags.parser import StrictParser, add_flags, refuse_beam_flags
from daeda.flags.table import ANSWER, IMPORTED, IMPORTING, LOG, READ

if TYPE_CHECKING:
    from daeda.dtypes import DType, UnitSymbol
    from daeda.importing.request import ImportRequest, TextRules
    from daeda.importing.result import ImportResult, SourceResult

# A cell in the reason for which a row is kept aside: its column, and its text as Python writes it.
_MISFIT = re.compile(r"(?:^|; )([^;]*?): ('[^']*') is no ")
_MOST_LOOKED_AT = 100_000
Groups: TypeAlias = "argparse._SubParsersAction[StrictParser]"
_IMPORT = """\
Make dt= partitions of CSV files, JSON lines or Parquet, which views read. Run it again when a file has grown: days
whose rows are the same stay as they are. Rows that do not fit are kept aside with their line and the reason.

  daeda import purchases.csv --to data/purchases --timestamp-field time
  daeda import *.jsonl --to data/seen --timestamp-field at --dtype user=string
  daeda import x.csv --to data/x --view x --time-format '%d.%m.%Y %H:%M'
  daeda import users.csv --to data/users --static"""


def add_import(groups: Groups) -> None:
    """Add the command."""
    parser = groups.add_parser("import", help="make dt= partitions of CSV, JSON lines or Parquet")
    parser.description = _IMPORT
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files to import, packed ones too")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="the directory of the partitions")
    add_flags(parser, IMPORTED, READ, IMPORTING, ANSWER, LOG)
    parser.show_first(
        "--to", "--timestamp-field", "--static", "--view", "--dtype", "--columns", "--max-rejected", "--replace",
        "--dry-run", "--json",
    )  # fmt: skip
    parser.usage = f"{parser.prog} FILE… --to DIR [FLAGS]"
    parser.set_defaults(run=_import, parser=parser)


def _import(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    refuse_beam_flags("import", beam_flags)
    from daeda.cli.imported_range import told_of_range
    from daeda.importing.run import import_files
    from daeda.process.messages import answer, answer_location, say

    rules, remembered = _rules(arguments)
    request = _request(arguments, rules)
    if remembered:
        say(f"read as at the import before: {remembered}")
    result = import_files(request, say)
    range_told = told_of_range(request, result)
    _tell(result, request)
    for sentence in range_told:
        say(sentence)
    if arguments.json:
        answer(_document(result, range_told))
    else:
        answer_location(result.directory)
    return result.exit_code


def _rules(arguments: argparse.Namespace) -> tuple[TextRules, str]:
    """How text is read: by the flags, where there are none as at the import before; and those of them, for people."""
    from daeda.importing.ledger import read_ledger
    from daeda.importing.request import ISO, TextRules
    from daeda.settings.kinds import parse_zone

    try:
        zone = parse_zone(arguments.timezone) if arguments.timezone else None
    except ValueError as error:
        raise UsageError(f"--timezone: {error}") from error
    days = _days(arguments.days) if arguments.days else None
    ledger = read_ledger(arguments.to) if arguments.to.is_dir() else None
    before = ledger.rules if ledger is not None else None
    plain = TextRules(
        tuple(arguments.null or ()),
        bool(arguments.decimal_comma),
        tuple(arguments.time_format or (ISO,)),
        zone,
        days,
    )
    if before is None:
        return plain, ""
    words: list[str] = []
    if arguments.null is None and before.nulls:
        plain = replace(plain, nulls=before.nulls)
        words += ["--null", *before.nulls]
    if arguments.decimal_comma is None and before.decimal_comma:
        plain = replace(plain, decimal_comma=True)
        words += ["--decimal-comma"]
    if arguments.time_format is None and before.time_formats not in ((), (ISO,)):
        plain = replace(plain, time_formats=before.time_formats)
        words += ["--time-format", *before.time_formats]
    if arguments.timezone is None and before.timezone is not None:
        plain = replace(plain, timezone=before.timezone)
        words += ["--timezone", before.timezone]
    if days is None and before.days is not None:
        plain = replace(plain, days=before.days)
        words += ["--days", "..".join(map(str, before.days))]
    return plain, shlex.join(words)


def _days(text: str) -> tuple[dt.date, dt.date]:
    first, dots, last = text.partition("..")
    try:
        found = dt.date.fromisoformat(first), dt.date.fromisoformat(last if dots else first)
    except ValueError as error:
        raise UsageError(f"--days '{text}': {error}: write FIRST..LAST, like 1900-01-01..2100-12-31") from error
    if found[1] < found[0]:
        raise UsageError(f"--days '{text}' ends before it begins: swap its ends")
    return found


def _request(arguments: argparse.Namespace, rules: TextRules) -> ImportRequest:
    from daeda.importing.request import Dialect, ImportRequest
    from daeda.settings.kinds import parse_size

    given = [name for name in ("timestamp_field", "static", "view") if getattr(arguments, name)]
    if len(given) != 1:
        raise UsageError(
            "daeda import: say once which time the rows have: --timestamp-field NAME, --view NAME for that of a "
            "feature view, or --static for a table without a time"
        )
    dtypes = _dtypes(arguments.dtype or [])
    chosen = tuple(name.strip() for name in arguments.columns.split(",")) if arguments.columns else None
    field, unit = arguments.timestamp_field, arguments.timestamp_unit
    if arguments.view:
        for flag, value in (("--dtype", dtypes), ("--columns", chosen), ("--timestamp-unit", unit)):
            if value and not (flag == "--columns" and arguments.no_header):
                raise UsageError(f"daeda import: the view '{arguments.view}' says it already: leave {flag} out")
        field, unit, dtypes = _of_view(arguments)
        chosen = chosen or tuple(dtypes)
    try:
        memory = parse_size(arguments.memory_limit) if arguments.memory_limit else None
    except ValueError as error:
        raise UsageError(f"daeda import: --memory-limit {error}") from error
    delimiter = "\t" if arguments.delimiter in ("tab", "\\t") else arguments.delimiter
    return ImportRequest(
        files=tuple(arguments.files),
        to=arguments.to,
        timestamp_field=field,
        timestamp_unit=unit,
        dtypes=dtypes,
        chosen=chosen,
        format=arguments.format,
        dialect=Dialect(delimiter, arguments.encoding, not arguments.no_header),
        rules=rules,
        name=getattr(arguments, "as"),
        max_rejected=arguments.max_rejected,
        replace=arguments.replace,
        repeated=arguments.keep_repeated,
        empty_days=arguments.empty_days,
        dry_run=arguments.dry_run,
        memory_bytes=memory,
    )


def _dtypes(words: Sequence[str]) -> dict[str, DType]:
    from daeda.dtypes import DType

    found: dict[str, DType] = {}
    for word in words:
        name, sign, text = word.rpartition("=")
        if not sign or not name:
            raise UsageError(f"daeda import: --dtype '{word}' is not NAME=TYPE, like price=double")
        if name in found:
            raise UsageError(f"daeda import: --dtype names '{name}' twice: each column has one type")
        try:
            found[name] = DType.parse(text)
        except ValueError as error:
            raise UsageError(f"daeda import: --dtype {word}: {error}") from error
    return found


def _of_view(arguments: argparse.Namespace) -> tuple[str | None, UnitSymbol | None, dict[str, DType]]:
    """Time, unit, and types by the names that the files of a view have."""
    from daeda.catalog.find import find_root
    from daeda.catalog.project import load_views

    directory: Path | None = arguments.feature_views_dir
    if directory is None:
        usual = Path("feature_views").absolute()
        root = usual.parent if usual.is_dir() else find_root(Path.cwd())
        directory = root / "feature_views"
    views = load_views(directory, directory.absolute().parent)
    if arguments.view not in views:
        raise UsageError(f"{directory}: no view '{arguments.view}': {did_you_mean(arguments.view, views)}")
    view = views[arguments.view]
    time = view.source.timestamp_field
    dtypes = {view.source_name(field.name): field.dtype for field in view.fields}
    return (view.source_name(time) if time is not None else None), view.source.timestamp_unit, dtypes


def _tell(result: ImportResult, request: ImportRequest) -> None:
    from daeda.process.messages import say, warn

    for note in result.notes:
        say(note)
    for source in result.sources:
        say(_sentence(source, request, result))
        for reason in source.reasons:
            say(f"  {reason}")
    if result.gaps and not (request.empty_days and result.published):
        days = shortened([str(first) if first == last else f"{first} to {last}" for first, last in result.gaps], 3)
        count = result.days_without_rows
        warn(
            f"{counted(count, 'day')} between the first row and the last one {_have(count)} no "
            f"partition ({days}): with --empty-days they are empty ones, or say source.missing_partitions: empty"
        )
    if result.exit_code:
        _tell_rejected(result, request)


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _sentence(source: SourceResult, request: ImportRequest, result: ImportResult) -> str:
    rows = counted(source.rows, "row")
    where = f" in {source.rejections}" if source.rejections is not None else ""
    aside = f", {source.rejected:,} kept aside{where}" if source.rejected else ""
    if source.outcome == "unchanged":
        return f"{source.name}: {rows}, imported before and unchanged{aside}"
    if not result.published and not request.dry_run:
        return f"{source.name}: {rows} would fit{aside}; nothing was published"
    would = "would be " if request.dry_run else ""
    if request.timestamp_field is None:
        what = "as it was" if source.same else f"{would}replaced" if source.replaced else f"{would}new"
        return f"{source.name}: {rows} in one file, {what}{aside}"
    days = {"new": source.new, "replaced": source.replaced, "as they were": source.same, "without": source.removed}
    told = [f"{len(those):,} {what}" for what, those in days.items() if those]
    lost = f"; {counted(source.lost, 'row')} {would}taken out" if source.lost else ""
    all_days = counted(len(source.new) + len(source.replaced) + len(source.same), "day")
    done = "; nothing was published" if would else ""
    listed = f" ({', '.join(told)})" if told else ""
    return f"{source.name}: {rows} of {all_days}{listed}{lost}{aside}{done}"


def _tell_rejected(result: ImportResult, request: ImportRequest) -> None:
    """What to do about rows that are kept aside."""
    from daeda.process.messages import say

    most = max(source.rejected for source in result.sources)
    what = f"{counted(result.rejected, 'row')} {'does' if result.rejected == 1 else 'do'} not fit"
    done = "what fits is published" if result.published else "nothing was published"
    say(
        f"{what}, and {done}: {_null_hint(result, request)}repair the files and import them again, or say how they are "
        f"read; --max-rejected {most} does without them",
        "error",
    )


def _null_hint(result: ImportResult, request: ImportRequest) -> str:
    """How to read the rows that are kept aside, where what does not fit is a spelling of NULL; else empty."""
    from daeda.init_project.column_types import NULL_TEXTS

    spellings = {repr(text): text for text in NULL_TEXTS}
    rows, found = 0, set[str]()
    for source in result.sources:
        reasons = [reason.partition(": ")[2] for reason in source.reasons]
        if source.rejections is not None:
            with source.rejections.open(encoding="utf-8") as file:
                reasons = [str(json.loads(line)["reason"]) for line in islice(file, _MOST_LOOKED_AT)]
        for reason in reasons:
            cells = _MISFIT.findall(reason)
            if cells and all(text in spellings and name != request.timestamp_field for name, text in cells):
                rows += 1
                found |= {spellings[text] for _, text in cells}
    if not found:
        return ""
    flag = shlex.join(["--null", *dict.fromkeys((*request.rules.nulls, *sorted(found)))])
    return f"{rows:,} of them with {flag}, for {' and '.join(sorted(found))} may stand for NULL; "


def _document(result: ImportResult, more_notes: Sequence[str]) -> str:
    from daeda.answers.imported import ImportAnswer, ImportedFile

    files = tuple(
        ImportedFile(
            name=source.name,
            outcome=source.outcome,
            rows=source.rows,
            rejected=source.rejected,
            rejections=str(source.rejections) if source.rejections is not None else None,
            new_days=len(source.new),
            replaced_days=len(source.replaced),
            unchanged_days=len(source.same),
            removed_days=len(source.removed),
            lost_rows=source.lost,
        )
        for source in result.sources
    )
    return ImportAnswer(
        location=str(result.directory),
        published=result.published,
        columns=result.columns,
        files=files,
        notes=(*result.notes, *more_notes),
        days_without_rows=result.gaps,
    ).text()

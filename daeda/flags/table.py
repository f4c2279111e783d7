"""The table of flags: every flag that several commands share or that a command forwards to a subprocess.

Parsers, the words that a command hands to its subprocesses and the settings that flags override (`flags.parser`)
are all made from it. Nothing heavy is imported here: `--help` answers at once.
"""

from __future__ import annotations

import argparse

from daeda.flags.flag import Flag, FlagGroup

# Seconds without a day at work after which a job on a portable runner is given up.
WORKER_TIMEOUT = 120.0
# How many rows and days an audit takes, unless it is told otherwise.
ROWS, QUICK_ROWS = 200, 50
DAYS, QUICK_DAYS = 7, 3
# The most days that others are compared with, unless they are named.
REFERENCE_DAYS = 28
# How many rows a preview shows.
PREVIEW_ROWS = 5


def _group(title: str, *flags: Flag) -> FlagGroup:
    return FlagGroup(title, flags)


def _days(what: str, default: str, *, each: str = "YYYY-MM-DD or") -> Flag:
    text = f"{what}, each {each} a range YYYY-MM-DD..YYYY-MM-DD (default: {default})"
    return Flag("--days", "texts", text, metavar="DAY")


# fmt: off
VIEWS_DIR = Flag("--feature-views-dir", "path", "default: feature_views of the project", metavar="DIR")
PROJECT = _group(
    "project",
    Flag("--runtime-config-path", "path",
         "runtime.yaml; the directory that holds its config/ is the project root (default: of the project that the "
         "working directory is in, config/training/SERVICE/runtime.yaml, or config/training/runtime.yaml)",
         metavar="FILE"),
    Flag("--aggregation-config-path", "path",
         "aggregations.yaml (default: beside config/training/SERVICE/runtime.yaml, or "
         "config/training/aggregations.yaml of the project)", metavar="FILE"),
    VIEWS_DIR,
    Flag("--feature-services-dir", "path", "default: feature_services of the project", metavar="DIR"),
)
INIT = _group(
    "files and answers",
    Flag("--from", "texts",
         "files, directories or patterns: Parquet, CSV or JSON lines; tables: postgres://SERVICE/schema.table "
         "(default: the files in DIR)", metavar="FILE"),
    Flag("--predict", "text", "what is predicted: a column of the event, again, or nothing", metavar="COLUMN"),
    Flag("--yes", "on", "take what is proposed; without a terminal nobody is asked anyway"),
    Flag("--answers", "path", "YAML with answers: event, times, known, timezone, entity, predict", metavar="FILE"),
    Flag("--no-build", "on", "write the project, and build no day"),
    Flag("--max-rejected", "count or 0",
         "so many rows of a file may be kept aside; with more of them, nothing is written (default: what fits is "
         "imported, and the exit code is 1)"),
)
OUTPUT_ROOT = Flag("--output-root", "directory", "where the days are published", "output_root")
OUTPUT = _group("output", OUTPUT_ROOT)
_RANGE = (
    Flag("--start", "day", "first day of the range: YYYY-MM-DD, today, yesterday or -7d, in UTC", "feed_start"),
    Flag("--end", "day", "last day of the range, written like --start", "feed_end"),
)
_RUN = (
    *_RANGE,
    Flag("--target-date", "text", "build this day of the range alone", metavar="YYYY-MM-DD"),
    Flag("--data-until", "text",
         "instant in UTC before which the data of labels is complete, or VIEW=INSTANT,…", "data_until",
         metavar="INSTANT"),
    Flag("--on-stale", "choice",
         "what to do with a day whose inputs or configuration changed, or that is not as it was published",
         choices=("rebuild", "keep", "fail"), default="rebuild"),
    Flag("--no-extend", "on",
         "build every stale day whole, also one that could keep its unchanged columns and compute the others alone"),
)
PLAN = _group(
    "run",
    *_RUN,
    Flag("--verify", "on",
         "compare the digest of every published part, and not only its size and when it was last changed"),
)
BUILD = _group(
    "run",
    *_RUN,
    Flag("--on-locked", "choice",
         "what to do with a day that another run is building: wait for its end, or fail and say who holds it",
         choices=("wait", "fail"), default="wait"),
    Flag("--profile", "on",
         "keep seconds, rows, bytes, peak memory and spill of each operator and day below _profile/ of the "
         "service, and show them as a table"),
)
STATISTICS = _group(
    "statistics",
    Flag("--statistics", "on",
         "make the statistics of each published day of the range that has none, and keep them below _statistics/ of "
         "the service"),
)
SKELETON = _group(
    "skeleton",
    Flag("--day-workers", "whole number", "days at once", "day_workers"),
    Flag("--duckdb-memory-limit", "size", "ceiling of memory, shared by the days at work",
         "compute.duckdb_config.memory_limit"),
    Flag("--duckdb-threads", "whole number", "ceiling of threads, shared by the days at work",
         "compute.duckdb_config.threads"),
    Flag("--duckdb-temp-directory", "directory", "where a day spills what does not fit in memory",
         "compute.duckdb_config.temp_directory"),
)
PORTABLE = _group(
    "portable runners",
    Flag("--worker-timeout", "seconds",
         "give up after so long without a day at work; a pool that cannot start its workers says nothing itself; "
         f"{WORKER_TIMEOUT:g} where it is not given"),
)
ENRICHMENT = _group(
    "enrichment",
    Flag("--ray-address", "address", "head of a Ray cluster that runs already", "ray.address"),
    Flag("--ray-num-cpus", "whole number", "ceiling of logical CPUs", "ray.num_cpus"),
    Flag("--ray-memory", "size", "ceiling of memory, object store and reserve included", "ray.memory"),
    Flag("--ray-object-store-memory", "size", "ceiling of the object store", "ray.object_store_memory"),
    Flag("--ray-reserved-cpus", "whole number", "CPUs that no worker gets", "ray.reserved_cpus"),
    Flag("--ray-reserved-memory", "size", "memory that no worker gets", "ray.reserved_memory"),
    Flag("--ray-actor-percent", "whole number", "share of the worker CPUs that run actors", "ray.actor_percent"),
    Flag("--preload-day-embeddings", "switch", "share the vectors of a day through the object store",
         "ray.preload_day_embeddings"),
    Flag("--ray-start-timeout-seconds", "whole number", "seconds that Ray may take to start, or to be joined",
         "ray.start_timeout_seconds"),
    Flag("--ray-day-timeout-minutes", "whole number", "minutes that a day may take to be enriched",
         "ray.day_timeout_minutes"),
)
LINEAGE = _group(
    "lineage",
    Flag("--lineage", "text",
         "tell of each published day as an event of OpenLineage: appended to this file, or posted to a server at "
         "http://host:port; in place of lineage of runtime.yaml",
         metavar="FILE|URL"),
)
CHECK = Flag("--check", "choice",
             "look at the embedding stores and the skeleton (or at the stores alone) without starting Ray, and build "
             "nothing; prints what --stores prints, and with mistakes what is wrong with the stores, as a list of JSON",
             choices=("all", "stores", "mistakes"), bare="all")
STORES = Flag("--stores", "on",
              "print number and content digest of the version of each embedding store, as one line of JSON, and build "
              "nothing")
PINNED_STORES = Flag("--pinned-stores", "text",
                     "what --stores printed before: the stores are opened by these numbers, and others are refused",
                     metavar="JSON")
STORE_CHECKS = _group("", CHECK, STORES, PINNED_STORES)
AUDIT = _group(
    "audit",
    _days("published days", f"at most {DAYS}, spread evenly"),
    Flag("--rows", "count", f"rows to recompute of each day (default: {ROWS}; {QUICK_ROWS} with --quick)"),
    Flag("--seed", "whole number", "decides which rows are drawn", metavar="S", default=0),
    Flag("--probe", "choice",
         "recompute: rows of each day; append: rebuild the last day from a copy of the input with later rows added",
         choices=("all", "recompute", "append"), default="all"),
    Flag("--quick", "on",
         f"a first answer: of the days at most {QUICK_DAYS}, spread evenly, and no append probe; what is "
         "left out is said"),
)
TAGGED = _group(
    "days",
    _days("these days", "the whole range", each="YYYY-MM-DD, today, yesterday, -7d, or"),
    *_RANGE,
)
VERIFIED = _group(
    "days",
    _days("these days alone", "all that are published"),
)
# The range that is needed.
NEEDED = _group("range", *_RANGE)
COMPARED = _group(
    "comparison",
    Flag("--day", "text", "this day alone", metavar="YYYY-MM-DD"),
    _days("these days alone", "all"),
    Flag("--dataset", "choice", "skeleton or enriched (default: the final one that both have)",
         choices=("skeleton", "enriched")),
    Flag("--grain", "text",
         "columns by which rows are paired (default: grain and time of the service; of a directory its keys and times)",
         metavar="NAME,…"),
    Flag("--tolerance", "distance", "floats, also in lists and vectors, are equal when they are at most so far apart",
         metavar="DISTANCE", default=0.0),
    Flag("--relative-tolerance", "distance", "the same, as a share of the greater of both magnitudes", metavar="SHARE",
         default=0.0),
    Flag("--html", "path", "write it to a file as well, for a browser", metavar="FILE"),
)
IMPORTED = _group(
    "columns",
    Flag("--timestamp-field", "text", "when a row came to be; its day, in UTC, decides about its partition",
         metavar="NAME"),
    Flag("--timestamp-unit", "choice", "what whole numbers in it count after 1970", choices=("s", "ms", "us", "ns")),
    Flag("--static", "on", "a table without a time: it becomes one file"),
    Flag("--view", "text", "time, columns and types are those of this feature view", metavar="NAME"),
    VIEWS_DIR,
    Flag("--dtype", "texts",
         "types, as views write them: price=double 'time=timestamp[us]' (default: as they were imported before, those "
         "of Parquet, or those that the first rows fit)", metavar="NAME=TYPE"),
    Flag("--columns", "text",
         "columns to import, in this order (default: all); with --no-header the names of all", metavar="NAME,…"),
)
READ = _group(
    "files",
    Flag("--format", "choice", "what the files are (default: what their names tell)",
         choices=("csv", "jsonl", "parquet")),
    Flag("--delimiter", "text", "between cells of CSV, or tab (default: of , ; | and tab what the header has)",
         metavar="SIGN"),
    Flag("--encoding", "text", "of text (default: by the byte order mark, or utf-8)", metavar="NAME"),
    Flag("--no-header", "on", "the first line of CSV holds values: --columns names them"),
    Flag("--decimal-comma", "switch", "numbers are written like 3,14 (default: as at the import before)"),
    Flag("--null", "texts",
         "what stands for NULL, beside an empty cell: --null NA '\\N' (default: as at the import before)",
         metavar="TEXT"),
    Flag("--time-format", "texts",
         "how times are written, by strptime; of several, the first that fits. iso is ISO 8601, with a zone or without "
         "(default: as at the import before, or iso)", metavar="FORMAT"),
    Flag("--timezone", "text",
         "where clocks show times without a zone, like Europe/Berlin (default: as at the import before, or UTC)",
         metavar="ZONE"),
    Flag("--days", "text",
         "days whose rows are imported, FIRST..LAST; others are kept aside (default: as at the import before, or "
         "1900-01-01..2100-12-31)", metavar="DAYS"),
)
IMPORTING = _group(
    "import",
    Flag("--as", "text", "the file goes by this name: what is imported under a name takes the place of what was",
         metavar="NAME"),
    Flag("--max-rejected", "count or 0",
         "so many rows of a file may be kept aside; with more of them, nothing is published (default: what fits is "
         "published, and the exit code is 1)"),
    Flag("--replace", "on", "also take out rows that a file had when it was imported, and has not now"),
    Flag("--keep-repeated", "on", "import a file of which most rows were imported under another name"),
    Flag("--empty-days", "on", "days without a row between the first and the last row of a file are empty partitions"),
    Flag("--dry-run", "on", "say what would be done, and publish nothing"),
    Flag("--memory-limit", "size", "ceiling of DuckDB's memory, like 1GiB; what is more is spilled (default: a quarter "
         "of the host, at most 2 GiB)"),
)
JSON = Flag("--json", "on", "answer with one JSON document on stdout (docs/reference/answers.md)")
ANSWER = _group("answer", JSON)
LOG_JSON = Flag("--log-json", "on", "tell what happens as lines of JSON on stderr (docs/reference/answers.md)")
# Subprocesses take it from the environment.
LOG = _group("narrative", LOG_JSON)
PREVIEW = _group(
    "rows",
    Flag("--day", "text", "rows of this day, in or outside of the range (default: the first day of the range)",
         metavar="YYYY-MM-DD"),
    Flag("--rows", "count", f"so many rows (default: {PREVIEW_ROWS}, and all those of --spine); without --explain"),
    Flag("--spine", "path", "rows of your own: keys and times, as .parquet, .arrow or .csv; no filter applies",
         metavar="FILE"),
    Flag("--columns", "text", "columns to show (default: all)", metavar="NAME,…"),
    Flag("--explain", "whole number",
         "of this row, by its number, the first is 0: the raw rows behind each value, found by the audit's own slow "
         "path; of --day or --spine, and without --rows",
         metavar="ROW"),
    JSON,
    Flag("--output", "path", "write the rows to a file: .parquet, .arrow, .csv, .json or .jsonl", metavar="FILE"),
)
REPORT = _group(
    "report",
    *_RANGE,
    _days("days to show", "the range"),
    Flag("--reference", "text",
         "days that the others are compared with: YYYY-MM-DD..YYYY-MM-DD, a day, or the name of a split (default: the "
         f"first quarter of the published days, at least 3 and at most {REFERENCE_DAYS})",
         metavar="DAYS"),
    Flag("--output", "path", "the file to write (default: SERVICE-report.html in the working directory)",
         metavar="FILE"),
)
PLANNED = Flag("--planned", "path", argparse.SUPPRESS, metavar="FILE")
REPORT_INPUTS = _group("", PLANNED)
HTML = Flag("--html", "path", "write one HTML file that can be searched, with what uses what", metavar="FILE")
CATALOG = _group("form", HTML)
CONTENT = Flag("--content", "path", argparse.SUPPRESS, metavar="FILE")
CATALOG_INPUTS = _group("", HTML, CONTENT)
CONFIGURATION = Flag("--configuration", "text", argparse.SUPPRESS, metavar="PATH")
AUDIT_INPUTS = _group("", CONFIGURATION)
# fmt: on

SETTINGS = tuple(flag for group in (OUTPUT, BUILD, SKELETON, ENRICHMENT) for flag in group.flags if flag.setting)


def flag_at(position: tuple[str | int, ...]) -> str | None:
    """The flag that sets the setting at a position of runtime.yaml, or a part of it; None where no flag does."""
    return next((flag.flag for flag in SETTINGS if flag.position == position[: len(flag.position)]), None)

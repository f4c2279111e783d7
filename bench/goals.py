"""The goals of the project in figures, and how each is read from the results.

A goal names the workload that measures it and one figure of its result: `figures` of the file, or a ratio of two
systems' seconds or memory. `why` is for goals that are missed, and says what the profile shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Results = Mapping[str, Mapping[str, Any]]
Read = Callable[[Results], float]


@dataclass(frozen=True)
class Goal:
    """`read` raises KeyError where the result or the system is not there."""

    work: str
    command: str
    bound: Literal["at most", "at least"]
    limit: float
    unit: str
    read: Read
    why: str = ""

    def met(self, value: float) -> bool:
        """Whether a figure, rounded as it is shown, keeps the goal."""
        shown = round(value, 2)
        return shown <= self.limit if self.bound == "at most" else shown >= self.limit


def seconds(workload: str, system: str, other: str) -> Read:
    """Seconds of one system over those of another."""
    return _ratio(workload, system, other, "seconds")


def memory(workload: str, system: str, other: str) -> Read:
    """Peak memory of one system over that of another."""
    return _ratio(workload, system, other, "peak_mib")


def figure(workload: str, name: str) -> Read:
    """A figure of the workload's own."""
    return lambda results: float(results[workload]["figures"][name])


def greatest(workload: str, *names: str) -> Read:
    """The greatest of some figures, each of both engines of windows."""
    engines = ("duckdb", "polars")

    def read(results: Results) -> float:
        figures = results[workload]["figures"]
        return max(float(figures[f"{name}, engine {engine}"]) for name in names for engine in engines)

    return read


def peak_gib(workload: str) -> Read:
    """Peak memory of daeda in GiB."""
    return lambda results: float(results[workload]["systems"]["daeda"]["peak_mib"]) / 1024


def across(workload: str, other: str) -> Read:
    """daeda's seconds on one workload over those on another."""

    def read(results: Results) -> float:
        first, second = (results[name]["systems"]["daeda"]["seconds"] for name in (workload, other))
        return float(first) / float(second)

    return read


def in_cpu(workload: str, other: str) -> Read:
    """The same in CPU time: two runs on a machine that does other work are compared by that."""
    name = "daeda's seconds of CPU, less those over few rows"
    return lambda results: float(results[workload]["figures"][name]) / float(results[other]["figures"][name])


def of_limit(workload: str) -> Read:
    """Peak memory of daeda over the limit that was set."""

    def read(results: Results) -> float:
        result = results[workload]
        return float(result["systems"]["daeda"]["peak_mib"]) / float(result["figures"]["memory limit in MiB"])

    return read


def _ratio(workload: str, system: str, other: str, what: str) -> Read:
    def read(results: Results) -> float:
        systems = results[workload]["systems"]
        return float(systems[system][what]) / float(systems[other][what])

    return read


# What the profiles show; a sentence is printed only while its goal is missed.
_TWO_SORTS = (
    "likes and all events are read and put in order one by one where the script reads once (for these two a common "
    "sort is no cheaper, docs/decisions/0019); half of the look-up are entities and probes, which windows share, and "
    "it is right on ties, where the script searches a table of one row per time; the sink packs with zstd, flushes "
    "and digests its parts, and another writer would save a fifth of it at most (docs/decisions/0057). "
    "By operator, and what was tried: docs/decisions/0073."
)
_POLARS_TOO = (
    "the rolling operators are most of it: each history is read and ordered by itself, the newest rows of every window "
    "are written out one by one before the distinct items among them are told apart, and sums are of 128-bit integers; "
    "the script takes neither ties nor NaN into account."
)
_WIDE = (
    "each category is a history of its own, because its `where` differs: 13 reads; the sink has DuckDB encode a "
    "thousand columns, in slices by all threads, and other levels and writers would save a sixth of its CPU at most "
    "(docs/decisions/0057)."
)
_PIT = (
    "of 0.30 s of CPU in the look-up 0.06 to 0.14 read the view and join it with the entities, 0.03 to 0.05 are "
    "entities and probes, 0.03 order and search, and most of the rest numbers the spine and makes the statements; the "
    "scripts take keys for numbers."
)
_WIDE_MEMORY = "the thousand columns are there twice while they are written: in Arrow, and in the writer of DuckDB."
_HUGE = (
    "what has no room in memory is written to files once, and read once (docs/decisions/0079 and 0080), and the probes "
    "of 20 million rows are sorted by DuckDB; several threads work on the histories of both (docs/decisions/0082 and "
    "0083), which takes more from *large*."
)
_MONTH = (
    "after the first day one with 90-day windows takes 1.5 times the CPU of one with 7-day windows, for lists that are "
    "seven times as long, and their sink; the first day orders 91 partitions of two histories, and takes as much as "
    "four others (docs/decisions/0073 and 0077, by operator). Of lists of three, which are as long in both, a day "
    "takes 1.42 times as long."
)
_SETTLES = (
    "what Arrow's allocator kept of each day goes back when the day ends; what is left are the first days' caches of"
    " statements and the allocators of Python and DuckDB."
)
_SETTLES_IN_RAY = (
    "the private memory of the processes stays what it is: the pages of Ray's object store, which it uses again and "
    "never gives back, grow over the first half of the days, with two days' vectors in it at once."
)
_VECTORS = (
    "both processors are at work all the time. A day takes 3.5 s of them: 1.1 s in the kernel, which memory bounds, "
    "and 0.3 s for ids and counts beside it; 0.3 s for pages of vectors with their digest, 0.3 s for the ids in zstd, "
    "0.1 s to the disk; 0.8 s for the ids, vectors and object store of the next day; 0.2 s for the digests before "
    "publication. The loop and Ray Data sync, digest and check nothing."
)
_DISTINCT = "rolling is 0.62 s of 0.97 s and the sink, which the range join does not have, 0.26 s."
_IMPORTS = (
    "imports of pyarrow, DuckDB, sqlglot, pydantic and rich, and the models of YAML, are two thirds of it; the rest is "
    "Python's own start, the check of types in DuckDB and the footers: what a plan can do without it does not import."
)
_BUSY = "measured while the machine did other work: the CPU time beside it is what a quiet one takes."
_SEQUENCES = ("sequence", "sequence with ages", "sequence as columns with ages")
_HAND, _BEST = "duckdb_io_handwritten", "best_handwritten"
GOALS = (
    Goal("*small*, engine duckdb: against the best script that reads and writes with DuckDB",
         "small", "at most", 1.15, "x", seconds("small", "daeda", _HAND), _TWO_SORTS),
    Goal("*large*, the same", "large", "at most", 0.8, "x", seconds("large", "daeda", _HAND), _TWO_SORTS),
    Goal("*large*, against the best script with any reader and writer", "large", "at most", 0.9, "x",
         seconds("large", "daeda", _BEST), _TWO_SORTS),
    Goal("*small*, engine duckdb: against the best script with any reader and writer", "small", "at most", 1.5, "x",
         seconds("small", "daeda", _BEST), _TWO_SORTS),
    Goal("*small*, engine polars: against the best script with any reader and writer", "small", "at most", 1.6, "x",
         seconds("small", "daeda_polars", _BEST), _POLARS_TOO),
    Goal("*large*, the same", "large", "at most", 2, "x", seconds("large", "daeda_polars", _BEST), _POLARS_TOO),
    Goal("the 32 newest: faster than window frames (`rolling.py list32 win`)", "newest", "at least", 8, "x",
         seconds("newest", "window_frame", "daeda")),
    Goal("the 32 newest distinct of 30 days: faster than a range join", "distinct30", "at least", 8, "x",
         seconds("distinct30", "range_join", "daeda"), _DISTINCT),
    Goal("point-in-time join: faster than Feast's DuckDB store", "pit", "at least", 8, "x",
         seconds("pit", "feast_duckdb", "daeda")),
    Goal("the same: of its memory", "pit", "at most", 0.34, "x", memory("pit", "daeda", "feast_duckdb")),
    Goal("point-in-time join: against the quickest script that is right on ties", "pit", "at most", 1.1, "x",
         figure("pit", "daeda/quickest script that is right on ties"), _PIT),
    Goal("*wide*: against the best script", "wide", "at most", 2, "x", seconds("wide", "daeda", _BEST), _WIDE),
    Goal("*wide*: against the best script that packs, flushes and digests as daeda does", "wide", "at most", 1.2, "x",
         figure("wide", "daeda/best_durable"), _WIDE),
    Goal("*wide*: memory", "wide", "at most", 0.8, "GiB", peak_gib("wide"), _WIDE_MEMORY),
    Goal("a label against a window of its length: sum, `count_distinct` and list, the slowest of both engines", "kinds",
         "at most", 1.1, "x", greatest("kinds", "label sum/sum", "label count_distinct/count_distinct",
                                       "label list/list")),
    Goal("a sequence of four columns, with ages, against four lists, the same", "kinds", "at most", 1.5, "x",
         greatest("kinds", *(f"{name}/list of four columns" for name in _SEQUENCES))),
    Goal("`quantile` against `count_distinct`, the same", "kinds", "at most", 3, "x",
         greatest("kinds", "quantile/count_distinct")),
    Goal("`decayed_sum` against `sum`, the same", "kinds", "at most", 2, "x", greatest("kinds", "decayed_sum/sum")),
    Goal("entities of two keys against those of one: sum and list, the same", "kinds", "at most", 1.3, "x",
         greatest("kinds", "sum of two keys/sum", "list of two keys/list")),
    Goal("*skewed*: against *small*, per row, in CPU time", "skewed", "at most", 1.5, "x", in_cpu("skewed", "small")),
    Goal("*month*: a mean day with 90-day windows against 7-day windows", "month", "at most", 1.3, "x",
         figure("month", "90 days/7 days"), _MONTH),
    Goal("10 x the rows (*large* against *small*): time", "large", "at most", 10.5, "x", across("large", "small")),
    Goal("the same: memory of the whole process tree, of the limit set for the day", "large", "at most", 1, "x",
         of_limit("large")),
    Goal("one day of 100M events and 20M rows (*huge*) against *large*, with the same memory: time per event", "huge",
         "at most", 1.2, "x", figure("huge", "time per event, huge/large"), _HUGE),
    Goal("the same: memory of the whole process tree, of that limit", "huge", "at most", 1, "x",
         figure("huge", "peak of huge/limit")),
    Goal("pooling kernel, one thread: of the copy bandwidth", "vectors", "at least", 0.4, "x",
         figure("vectors", "kernel/copy bandwidth")),
    Goal("enrichment, *vectors*: against the single-process loop", "vectors", "at most", 0.7, "x",
         seconds("vectors", "daeda", "single_process_loop"), _VECTORS),
    Goal("the same: faster than plain Ray Data", "vectors", "at least", 3, "x",
         seconds("vectors", "ray_data", "daeda"), _VECTORS),
    Goal("the same: actors wait for parts or vectors, Ray's start left out", "vectors", "at most", 10, "%",
         figure("vectors", "% of their time that actors wait")),
    # 3 s shorter was the goal where the start took 11 s: a time is the machine's, and its share is not.
    Goal("Ray's start until its actors work: against that of all that Ray starts", "ray_start", "at most", 0.73, "x",
         seconds("ray_start", "as_is", "with_all")),
    Goal("*catalogue*: the vectors of a day, cold, map included", "catalogue", "at most", 25, "s",
         figure("catalogue", "seconds cold")),
    Goal("memory of a run of 30 days against one of 3", "days", "at most", 1.05, "x",
         memory("days", "daeda_30_days", "daeda_3_days"), _SETTLES),
    Goal("the same, of the enrichment", "days", "at most", 1.05, "x",
         memory("days", "enrich_30_days", "enrich_3_days"), _SETTLES_IN_RAY),
    Goal("a day of 4,000 rows in a run of 365", "days", "at most", 0.25, "s",
         figure("days", "seconds per day in a run of 365")),
    Goal("embedded Flink with 2 slots, `LOOPBACK`: against DirectRunner with 2 days at work", "scaling", "at most",
         1.15, "x", seconds("scaling", "daeda_flink_loopback_2", "daeda_direct_2")),
    Goal("the same, `EXTERNAL`", "scaling", "at most", 1.3, "x",
         seconds("scaling", "daeda_flink_external_2", "daeda_direct_2")),
    Goal("*loader*: rows a second of shuffled batches, lists padded, texts as codes, of what reading and decoding the "
         "same columns with pyarrow alone reaches, days of skeletons", "loader", "at least", 0.8, "x",
         figure("loader", "rows per second, daeda/pyarrow_alone")),
    Goal("the same, of enriched days", "loader", "at least", 0.8, "x",
         figure("loader", "rows per second, daeda_enriched/pyarrow_enriched")),
    Goal("the same: memory of an epoch of 10 million rows against one of a million", "loader", "at most", 1.1, "x",
         figure("loader", "memory of 10M rows/of 1M rows")),
    Goal("*statistics*: of a day of lists and numbers, against building it", "statistics", "at most", 0.15, "x",
         figure("statistics", "statistics/daeda"),
         "the counts of values of lists are most of it; the machine did other work in this run."),
    Goal("`daeda --help`", "startup", "at most", 0.3, "s", figure("startup", "daeda_help seconds"), _BUSY),
    Goal("`daeda pipeline plan` over 365 days", "startup", "at most", 1.5, "s",
         figure("startup", "daeda_plan seconds"),
         "half of it are imports, of pyarrow, DuckDB, sqlglot, pydantic and rich; the rest is Python's own start, the "
         "check of types in DuckDB, and the footers and names of 373 files."),
    Goal("`daeda pipeline plan` over 14 days", "startup", "at most", 0.3, "s",
         figure("startup", "daeda_plan_14_days seconds"), _IMPORTS),
    Goal("`python -m beam_pipeline` on the DirectRunner: one small day, start included", "startup", "at most", 1.2, "s",
         figure("startup", "daeda_one_day seconds"), _BUSY),
    Goal("`daeda preview` of the example, vectors included", "startup", "at most", 3.0, "s",
         figure("startup", "daeda_preview seconds"),
         "more than half of it are imports, of pydantic's models, pyarrow, DuckDB, sqlglot and Lance."),
    Goal("`.features(frame)`: 100,000 rows over 7 days of the example, from pandas", "features", "at most", 10.0, "s",
         figure("features", "daeda_pandas seconds")),
)  # fmt: skip

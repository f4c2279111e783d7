"""The workloads by name, each with the module of its function `run`, which is imported when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module

from bench.harness import Bench, Outcome, Workload


@dataclass(frozen=True)
class Entry:
    """`module` has a function `run(bench)`, or `run(bench, variant)` where several workloads share it."""

    about: str
    module: str
    variant: str = ""


WORKLOADS = {
    "small": Entry("five features, 1M events, 200k spine rows", "five_features", "small"),
    "large": Entry("the same, 10M events, 2M spine rows", "five_features", "large"),
    "huge": Entry("one day of 100M events and 20M spine rows in the memory of *large*", "huge"),
    "skewed": Entry("the same, Zipf users, one with 1 % of all events", "five_features", "skewed"),
    "impressions": Entry("the same, 20 rows share user and time", "five_features", "impressions"),
    "newest": Entry("the 32 newest alone, against the reference scripts", "single_feature", "newest"),
    "distinct": Entry("the 32 newest distinct alone, against the reference scripts", "single_feature", "distinct"),
    "aggregates": Entry(
        "count and sum over 1 and 7 days alone, against the reference scripts", "single_feature", "aggregates"
    ),
    "kinds": Entry("each kind of window alone, against its plain relative", "kinds"),
    "distinct30": Entry("the 32 newest distinct over 30 days, against a range join", "distinct30"),
    "pit": Entry("a point-in-time join, against Feast, pandas, Polars and DuckDB", "point_in_time"),
    "wide": Entry("17k spine rows x 1,000 features", "wide"),
    "month": Entry("120 days of feed, 30 of them built, with windows of 7 and of 90 days", "month"),
    "days": Entry("365 small days in one run, and the memory of 3 days against 30", "days"),
    "startup": Entry(
        "daeda --help, plan over 365 days and over 14, one small day, check and preview of the example", "startup"
    ),
    "ray_start": Entry("a Ray of the run's own until its actors begin, and one with all it starts", "ray_start"),
    "vectors": Entry("mean vectors of 100,000 rows x 32 ids, 1,152 float16 each", "vectors", "vectors"),
    "catalogue": Entry("vectors of a day, 470,000 ids of a store of 42.5 million", "vectors", "catalogue"),
    "scaling": Entry("30 days of a second and more by each engine, with 1 and 2 days at work", "scaling"),
    "extend": Entry("one column more for 30 days of a service of 40, against a rebuild", "extend"),
    "diff": Entry("daeda diff: two sides of ten million rows and 40 columns, and their memory", "diff"),
    "features": Entry(".features(frame): 100,000 keys and times of seven days of the example", "features"),
    "loader": Entry("batches of published days, against reading and decoding them alone", "loader"),
    "importing": Entry("daeda import of a CSV file, and of one with five times the rows", "importing"),
    "statistics": Entry("the statistics of a day, against building it", "statistics_of_days"),
    "journey": Entry("the example's service, skeleton and enrichment per day", "journey"),
}


def find(name: str) -> Workload:
    """The workload of a name; raises KeyError where there is none."""
    entry = WORKLOADS[name]

    def run(bench: Bench) -> Outcome:
        function = import_module(f"bench.workloads.{entry.module}").run
        outcome: Outcome = (partial(function, variant=entry.variant) if entry.variant else function)(bench)
        return outcome

    return Workload(name, entry.about, run)

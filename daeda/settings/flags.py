"""Flags that stand for one setting each: what they override, and what is said where one of them is wrong.

Nothing heavy is imported here: the command line is built from this table, and `--help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SettingFlag:
    """One flag. `location` is the place of its setting in runtime.yaml; `kind` says how its word is read."""

    flag: str
    location: tuple[str, ...]
    kind: Literal["whole number", "size", "directory", "address", "switch"]
    what: str

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def setting(self) -> str:
        """The setting as it is written in a sentence: `ray.num_cpus`."""
        return ".".join(self.location)


SKELETON_FLAGS: tuple[SettingFlag, ...] = (
    SettingFlag("--day-workers", ("day_workers",), "whole number", "days at once"),
    SettingFlag(
        "--duckdb-memory-limit",
        ("compute", "duckdb_config", "memory_limit"),
        "size",
        "ceiling of memory, shared by the days at work",
    ),
    SettingFlag(
        "--duckdb-threads",
        ("compute", "duckdb_config", "threads"),
        "whole number",
        "ceiling of threads, shared by the days at work",
    ),
    SettingFlag(
        "--duckdb-temp-directory",
        ("compute", "duckdb_config", "temp_directory"),
        "directory",
        "where a day spills what does not fit in memory",
    ),
)
ENRICHMENT_FLAGS: tuple[SettingFlag, ...] = (
    SettingFlag("--ray-address", ("ray", "address"), "address", "head of a Ray cluster that runs already"),
    SettingFlag("--ray-num-cpus", ("ray", "num_cpus"), "whole number", "ceiling of logical CPUs"),
    SettingFlag("--ray-memory", ("ray", "memory"), "size", "ceiling of memory, object store and reserve included"),
    SettingFlag("--ray-object-store-memory", ("ray", "object_store_memory"), "size", "ceiling of the object store"),
    SettingFlag("--ray-reserved-cpus", ("ray", "reserved_cpus"), "whole number", "CPUs that no worker gets"),
    SettingFlag("--ray-reserved-memory", ("ray", "reserved_memory"), "size", "memory that no worker gets"),
    SettingFlag(
        "--ray-actor-percent", ("ray", "actor_percent"), "whole number", "share of the worker CPUs that run actors"
    ),
    SettingFlag(
        "--preload-day-embeddings",
        ("ray", "preload_day_embeddings"),
        "switch",
        "share the vectors of a day through the object store",
    ),
    SettingFlag(
        "--ray-start-timeout-seconds",
        ("ray", "start_timeout_seconds"),
        "whole number",
        "seconds that Ray may take to start, or to be joined",
    ),
    SettingFlag(
        "--ray-day-timeout-minutes",
        ("ray", "day_timeout_minutes"),
        "whole number",
        "minutes that a day may take to be enriched",
    ),
)
OUTPUT_ROOT = SettingFlag("--output-root", ("output_root",), "directory", "where the days are published")
SETTING_FLAGS: tuple[SettingFlag, ...] = (OUTPUT_ROOT, *SKELETON_FLAGS, *ENRICHMENT_FLAGS)


def flag_at(location: tuple[str | int, ...]) -> str | None:
    """The flag that sets the setting at a location of runtime.yaml, or a part of it; None where no flag does."""
    for one in SETTING_FLAGS:
        if one.location == location[: len(one.location)]:
            return one.flag
    return None

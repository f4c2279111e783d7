"""Projects for benches: the YAML of views, features and one service, written from a few lines of Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.harness import THREADS

SERVICE = "bench"


@dataclass(frozen=True)
class Project:
    """A service named bench: the rows of the first view, of its columns `kept`, and the features.

    `views` map the name of a view to its YAML without the name; `rolling` are aggregation_specs; `looked_up` map
    view:column to its type; `labels` are label_specs; `types` gives the type of each column of both, `defaults` what
    replaces its NULL. A service has windows or labels.
    """

    views: Mapping[str, Mapping[str, Any]]
    kept: Sequence[str]
    time: str
    grain: Sequence[str]
    rolling: Sequence[Mapping[str, Any]] = ()
    labels: Sequence[Mapping[str, Any]] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    looked_up: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    filters: Sequence[Mapping[str, Any]] = ()
    memory_limit: str = ""

    @property
    def spine(self) -> str:
        return next(iter(self.views))

    def write(self, directory: Path, data: Path, first: dt.date, last: dt.date) -> Path:
        """Write the files of the project over the days; returns the path of its runtime.yaml."""
        limits = {"threads": THREADS, **({"memory_limit": self.memory_limit} if self.memory_limit else {})}
        looked_up = [reference.partition(":")[2] for reference in self.looked_up]
        contents: dict[str, Mapping[str, Any]] = {
            "config/training/runtime.yaml": {
                "service": SERVICE, "data_root": str(data), "output_root": "output",
                "feed_start": first.isoformat(), "feed_end": last.isoformat(),
                **({"feature_refs": list(self.looked_up)} if self.looked_up else {}),
                "output_columns": [*self.kept, *looked_up, *self.types],
                "rows_per_part": 100_000_000, "compute": {"duckdb_config": limits},
            },
            "config/training/aggregations.yaml": {
                "aggregation_specs": [dict(aggregate) for aggregate in self.rolling],
                **({"label_specs": [dict(label) for label in self.labels]} if self.labels else {}),
            },
            f"feature_services/{SERVICE}.yaml": self._contract(),
            **{f"feature_views/{name}.yaml": {"name": name, **view} for name, view in self.views.items()},
        }  # fmt: skip
        for name, content in contents.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
        return directory / "config" / "training" / "runtime.yaml"

    def _contract(self) -> dict[str, Any]:
        types = {field["name"]: field["dtype"] for field in self.views[self.spine]["fields"]}
        columns = [{"name": name, "kind": self._kind(name), "dtype": types[name]} for name in self.kept]
        for reference, dtype in self.looked_up.items():
            columns.append({"name": reference.partition(":")[2], "kind": "point_in_time", "dtype": dtype})
        for name, dtype in self.types.items():
            default = {"default": self.defaults[name]} if name in self.defaults else {}
            kind = "label" if self.labels else "rolling"
            columns.append({"name": name, "kind": kind, "dtype": dtype, **default})
        spine: dict[str, Any] = {"view": self.spine}
        if self.filters:
            spine["filters"] = [dict(condition) for condition in self.filters]
        return {"name": SERVICE, "version": 1, "grain": list(self.grain), "spine": spine, "columns": columns}

    def _kind(self, name: str) -> str:
        keys = {f"{entity}_id" for entity in _listed(self.views[self.spine]["entity"])}
        return "timestamp" if name == self.time else "key" if name in keys else "spine"


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value

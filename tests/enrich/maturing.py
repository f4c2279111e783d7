"""A project whose label waits for sales, and what of its output a run could have touched."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.projects import TinyProject, fields, moment

LABEL = {"name": "sold", "entity": "item", "history": {"view": "sales"}, "kind": "count", "window": "1d"}


def maturing_project(root: Path) -> TinyProject:
    """Events and sales of three days, with the vector of the item: the label of the third needs the fourth."""
    made = TinyProject(root)
    made.runtime |= {"feed_start": "2024-01-01", "feed_end": "2024-01-03"}
    made.views["prices"]["source"]["missing_partitions"] = "empty"
    made.service["columns"].append({"name": "sold", "kind": "label", "dtype": "int64", "nullable": False})
    made.runtime["output_columns"].append("sold")
    made.aggregations["label_specs"] = [LABEL]
    made.views["sales"] = {
        "name": "sales", "entity": "item", "source": {"path": "sales", "timestamp_field": "sold_at"},
        "fields": fields(item_id="int64", sold_at="timestamp[us]"),
    }  # fmt: skip
    made.data["sales"] = [(10, moment(f"0{day} {hour}:00")) for day in (1, 2, 3) for hour in ("06", "12")]
    return made.write().write_data().write_store()


def state_of_output(root: Path) -> dict[str, tuple[int, int, int, str]]:
    """Time of change, of modification, inode and digest of each published file, by its path."""
    files = {}
    for path in sorted((root / "output" / "ranking").glob("*/dt=*/*")):
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files[str(path.relative_to(root / "output" / "ranking"))] = (
            status.st_ctime_ns, status.st_mtime_ns, status.st_ino, digest,
        )  # fmt: skip
    return files

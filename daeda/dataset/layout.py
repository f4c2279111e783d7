"""Where the days of a service are.

<service dir>/skeleton/dt=YYYY-MM-DD/part-N-0.parquet + _manifest.json
<service dir>/enriched/dt=YYYY-MM-DD/part-N-0.parquet + _manifest.json
<service dir>/_staging/
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from daeda.storage.location import Location

Dataset = Literal["skeleton", "enriched"]
DATASETS: tuple[Dataset, ...] = get_args(Dataset)

MANIFEST_NAME = "_manifest.json"
_PART = re.compile(r"part-(\d+)-0\.parquet")


@dataclass(frozen=True)
class Layout:
    """Places of one service. Days are local or on object storage; work in progress is local.

    `scratch` is for days on object storage: what is in progress lies there instead of beside them.
    """

    service_dir: Location
    scratch: Path | None = None

    @property
    def scratch_dir(self) -> Path:
        """Local directory of everything that is not a day."""
        if isinstance(self.service_dir, Path):
            return self.service_dir
        if self.scratch is None:
            raise ValueError(f"{self.service_dir} needs a local directory for work in progress")
        return self.scratch

    @property
    def staging(self) -> Path:
        """Work in progress; on the same file system as local days, so that a rename publishes."""
        return self.scratch_dir / "_staging"

    def dataset_dir(self, dataset: Dataset) -> Location:
        """The directory of all days of a dataset."""
        return self.service_dir / dataset

    def day_dir(self, dataset: Dataset, day: dt.date) -> Location:
        """The directory of one published day."""
        return self.dataset_dir(dataset) / day_name(day)


def scratch_of(run_dir: Path) -> Path:
    """The scratch directory that the directory of a run lies in."""
    return run_dir.parent.parent


def day_name(day: dt.date) -> str:
    """`dt=2017-01-29`."""
    return f"dt={day.isoformat()}"


def part_name(number: int) -> str:
    """`part-3-0.parquet`."""
    return f"part-{number}-0.parquet"


def is_part(name: str) -> bool:
    """Whether a file is named as a part is."""
    return _PART.fullmatch(name) is not None


def part_number(name: str) -> int:
    """N of `part-N-0.parquet`; raises ValueError for another name."""
    match = _PART.fullmatch(name)
    if not match:
        raise ValueError(f"'{name}' is not the name of a part")
    return int(match[1])


def parts_in_order(names: Iterable[str]) -> list[str]:
    """Part names by number: 10 comes after 9. Names of no part come last."""
    return sorted(names, key=lambda name: (0, part_number(name), name) if is_part(name) else (1, 0, name))

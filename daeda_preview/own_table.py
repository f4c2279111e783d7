"""A table of one's own keys and times: Parquet, Arrow or CSV, by the end of its name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq

from daeda.errors import InputError, first_line
from daeda.operators.relational import Scan

_ARROW = (".arrow", ".feather", ".ipc")


def read_rows(path: Path, spine: Scan) -> pa.Table:
    """The rows of the file; text of a CSV is read in the types that the spine's view declares.

    Raises InputError where the file cannot be read.
    """
    if not path.is_file():
        raise InputError(f"--spine {path} is no file: give a table of keys and times, as .parquet, .arrow or .csv")
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path, partitioning=None)
        if path.suffix in _ARROW:
            return pyarrow.feather.read_table(path)
        if path.suffix == ".csv":
            types = {scanned.name: scanned.dtype.arrow() for scanned in spine.columns if scanned.dtype.item is None}
            # An empty cell is NULL, in text too.
            options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
            return pyarrow.csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"--spine {path} cannot be read as {path.suffix} ({first_line(error)})") from error
    raise InputError(f"--spine {path}: tables are read by the end of their name: .parquet, .arrow or .csv")

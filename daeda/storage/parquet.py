"""Parquet files, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.storage.arrow_files import arrow_file
from daeda.storage.client import StoredObject
from daeda.storage.location import is_object, object_path
from daeda.storage.objects import ObjectFile, client, present
from daeda.storage.state import FileState


@contextmanager
def open_parquet(
    path: str, version: FileState | None = None, int96: str = "ns", footer: pq.FileMetaData | None = None
) -> Iterator[pq.ParquetFile]:
    """A Parquet file, local or an object. Raises OSError or pyarrow.ArrowException when it is none.

    `version` is the state of an object that was listed, which need not be asked for again, and `footer` what was read
    of the file before; times that are stored as INT96 are read in the unit `int96`.
    """
    with ExitStack() as stack:
        source: str | pa.PythonFile = path
        if is_object(path):
            address = object_path(path)
            stored = StoredObject.in_state(address, version) if version else present(address)
            source = stack.enter_context(arrow_file(ObjectFile(client(), stored)))
        yield stack.enter_context(pq.ParquetFile(source, metadata=footer, coerce_int96_timestamp_unit=int96))

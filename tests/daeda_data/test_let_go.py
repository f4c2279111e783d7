"""Whatever Arrow reads through Python is let go of by nobody but Python: see `daeda.storage.arrow_files`."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dataset.layout import Layout
from daeda.storage.arrow_files import arrow_file
from daeda_data import dataset
from daeda_data.readers.arrow import PartsAsFiles
from tests.daeda_data.days import publish_rows

# One of three was let go of by a thread of Arrow.
READS = 100


def test_no_thread_of_arrow_is_the_last_owner_of_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_rows(Layout(tmp_path / "service"), 1)
    threads: list[int] = []
    monkeypatch.setattr(PartsAsFiles, "__del__", lambda _: threads.append(threading.get_ident()), raising=False)
    data = dataset(tmp_path, "service")
    for _ in range(READS):
        data.arrow().to_table()
        data.arrow().head(1)
    assert set(threads) <= {threading.get_ident()}


def test_no_thread_of_arrow_is_the_last_owner_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    pq.write_table(pa.table({f"column{number}": [1] for number in range(20)}), written)
    threads: list[int] = []

    class Content(io.BytesIO):
        """What is kept outlives the test, up to the end of the interpreter, where no module is left to ask."""

    monkeypatch.setattr(Content, "__del__", lambda _: threads.append(threading.get_ident()), raising=False)
    for _ in range(READS):
        with arrow_file(Content(written.getvalue())) as file:
            pq.read_table(file)
    assert threads == []

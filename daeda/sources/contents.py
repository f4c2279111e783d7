"""What a file looks like that should be Parquet and is not: told by its first bytes."""

from __future__ import annotations

import contextlib
import csv

from daeda.storage.client import StoredObject
from daeda.storage.location import is_object, object_path
from daeda.storage.objects import ObjectFile, client
from daeda.storage.regular import open_regular
from daeda.storage.state import FileState

_FIRST = 4096
_MARKS = {
    b"PAR1": "a Parquet file that was cut off or written over",
    b"PARE": "Parquet whose footer is encrypted",
    b"ORC": "ORC",
    b"Obj\x01": "Avro",
    b"ARROW1": "Arrow IPC (Feather)",
    b"FEA1": "Feather, version 1",
    b"SQLite format 3\x00": "a database of SQLite",
    b"\x1f\x8b": "something packed by gzip",
    b"\x28\xb5\x2f\xfd": "something packed by Zstandard",
    b"BZh": "something packed by bzip2",
    b"PK\x03\x04": "a zip archive",
    b"version https://git-lfs": "a pointer of Git LFS, whose file was not fetched",
    b"\x89HDF": "HDF5",
}


def looks_like(path: str, version: FileState | None = None) -> str:
    """A format by the first bytes of a file or an object; empty where nothing tells."""
    if not is_object(path):
        with open_regular(path) as file:
            return format_of(file.read(_FIRST))
    stored = StoredObject.in_state(object_path(path), version) if version else client().look(object_path(path))
    return format_of(ObjectFile(client(), stored).read(_FIRST)) if stored is not None else ""


def format_of(first: bytes) -> str:
    """A format by the first bytes; empty where nothing tells.

    >>> format_of(b"a,b\\n1,2\\n"), format_of(b'{"a": 1}\\n'), format_of(b"Obj\\x01"), format_of(b"")
    ('CSV', 'JSON', 'Avro', '')
    """
    for mark, what in _MARKS.items():
        if first.startswith(mark):
            return what
    text = first.decode("utf-8", "ignore").lstrip("\ufeff").strip()
    if not text or "\0" in text:
        return ""
    if text[0] in "{[":
        return "JSON"
    if text[0] == "<":
        return "HTML or XML"
    with contextlib.suppress(csv.Error):
        csv.Sniffer().sniff(text.rpartition("\n")[0] or text, ",;\t|")
        return "CSV"
    return ""

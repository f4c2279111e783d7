"""The files of a version of a Lance dataset: what tells its content from any other, and which are lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance

from daeda.storage.location import is_object, object_path
from daeda.storage.objects import before_the_first_day, client


def content_digest(dataset: lance.LanceDataset, id_column: str, vector_column: str) -> str:
    """What tells the ids and vectors of a version from any others, without reading them.

    Lance never changes a file, and gives each a name of its own. So the names decide, with the order and the number of
    rows: files of data that hold the two columns, files that say which rows were deleted, and files of values laid over
    others. Where the store lies, its tags, indices and settings, and columns that nobody asks for decide nothing.
    """
    fields = {field.name(): field for field in dataset.lance_schema.fields()}
    chosen = [fields[id_column], fields[vector_column]]
    wanted = {number for field in chosen for number in _numbers(field)}
    described = {
        "id": [fields[id_column].id(), str(dataset.schema.field(id_column).type)],
        "vector": [fields[vector_column].id(), str(dataset.schema.field(vector_column).type)],
        "fragments": [
            {
                "files": sorted(file.path for file in fragment.data_files() if wanted.intersection(file.fields)),
                "rows": fragment.physical_rows,
                "deletions": fragment.deletion_file(),
                "overlays": [str(overlay) for overlay in getattr(fragment.metadata, "overlays", ())],
            }
            for fragment in dataset.get_fragments()
        ],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _numbers(field: Any) -> Iterator[int]:
    yield field.id()
    for child in field.children():
        yield from _numbers(child)


def find_lost_file(dataset: lance.LanceDataset, path: str) -> str | None:
    """The first file of the version that is not there, or of another size than was written, in words; None for none.

    Files of a clone that lie in the store that it was cloned from are not looked at.
    """
    expected: dict[str, int | None] = {}
    for fragment in dataset.get_fragments():
        expected |= {
            f"data/{file.path}": file.file_size_bytes
            for file in fragment.data_files()
            if getattr(file, "base_id", None) is None
        }
        deletion_file = fragment.deletion_file()
        if deletion_file is not None and not dataset.base_paths():
            expected[deletion_file] = None
    sizes = _sizes_of_objects(path) if is_object(path) else None
    for name, size in sorted(expected.items()):
        actual = _size_on_disk(Path(path, name)) if sizes is None else sizes.get(name)
        if actual is None:
            return f"has lost {name}"
        if size is not None and actual != size:
            return f"has {actual:,} bytes of {name}, and {size:,} were written"
    return None


def _size_on_disk(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _sizes_of_objects(path: str) -> dict[str, int]:
    base = object_path(path)
    with before_the_first_day():
        objects = [stored for name in ("data", "_deletions") for stored in client().listing(base / name)]
    return {stored.path.key.removeprefix(base.prefix): stored.size for stored in objects}

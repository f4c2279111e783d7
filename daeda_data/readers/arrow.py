"""Training data as a dataset of pyarrow, which opens each part as the file that was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs

from daeda_data.parts import DayPart

if TYPE_CHECKING:
    from daeda_data.published_data import PublishedData


class PartsAsFiles(pyarrow.fs.FileSystemHandler):  # type: ignore[misc]
    """A file system of pyarrow that holds the parts and nothing else, and writes nothing."""

    def __init__(self, parts: Mapping[str, DayPart]) -> None:
        self._parts = dict(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartsAsFiles) and other._parts == self._parts

    def __hash__(self) -> int:
        return hash(tuple(self._parts))

    def get_type_name(self) -> str:
        """What kind of file system it is."""
        return "daeda"

    def normalize_path(self, path: str) -> str:
        """A path as it is."""
        return path

    def get_file_info(self, paths: list[str]) -> list[Any]:
        """What is known of each path."""
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: Any) -> list[Any]:
        """The parts below a directory."""
        return [self._info(path) for path in self._parts if path.startswith(f"{selector.base_dir}/")]

    def open_input_stream(self, path: str) -> pa.NativeFile:
        """A part, as it was looked at; raises FileNotFoundError for what is none."""
        return self._part(path).open()

    def open_input_file(self, path: str) -> pa.NativeFile:
        """The same, to be read at any position."""
        return self._part(path).open()

    def _part(self, path: str) -> DayPart:
        try:
            return self._parts[path]
        except KeyError:
            raise FileNotFoundError(f"{path} is no part of this dataset") from None

    def _info(self, path: str) -> Any:
        part = self._parts.get(path)
        if part is None:
            return pyarrow.fs.FileInfo(path, pyarrow.fs.FileType.NotFound)
        return pyarrow.fs.FileInfo(path, pyarrow.fs.FileType.File, size=part.state.size)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise OSError("published days are read, and not written")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = delete_file = _refuse
    move = copy_file = open_output_stream = open_append_stream = _refuse


@lru_cache(maxsize=32)
def _files_of(parts: tuple[DayPart, ...]) -> pyarrow.fs.PyFileSystem:
    """The parts as a file system, kept behind its reads: see `daeda.storage.arrow_files`."""
    return pyarrow.fs.PyFileSystem(PartsAsFiles({part.path: part for part in parts}))


def as_arrow(data: PublishedData) -> Any:
    """A FileSystemDataset with a fragment for each part, in order, which knows the day of its rows."""
    parts = data.parts()
    every = ds.scalar(True)
    days = {day: ds.field(data.day_column) == pa.scalar(day, pa.date32()) for day in data.days if data.day_column}
    return ds.FileSystemDataset.from_paths(
        [part.path for part in parts],
        schema=data.schema,
        format=ds.ParquetFileFormat(),
        filesystem=_files_of(tuple(parts)),
        partitions=[days.get(part.day, every) for part in parts],
    )

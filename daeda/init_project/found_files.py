"""The files that `--from` names: each a file, a directory or a pattern, in groups that may be one table."""

from __future__ import annotations

import datetime as dt
import glob
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from daeda.errors import InputError, UsageError, shortened
from daeda.init_project.database import SCHEME, DatabaseTable, database_table, sample_table
from daeda.init_project.tables import MOST_ROWS, Format
from daeda.sources.files import PARTITION, parse_day

_FORMATS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet",
}  # fmt: skip
_COMPRESSED = (".gz", ".zst")
KNOWN = ".csv, .tsv, .jsonl, .ndjson, .json (a document a line) and .parquet, the texts also as .gz"
_MOST_FILES = 100_000


@dataclass(frozen=True)
class FileGroup:
    """Files of one format that one word has named; `partitions` of a directory with `dt=` directories.

    Of a table of a database, the file is a sample of its rows.
    """

    named: str
    directory: Path | None
    format: Format
    files: tuple[Path, ...]
    partitions: tuple[dt.date, ...] = ()
    database: DatabaseTable | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(path.stat().st_size for path in self.files)


def find_groups(words: Sequence[str], here: Path, scratch: Path) -> list[FileGroup]:
    """The files of words like `flights.csv`, `logs/` and `logs/*.jsonl`, or of a directory where there are no words.

    Raises UsageError or InputError for a word that leads to no file that can be read.
    """
    if not words:
        groups = _of_directory(here, str(here))
        if not groups:
            raise UsageError(f"there is no file to begin with in {here}: name some with --from; read are {KNOWN}")
        return groups
    groups = []
    for word in dict.fromkeys(words):
        path = Path(word)
        if word.startswith(SCHEME):
            groups += [_of_database(word, scratch)]
        elif "://" in word:
            raise UsageError(
                f"--from {word} is no file here: copy it, or write a table of Postgres as postgres://SERVICE/schema.table"
            )
        elif path.is_dir():
            found = _of_directory(path, word)
            if not found:
                raise InputError(f"--from {word} holds no file that can be read: read are {KNOWN}")
            groups += found
        elif path.is_file():
            groups += [FileGroup(word, None, _format_of(path, word), (path,))]
        elif any(letter in word for letter in "*?["):
            # Path.glob takes no pattern that begins with a root.
            matches = sorted(
                Path(match)
                for match in glob.glob(word, recursive=True)  # noqa: PTH207
                if Path(match).is_file()
            )
            if not matches:
                raise InputError(f"--from {word} matches no file: is the pattern right, and quoted?")
            groups += _by_format(matches, word, None, strict=True)
        elif path.exists():
            raise InputError(f"--from {word} is neither a file nor a directory: name one of these")
        else:
            raise InputError(f"--from {word} does not exist{_nearby(path)}")
    return groups


def _of_database(word: str, scratch: Path) -> FileGroup:
    table = database_table(word)
    sample = scratch / f"{table.service}.{table.table}.parquet"
    sample_table(table, sample, MOST_ROWS)
    return FileGroup(word, None, "parquet", (sample,), database=table)


def _of_directory(directory: Path, word: str) -> list[FileGroup]:
    days = sorted(entry for entry in directory.iterdir() if entry.is_dir() and entry.name.startswith(PARTITION))
    if days:
        parsed = {entry: parse_day(entry.name.removeprefix(PARTITION)) for entry in days}
        wrong = [str(entry) for entry, day in parsed.items() if day is None]
        if wrong:
            raise InputError(f"{wrong[0]} is no partition of a day: daeda reads directories dt=YYYY-MM-DD")
        files = tuple(file for entry in days for file in sorted(entry.glob("*.parquet")))
        if not files:
            raise InputError(f"--from {word} has dt= directories without a .parquet file in them: only Parquet is read")
        known = tuple(day for day in parsed.values() if day is not None)
        return [FileGroup(word, directory, "parquet", files, known)]
    files_here = sorted(
        entry for entry in directory.iterdir() if entry.is_file() and not entry.name.startswith((".", "_"))
    )
    return _by_format(files_here, word, directory, strict=False)


def _by_format(files: Iterable[Path], word: str, directory: Path | None, *, strict: bool) -> list[FileGroup]:
    found: dict[Format, list[Path]] = {}
    for path in files:
        if strict or _suffix(path) in _FORMATS:
            found.setdefault(_format_of(path, word), []).append(path)
    if sum(map(len, found.values())) > _MOST_FILES:
        raise InputError(f"--from {word} has more than {_MOST_FILES:,} files: name fewer")
    return [FileGroup(word, directory, kind, tuple(paths)) for kind, paths in found.items()]


def _suffix(path: Path) -> str:
    name = path.name.lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return Path(name).suffix


def _format_of(path: Path, word: str) -> Format:
    kind = _FORMATS.get(_suffix(path))
    if kind is None:
        raise InputError(f"--from {word}: {path.name} is of no format that is read: read are {KNOWN}")
    if path.stat().st_size == 0:
        raise InputError(f"--from {word}: {path} is empty: name files with rows")
    return kind


def _nearby(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f", and neither does {parent}: is the path relative to the working directory?"
    there = sorted(entry.name for entry in parent.iterdir() if entry.is_file() and _suffix(entry) in _FORMATS)
    if not there:
        return ": is the path relative to the working directory?"
    return f": in {parent} there are {shortened(there, 6)}"


def stem_of(path: Path) -> str:
    """The name of a file without what says its format.

    >>> stem_of(Path("a/Flights.csv.gz"))
    'Flights'
    """
    name = path.name
    for ending in _COMPRESSED:
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return Path(name).stem


def shared_stem(files: Sequence[Path], directory: Path | None) -> str:
    """The name of a table of several files: how their names begin, else that of their directory.

    >>> shared_stem([Path("log-2024-01.csv"), Path("log-2024-02.csv")], None)
    'log'
    """
    stems = [stem_of(path) for path in files]
    common = stems[0]
    for stem in stems[1:]:
        while not stem.startswith(common):
            common = common[:-1]
    common = re.sub(r"[-_. ]*(part)?[-_. \d]*$", "", common)
    return common or (directory or files[0].parent).resolve().name or "events"

"""Where a view reads Parquet files where they lie: a path or a pattern of these files, and of no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daeda.errors import InputError
from daeda.init_project.tables import Table
from daeda.sources.local import find_local_files
from daeda.sql.files import as_pattern


def place_of(table: Table) -> str | None:
    """An absolute path that leads to the files of a table; None where each leads to others, too.

    Raises InputError where a view cannot read them at all, as those of a table format.
    """
    if table.partitions:
        assert table.directory is not None
        return str(table.directory.absolute())
    files, refused = {str(path.absolute()) for path in table.files}, list[InputError]()
    places = tuple(_places(table))
    for place in places:
        try:
            if set(find_local_files(place, table.name).in_order) == files:
                return place
        except InputError as error:
            refused.append(error)
    if len(refused) == len(places):
        raise refused[0]
    return None


def _places(table: Table) -> Iterator[str]:
    first = table.files[0].absolute()
    if table.directory is not None:
        yield str(table.directory.absolute())
    elif len(table.files) == 1:
        yield str(first)
        yield as_pattern(str(first))
    else:
        yield f"{as_pattern(str(first.parent))}/{as_pattern(_common(table))}*.parquet"
        # What the files were named by is a pattern itself.
        yield str(Path(table.shown).absolute())


def _common(table: Table) -> str:
    """How the names of all files begin."""
    common = table.files[0].name
    for path in table.files[1:]:
        while not path.name.startswith(common):
            common = common[:-1]
    return common

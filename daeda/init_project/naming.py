"""Names of fields and what becomes of each column of a table: its name in the view, its type, a remark."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from daeda.init_project.place import place_of
from daeda.init_project.proposal import Field
from daeda.init_project.tables import Table, valid_name
from daeda.init_project.times import OPEN_END, Time, is_open_end

# A Parquet file without partitions that is larger is imported: every day would read all of it.
IN_PLACE_BYTES = 64 * 2**20


def must_import(table: Table, time: Time | None, zone: str) -> bool:
    """Whether Parquet has to be made of the files before a view can read them."""
    if table.database is not None:
        return False
    if table.format != "parquet" or any(path.suffix.lower() != ".parquet" for path in table.files):
        return True
    if any(column.is_integer and column.stored in ("double", "float") for column in table.columns):
        return True
    if time is not None:
        # A view has no place for rows without a time: they are kept aside.
        without = any(table.column(name).nulls for name in time.columns)
        converted = without or not time.native or (zone != "UTC" and not time.zoned)
        if converted or (not table.partitions and table.size > IN_PLACE_BYTES):
            return True
    return place_of(table) is None


def fields_of(
    table: Table, time: Time | None, keys: Mapping[str, str], taken: Collection[str], *, imported: bool
) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    """The fields of a view, the keys first and then the time, and the columns that are left out.

    `keys` are names in the files to names of fields. A name that is `taken` by a field of another view gets that of the
    table before it.
    """
    found: dict[str, Field] = {}
    left_out = []
    names = list(keys.values()) + ([time.field] if time is not None else [])
    for column in table.columns:
        dtype = column.dtype if imported else column.stored
        if not dtype:
            left_out.append(column.name)
            continue
        if column.name in keys:
            name = keys[column.name]
        elif time is not None and column.name == time.field:
            name = time.field
        else:
            plain = valid_name(column.name)
            name = valid_name(f"{table.name}_{plain}" if plain.lower() in taken else plain, names)
            names.append(name)
        notes = [sentence for of, sentence in table.told if of == column.name]
        notes += [f"it {OPEN_END}"] if is_open_end(column) else []
        found[column.name] = Field(name, column.name, dtype, "; ".join(notes), column=column)
    if time is not None and time.field not in found:
        dtype = "timestamp[us]"
        found[time.field] = Field(time.field, "", dtype, time.why)
    if time is not None and valid_name(time.field) != time.field:
        found[time.field] = replace(found[time.field], name=valid_name(time.field, keys.values()))
    first = [*keys, *([time.field] if time is not None else [])]
    ordered = [found[name] for name in first if name in found]
    ordered += [one for name, one in found.items() if name not in first]
    return tuple(ordered), tuple(left_out)


def name_of(fields: Sequence[Field], source: str) -> str:
    """The name of the field of a column; empty where there is none."""
    return next((one.name for one in fields if source and one.source == source), "")

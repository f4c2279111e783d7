"""What a project declares, by name or by position: views, services and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from daeda.answers.catalog import CatalogColumn, CatalogService, CatalogView
from daeda.errors import did_you_mean
from daeda_python.tables import Tabular

if TYPE_CHECKING:
    import pyarrow as pa

EntryT = TypeVar("EntryT", bound=CatalogView | CatalogService | CatalogColumn)


class Listing(Tabular, Sequence[EntryT], Generic[EntryT]):
    """Entries in their order: `listing[0]`, `listing["price"]`, `for entry in listing`; as a frame, a row for each."""

    def __init__(self, what: str, entries: Sequence[EntryT]) -> None:
        self._what = what
        self._entries = tuple(entries)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the entries."""
        return tuple(entry.name for entry in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[EntryT]:
        return iter(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self.names if isinstance(key, str) else key in self._entries

    @overload
    def __getitem__(self, key: int | str) -> EntryT: ...
    @overload
    def __getitem__(self, key: slice) -> Listing[EntryT]: ...
    def __getitem__(self, key: int | str | slice) -> EntryT | Listing[EntryT]:
        """An entry by its number or its name; raises KeyError with what exists, or where several have the name."""
        if isinstance(key, int):
            return self._entries[key]
        if isinstance(key, slice):
            return Listing(self._what, self._entries[key])
        found = [entry for entry in self._entries if entry.name == key]
        if not found:
            raise KeyError(f"none of the {self._what} is '{key}': {did_you_mean(key, self.names)}")
        if len(found) > 1:
            services = ", ".join(str(getattr(entry, "service", "")) for entry in found)
            raise KeyError(f"{len(found)} of the {self._what} are '{key}', of {services}: choose one by its number")
        return found[0]

    def to_arrow(self) -> pa.Table:
        """A row for each entry, with its fields as columns; what is named in it by name is a list of `name: value`."""
        import pyarrow as pa

        rows = [{name: _plain(value) for name, value in entry.model_dump().items()} for entry in self._entries]
        return pa.Table.from_pylist(rows)

    def _title(self) -> str:
        return f"{len(self):,} {self._what if len(self) != 1 else self._what.removesuffix('s')}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [f"{name}: {item}" for name, item in value.items()]
    return list(value) if isinstance(value, tuple) else value

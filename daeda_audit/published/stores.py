"""Embedding stores as a day read them: which version its manifest names, and whether the store is still that one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daeda.catalog.project import Project
from daeda.dataset.stores import StoreIdentity
from daeda.errors import InputError
from daeda.process.extras import require
from daeda.settings.aggregations import EmbeddingStore
from daeda.storage.access import find_access, without_secrets
from daeda.storage.location import is_object
from daeda_audit.published.days import PublishedDay

if TYPE_CHECKING:
    import lance

_CONTENT, VERSION = "store ", "version of store "


def stores_read(datasets: Sequence[PublishedDay]) -> Mapping[str, StoreIdentity]:
    """By name, the stores from which the enriched day of a day was made; a day without a record of them has none."""
    stores: dict[str, StoreIdentity] = {}
    for published in datasets:
        recorded = published.manifest.fingerprint
        for key, content in recorded.inputs.items():
            name = key.removeprefix(_CONTENT)
            number = recorded.settings.get(VERSION + name, "")
            if key.startswith(_CONTENT) and number.isdecimal():
                stores[name] = StoreIdentity(int(number), content)
    return stores


def open_version(store: EmbeddingStore, path: str, version: int | str) -> lance.LanceDataset:
    """A version of a store, by number or by tag; raises InputError when it cannot be opened."""
    # An audit without vectors does without Lance.
    require("vectors")
    import lance

    try:
        return lance.dataset(path, version=version, storage_options=_access(path))
    except (ValueError, OSError, RuntimeError, OverflowError) as error:
        reason = without_secrets(str(error).splitlines()[0])
        raise InputError(f"embedding store '{store.name}': {path} at version {version}: {reason}") from error


def changed_stores(project: Project, datasets: Sequence[PublishedDay]) -> list[str]:
    """What is said of each store that is not the one that the day read, in words."""
    read = stores_read(datasets)
    changed: list[str] = []
    for store in project.aggregations.embedding_stores:
        if store.name in read:
            changed += _changes(store, project.data_path(store.path), read[store.name])
    return changed


def _changes(store: EmbeddingStore, path: str, read: StoreIdentity) -> Iterator[str]:
    what = f"embedding store '{store.name}'"
    try:
        declared = open_version(store, path, store.version).version
    except InputError:
        yield f"{what}, whose version {store.version} cannot be opened now"
    else:
        if declared != read.version:
            named = isinstance(store.version, str)
            now = f"'{store.version}' is {declared} now" if named else f"version {declared} is declared now"
            yield f"{what}: version {read.version}, and {now}"
    try:
        same = content_of(open_version(store, path, read.version), store) == read.content
    except (InputError, KeyError):
        same = False
    if not same:
        yield f"{what}: its version {read.version} was another one"


def content_of(dataset: lance.LanceDataset, store: EmbeddingStore) -> str:
    """The digest of the names that Lance gave to the files of ids and vectors, as docs/decisions/0026 has it."""
    top = {field.name(): field for field in dataset.lance_schema.fields()}
    columns = [top[store.id_column], top[store.vector_column]]
    numbers = {number for column in columns for number in _numbers_below(column)}
    fragments = []
    for fragment in dataset.get_fragments():
        metadata = fragment.metadata
        names = sorted(file.path for file in metadata.files if numbers & set(file.fields))
        fragments.append(
            {
                "deletions": fragment.deletion_file(),
                "files": names,
                "overlays": [str(overlay) for overlay in metadata.overlays],
                "rows": metadata.physical_rows,
            }
        )
    kinds = [
        [column.id(), str(dataset.schema.field(name).type)]
        for column, name in zip(columns, (store.id_column, store.vector_column), strict=True)
    ]
    text = json.dumps({"fragments": fragments, "id": kinds[0], "vector": kinds[1]}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _numbers_below(field: Any) -> set[int]:
    return {field.id()}.union(*(_numbers_below(child) for child in field.children()))


def _access(path: str) -> dict[str, str] | None:
    """What Lance needs to read from object storage."""
    if not is_object(path):
        return None
    access = find_access()
    options = {
        "aws_access_key_id": access.key_id,
        "aws_secret_access_key": access.secret,
        "aws_session_token": access.token,
        "aws_region": access.region,
        "aws_endpoint": access.endpoint,
        "allow_http": "" if access.secure else "true",
        "aws_virtual_hosted_style_request": "false" if access.endpoint else "",
    }
    return {name: value for name, value in options.items() if value}

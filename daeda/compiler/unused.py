"""What was declared and is used by nothing: told as warnings, since a name that is misspelt stands elsewhere too.

Services of a project share views, and may share aggregations.yaml: what another one may use is no warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daeda.catalog.project import Project
from daeda.errors import shortened
from daeda.operators.dag import Dag
from daeda.operators.temporal import WindowOperator
from daeda.operators.udf import ArrowUdfTransform
from daeda.settings.document import Position

# Name, document and place of what nothing uses.
_Entry = tuple[str, str, Position]
_SECTIONS = {
    "aggregation_specs": "the aggregation",
    "label_specs": "the label",
    "udf_specs": "the udf",
    "enrichment_specs": "the enrichment",
    "embedding_stores": "the embedding store",
}
# More of one kind are told in one line.
_MOST_LINES = 3


def warnings_of(project: Project, dag: Dag) -> tuple[str, ...]:
    """What is told of a project before its days, a sentence each. `dag` is the whole one."""
    return (*project.warnings, *_unused(project, dag))


def _unused(project: Project, dag: Dag) -> Iterator[str]:
    rolling = [operator for operator in dag.operators if isinstance(operator, WindowOperator)]
    results = {aggregate.name for operator in rolling for aggregate in operator.aggregates}
    results |= {operator.result for operator in dag.operators if isinstance(operator, ArrowUdfTransform)}
    results |= {operator.column for operator in dag.enrichments}
    stores = {operator.store.name for operator in dag.enrichments}
    results |= project.others.columns
    stores |= {spec.store for spec in project.aggregations.enrichment_specs if spec.name in project.others.columns}
    unused: dict[str, list[_Entry]] = {section: [] for section in _SECTIONS}
    for section, index, _, names in project.aggregations.results():
        unused[section] += [(name, "aggregations", (section, index, "name")) for name in names if name not in results]
    for index, store in enumerate(project.aggregations.embedding_stores):
        if store.name not in stores:
            unused["embedding_stores"].append((store.name, "aggregations", ("embedding_stores", index, "name")))
    for section, what in _SECTIONS.items():
        yield from _told(project, what, unused[section])
    if project.others.services:
        return
    read = {scan.view for scan in dag.scans}
    views: list[_Entry] = [(name, f"view:{name}", ("name",)) for name in project.views if name not in read]
    yield from _told(project, "the feature view", views)


def unused_fields(project: Project, dag: Dag) -> tuple[str, ...]:
    """What is told of fields that this service does not read; another one may, so that it is no warning."""
    read = {scan.view for scan in dag.scans}
    return tuple(sentence for name in sorted(read & set(project.views)) for sentence in _fields(project, dag, name))


def _fields(project: Project, dag: Dag, name: str) -> Iterator[str]:
    """Fields that no operator reads, of a view that one does; keys and times are there to be declared."""
    view = project.views[name]
    sources = {column.source for scan in dag.scans if scan.view == name for column in scan.columns}
    read = {field.name for field in view.fields if view.source_name(field.name) in sources}
    read |= {*view.keys, view.source.timestamp_field or "", view.source.created_field or ""}
    unused = [(index, field.name) for index, field in enumerate(view.fields) if field.name not in read]
    if unused:
        where = project.where(f"view:{name}", ("fields", unused[0][0], "name"))
        names = shortened([f"'{field}'" for _, field in unused], 6)
        yield f"{where}: nothing uses {names} of the view '{name}': its files are checked for it, and it is not read"


def _told(project: Project, what: str, unused: Sequence[_Entry]) -> Iterator[str]:
    if len(unused) > _MOST_LINES:
        _, document, location = unused[0]
        names = shortened([f"'{name}'" for name, _, _ in unused], 6)
        yield f"{project.where(document, location)}: nothing uses {what} {names}"
        return
    for name, document, location in unused:
        yield f"{project.where(document, location)}: nothing uses {what} '{name}'"

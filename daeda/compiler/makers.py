"""Who makes a column: one maker for each name, and no two names that differ only in the case of their letters."""

from __future__ import annotations

from collections.abc import Iterator

from daeda.catalog.project import Project
from daeda.compiler.lookups import owners_of
from daeda.compiler.resolved import Resolved
from daeda.errors import ConfigurationError
from daeda.settings.document import Position
from daeda.sql.expression import columns_of, parse_expression

Maker = tuple[str, str]


def check_makers(resolved: Resolved) -> None:
    """A derived column makes what nothing else makes, unless its expression reads what the other one makes."""
    project = resolved.project
    declared = dict(declared_results(project))
    for index, column in enumerate(project.service.columns):
        if column.expression is None or column.name not in declared:
            continue
        try:
            read = columns_of(parse_expression(column.expression))
        except ConfigurationError:
            continue  # told where the expression is resolved
        if column.name not in read:
            what, where = declared[column.name]
            resolved.mistakes.add(
                project.where("service", ("columns", index)),
                f"the column '{column.name}' is made by its expression and by the {what} at {where}: rename one",
            )


def check_alike(resolved: Resolved) -> None:
    """No two columns that differ only in case get into one relation: DuckDB does not tell them apart."""
    seen: dict[str, Maker] = {}
    told: set[str] = set()
    for name, where in _columns_used(resolved):
        other, elsewhere = seen.setdefault(name.lower(), (name, where))
        if other != name and name not in told and not resolved.mistakes.tells(where):
            told.add(name)  # once, where the first of those that bear the name is made
            resolved.mistakes.add(
                where,
                f"the column '{name}' differs from '{other}' ({elsewhere}) only in case, and SQL does not tell them "
                "apart: rename one, of a view with field_mapping",
            )


def declared_results(project: Project) -> Iterator[tuple[str, Maker]]:
    """The columns that aggregations.yaml declares, with what makes each and where that stands."""
    for section, index, _, names in project.aggregations.results():
        where = project.where("aggregations", (section, index))
        yield from ((name, (section.removesuffix("s"), where)) for name in names)


def several_makers(resolved: Resolved, name: str) -> str | None:
    """Who makes a column that the contract does not have, where it is more than one; None elsewhere.

    A field of the spine goes before a feature of that name which no reference asks for.
    """
    project, owners, makers = resolved.project, owners_of(resolved, name), []
    if name in {field.name for field in resolved.spine.fields}:
        makers.append(f"the spine view '{resolved.spine.name}' ({_field(project, resolved.spine.name, name)})")
        owners = [view for view in owners if f"{view.name}:{name}" in project.runtime.feature_refs]
    makers += [f"the view '{view.name}' ({_field(project, view.name, name)})" for view in owners]
    result = dict(declared_results(project)).get(name)
    if result is not None and result[0] != "enrichment_spec":
        makers.append(f"the {result[0]} at {result[1]}")
    return " and by ".join(makers) if len(makers) > 1 else None


def _columns_used(resolved: Resolved) -> Iterator[Maker]:
    project = resolved.project
    for name in sorted(resolved.spine_columns - {resolved.weight or ""}):
        yield name, _field(project, resolved.spine.name, name)
    for views in (resolved.features, resolved.latest):
        for view, names in views.items():
            yield from ((name, _field(project, view, name)) for name in names)
    results = dict(declared_results(project))
    for name in (*resolved.aggregations, *resolved.labels, *resolved.udfs):
        yield name, results[name][1]
    for index, column in enumerate(project.service.columns):
        yield column.name, project.where("service", ("columns", index))


def _field(project: Project, view: str, name: str) -> str:
    names = [field.name for field in project.views[view].fields]
    location: Position = ("fields", names.index(name)) if name in names else ()
    return project.where(f"view:{view}", location)

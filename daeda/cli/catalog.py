"""`daeda catalog`: the views, services, columns, stores and tags of a project."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from daeda.answers.catalog import CatalogAnswer, CatalogColumn, CatalogService, CatalogStore, CatalogTag, CatalogView
from daeda.catalog.find import runtime_files
from daeda.catalog.project import Project, open_project
from daeda.catalog.view import FeatureView
from daeda.cli.tags_told import days_told, described_tag, size_told
from daeda.compiler.column_roles import column_kinds
from daeda.compiler.compile import project_dag
from daeda.compiler.lineage import Lineages
from daeda.dataset.layout import layout_of
from daeda.dataset.tags import tags_there
from daeda.errors import DaedaError, UsageError, UserError, did_you_mean, first_line
from daeda.flags.parser import words_of
from daeda.flags.table import CONTENT, HTML
from daeda.operators.dag import Dag
from daeda.planning.column_words import maker_of
from daeda.process.console import HarmlessConsole
from daeda.process.messages import answer, warn
from daeda.process.subprocesses import interruptible, run_subprocess
from daeda.sources.listing import find_files

Compiled = Sequence[tuple[Project, Dag]]
_SECTIONS = ("views", "services", "columns", "stores", "tags")


def catalog(arguments: argparse.Namespace) -> int:
    """Print what there is; returns the exit code."""
    given: Path | None = arguments.runtime_config_path
    wanted = _SECTIONS if arguments.section is None else (arguments.section,)
    runtimes = runtime_files() if given is None else [given]
    document = catalog_answer(arguments, runtimes, wanted, arguments.name)
    if arguments.html is not None:
        return _html(arguments, _projects(arguments, runtimes), document)
    if arguments.json:
        answer(document.text())
    else:
        _print(document)
    return 0


def _html(arguments: argparse.Namespace, projects: Compiled, document: CatalogAnswer) -> int:
    """Write the file in a process of its own; returns the exit code."""
    content = document.model_dump(mode="json")
    lineages = {dag.service: Lineages(dag) for _, dag in projects}
    for column in content["columns"]:
        of = lineages[column["service"]].of(column["name"])
        column["sources"] = [[one.source, one.field, one in of.direct, one.is_store] for one in of.sources]
    for view in content["views"]:
        declared = projects[0][0].views[view["name"]]
        view["stored"] = {field.name: declared.source_name(field.name) for field in declared.fields}
    content["title"] = projects[0][0].root.name
    with tempfile.TemporaryDirectory(prefix="daeda-catalog-") as directory:
        path = Path(directory) / "content.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        words = [*words_of(HTML, arguments.html), *words_of(CONTENT, path)]
        with interruptible() as state:
            return run_subprocess("daeda_report.catalog", words, state, result_on_stdout=True)


def catalog_answer(
    arguments: argparse.Namespace, runtimes: Sequence[Path], sections: Sequence[str], name: str | None = None
) -> CatalogAnswer:
    """These sections of the catalog of the services whose runtime files are given; raises UsageError for no such name.

    Raises ConfigurationError where a file of the project is wrong.
    """
    projects = _projects(arguments, runtimes)
    made: dict[str, Callable[[Compiled], Iterable[object]]] = {
        "views": _views,
        "services": _services,
        "columns": _columns,
        "stores": _stores,
        "tags": _tags,
    }
    return CatalogAnswer.model_validate(
        {section: _named(section, list(made[section](projects)), name) for section in sections}
    )


def _projects(arguments: argparse.Namespace, runtimes: Sequence[Path]) -> Compiled:
    """The project once for each service, as its runtime file sees it."""
    projects = []
    for path in runtimes:
        project = open_project(argparse.Namespace(**{**vars(arguments), "runtime_config_path": path}))
        projects.append((project, project_dag(project)))
    return projects


def _named(section: str, entries: list[object], name: str | None) -> list[object]:
    if name is None:
        return entries
    names = [str(getattr(entry, "name", "")) for entry in entries]
    if name not in names:
        raise UsageError(f"none of the {section} is '{name}': {did_you_mean(name, dict.fromkeys(names))}")
    return [entry for entry, own in zip(entries, names, strict=True) if own == name]


def _views(projects: Compiled) -> Iterable[CatalogView]:
    project = projects[0][0]
    for view in project.views.values():
        users = [dag.service for _, dag in projects if view.name in {scan.view for scan in dag.scans}]
        yield _view(project, view, users)


def _view(project: Project, view: FeatureView, users: Sequence[str]) -> CatalogView:
    files, days, problem = None, [], None
    try:
        listed = find_files(view.source.path if hasattr(view.source, "path") else view.source.reference, view.name,
                            project.data_root)  # fmt: skip
        files, days = len(listed.paths), sorted(listed.partitions)
    except UserError as error:
        problem = first_line(error)
    return CatalogView(
        name=view.name,
        description=view.description,
        keys=view.keys,
        timestamp_field=view.source.timestamp_field,
        source=view.source.reference,
        fields={field.name: field.dtype.name for field in view.fields},
        used_by=tuple(users),
        files=files,
        first_day=days[0] if days else None,
        last_day=days[-1] if days else None,
        problem=problem,
    )


def _services(projects: Compiled) -> Iterable[CatalogService]:
    for project, _ in projects:
        service = project.service
        yield CatalogService(
            name=service.name,
            version=service.version,
            owner=service.owner,
            description=service.description,
            spine=service.spine.view,
            runtime=project.documents["runtime"].shown,
            first_day=project.runtime.feed_start,
            last_day=project.runtime.feed_end,
            columns=len(service.columns),
        )


def _columns(projects: Compiled) -> Iterable[CatalogColumn]:
    for project, dag in projects:
        kinds = column_kinds(project.service, dag)
        for column in project.service.columns:
            yield CatalogColumn(
                name=column.name,
                service=project.service.name,
                kind=kinds[column.name],
                dtype=column.dtype.name,
                made_by=maker_of(project, column),
                description=column.description,
            )


def _stores(projects: Compiled) -> Iterable[CatalogStore]:
    stores = {store.name: store for project, _ in projects for store in project.aggregations.embedding_stores}
    for name, store in stores.items():
        users = [
            f"{dag.service}:{operator.column}"
            for _, dag in projects
            for operator in dag.enrichments
            if operator.store.name == name
        ]
        path = projects[0][0].data_path(store.path)
        yield CatalogStore(name=name, path=path, version=store.version, dimension=store.dimension, columns=tuple(users))


def _tags(projects: Compiled) -> Iterable[CatalogTag]:
    for project, _ in projects:
        try:
            layout = layout_of(project)
            for tag in tags_there(layout):
                described = described_tag(layout, tag).model_dump()
                yield CatalogTag(service=project.service.name, **described)
        except DaedaError as error:
            warn(f"tags of {project.service.name} are not known: {first_line(error)}")


def _print(document: CatalogAnswer) -> None:
    console = HarmlessConsole()
    if document.views is not None:
        _table(console, "views", ("view", "keys", "data", "used by", "source"), [
            (one.name, ", ".join(one.keys), _data(one), ", ".join(one.used_by), one.source) for one in document.views
        ])  # fmt: skip
        for one in document.views:
            if one.problem is not None:
                console.print(one.problem, soft_wrap=True)
    if document.services is not None:
        _table(console, "services", ("service", "spine", "days", "columns", "runtime file"), [
            (one.name, one.spine, f"{one.first_day} to {one.last_day}", str(one.columns), one.runtime)
            for one in document.services
        ])  # fmt: skip
    if document.columns is not None:
        _table(console, "columns", ("column", "service", "kind", "type", "made by"), [
            (one.name, one.service, one.kind, one.dtype, one.made_by) for one in document.columns
        ])  # fmt: skip
    if document.stores is not None:
        _table(console, "stores", ("store", "version", "dimension", "columns", "path"), [
            (one.name, str(one.version), str(one.dimension), ", ".join(one.columns), one.path)
            for one in document.stores
        ])  # fmt: skip
    if document.tags is not None:
        _table(console, "tags", ("tag", "service", "days", "rows", "size"), [
            (one.name, one.service, days_told(one.days), f"{one.rows:,}", size_told(one.size)) for one in document.tags
        ])  # fmt: skip


def _data(view: CatalogView) -> str:
    if view.files is None:
        return "not known"
    count = f"{view.files:,} file{'' if view.files == 1 else 's'}"
    return f"{view.first_day} to {view.last_day}, {count}" if view.first_day else count


def _table(console: HarmlessConsole, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        console.print(f"no {title}")
        return
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)

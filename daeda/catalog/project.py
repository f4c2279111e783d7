"""A project: the directories of YAML files behind one service, read and checked together."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from daeda.catalog.completion import Declared, completed
from daeda.catalog.find import aggregations_beside, find_runtime
from daeda.catalog.others import Others, others_of
from daeda.catalog.service import FeatureService
from daeda.catalog.view import FeatureView
from daeda.errors import ConfigurationError, NotRegular, UsageError, did_you_mean
from daeda.flags.parser import settings_given
from daeda.settings.aggregations import Aggregations
from daeda.settings.document import Document, Mistakes, Position, load_document
from daeda.settings.kinds import Dimensions
from daeda.settings.runtime import RuntimeSettings, load_runtime, position_of_setting
from daeda.settings.validation import parse_model
from daeda.storage.location import Location, below, parse_location
from daeda.storage.objects import limit_request_time
from daeda.storage.regular import check_regular

# Files of one directory: each is read and checked whenever a command begins.
_MOST_FILES = 2_000
_MOST_BYTES = 8 * 1024 * 1024
NamedT = TypeVar("NamedT", FeatureView, FeatureService)


@dataclass(frozen=True)
class ProjectPaths:
    """Where the YAML files are. What is not given lies in its usual place below the project root."""

    runtime: Path = Path("config/training/runtime.yaml")
    aggregations: Path | None = None
    views: Path | None = None
    services: Path | None = None

    @property
    def root(self) -> Path:
        """The directory that holds the `config/` of the runtime file; without one, the directory of the file."""
        absolute = self.runtime.absolute()
        for parent in absolute.parents:
            if parent.name == "config":
                return parent.parent
        return absolute.parent


@dataclass(frozen=True)
class Project:
    """Everything that was declared. `where` gives `file:line` of an entry for messages.

    With `refs_left_out` nobody wrote feature_refs, and they are those that the columns may need. `flags` are the
    settings given on the command line.
    """

    root: Path
    runtime: RuntimeSettings
    aggregations: Aggregations
    dimensions: Dimensions
    service: FeatureService
    views: Mapping[str, FeatureView]
    documents: Mapping[str, Document] = field(repr=False)
    warnings: tuple[str, ...] = ()
    refs_left_out: bool = False
    flags: Mapping[str, Any] = field(default_factory=dict, repr=False)
    others: Others = field(default_factory=Others, repr=False)

    def where(self, document: str, location: Position = ()) -> str:
        """`file:line`; `document` is `runtime`, `aggregations`, `service` or `view:<name>`."""
        return self.documents[document].where(location)

    def where_set(self, setting: str) -> str:
        """Where the value of a setting of runtime.yaml comes from: a flag, a variable, or `file:line`."""
        return position_of_setting(self.documents["runtime"], (setting,), self.flags)

    def data_path(self, path: str) -> str:
        """A path of a view or a store: absolute, or below data_root."""
        return below(self.data_root, path)

    @property
    def data_root(self) -> str:
        """What relative paths of views and stores lie below: a directory, or an address of object storage."""
        return below(str(self.root), self.runtime.data_root)

    @property
    def service_dir(self) -> Location:
        """What holds the days of all versions of the service."""
        return parse_location(below(str(self.root), self.runtime.output_root)) / self.service.name

    @property
    def scratch_dir(self) -> Path:
        """What holds the staging areas: beside the days, or, where those are on object storage, in staging_root."""
        days = self.service_dir
        return days if isinstance(days, Path) else self.root / self.runtime.staging_root / self.service.name


def load_project(paths: ProjectPaths, service: str | None = None, flags: Mapping[str, Any] | None = None) -> Project:
    """Read and validate all files of a project; raises ConfigurationError with a line per mistake.

    `flags` holds the settings given on the command line, nested like runtime.yaml.
    """
    root = paths.root
    mistakes = Mistakes()
    documents: dict[str, Document] = {}
    runtime_document = load_document(paths.runtime, root, mistakes)
    runtime = load_runtime(runtime_document, flags or {}, mistakes) if runtime_document else None
    if runtime_document is not None:
        documents["runtime"] = runtime_document
    dimensions = _load_dimensions(root, documents, mistakes)
    aggregations = _load_aggregations(
        paths.aggregations, aggregations_beside(paths.runtime, root), root, dimensions, documents, mistakes
    )
    declared = _load_named(FeatureView, "view", paths.views or root / "feature_views", root, mistakes)
    services = _load_named(FeatureService, "service", paths.services or root / "feature_services", root, mistakes)
    if service is not None and runtime is not None and service != runtime.service:
        _refuse_other(runtime_document, runtime.service, service, services)
    mistakes.raise_if_any()
    if runtime is None or aggregations is None:
        raise ConfigurationError(f"{paths.runtime}: cannot be read")
    if runtime.service not in services:
        raise ConfigurationError(
            f"{documents['runtime'].where(('service',))}: no feature service '{runtime.service}': "
            f"{did_you_mean(runtime.service, services)}"
        )
    documents |= {f"view:{name}": document for name, (_, document) in declared.items()}
    views = {name: view for name, (view, _) in declared.items()}
    runtime, aggregations, views = _rooted(runtime, aggregations, views, dimensions)
    chosen, document = services[runtime.service]
    documents["service"] = document
    written = Declared(runtime, aggregations, chosen, views)
    whole = completed(written, documents, mistakes)
    mistakes.raise_if_any()
    beside = documents["aggregations"].path
    others = others_of(chosen.name, [service for service, _ in services.values()], beside, root)
    return Project(
        root,
        whole.runtime,
        whole.aggregations,
        dimensions,
        whole.service,
        whole.views,
        documents,
        _warnings(dimensions, documents, others),
        written.refs_left_out,
        flags or {},
        others,
    )


def load_views(directory: Path, root: Path) -> dict[str, FeatureView]:
    """The views of a directory by name, without a project around them; raises ConfigurationError."""
    mistakes = Mistakes()
    declared = _load_named(FeatureView, "view", directory, root, mistakes)
    mistakes.raise_if_any()
    return {name: view for name, (view, _) in declared.items()}


def _refuse_other(document: Document | None, own: str, wanted: str, services: Collection[str]) -> NoReturn:
    """The runtime file belongs to another service than the one that is asked for."""
    shown = document.shown if document is not None else "runtime.yaml"
    if services and wanted not in services:
        raise UsageError(f"no feature service '{wanted}': {did_you_mean(wanted, services)}")
    raise UsageError(
        f"{shown} belongs to the service '{own}' and not to '{wanted}': write "
        f"config/training/{wanted}/runtime.yaml, or give its file with --runtime-config-path"
    )


def _rooted(
    runtime: RuntimeSettings, aggregations: Aggregations, views: Mapping[str, FeatureView], dimensions: Dimensions
) -> tuple[RuntimeSettings, Aggregations, dict[str, FeatureView]]:
    """The same with the roots of base.yaml in place of their names."""
    roots = {name: dimensions.rooted(getattr(runtime, name)) for name in ("data_root", "output_root")}
    stores = tuple(
        store.model_copy(update={"path": dimensions.rooted(store.path)}) for store in aggregations.embedding_stores
    )
    return (
        runtime.model_copy(update=roots),
        aggregations.model_copy(update={"embedding_stores": stores}),
        {name: view.model_copy(update={"source": view.source.rooted(dimensions)}) for name, view in views.items()},
    )


def _load_dimensions(root: Path, documents: dict[str, Document], mistakes: Mistakes) -> Dimensions:
    path = root / "config" / "base.yaml"
    document = load_document(path, root, mistakes) if path.exists() else None
    if document is None:
        return Dimensions({})
    documents["base"] = document
    for name, value in document.data.items():
        if isinstance(value, bool) or not isinstance(value, int | str | list):
            mistakes.add(document.where((name,)), f"{name}: a named value is a whole number, a text or a list")
    return Dimensions(document.data)


def _load_aggregations(
    given: Path | None,
    beside: Path,
    root: Path,
    dimensions: Dimensions,
    documents: dict[str, Document],
    mistakes: Mistakes,
) -> Aggregations | None:
    path = given or beside
    if given is None and not path.exists():
        documents["aggregations"] = Document(path, str(path), {}, {})
        return Aggregations()
    document = load_document(path, root, mistakes)
    if document is None:
        return None
    documents["aggregations"] = document
    aggregations = parse_model(Aggregations, document, mistakes, dimensions)
    if aggregations is not None:
        for section in ("aggregation_specs", "label_specs", "udf_specs", "enrichment_specs", "embedding_stores"):
            _check_unique(section, [entry.name for entry in getattr(aggregations, section)], document, mistakes)
        _check_made_once(aggregations, document, mistakes)
    return aggregations


def _check_unique(section: str, names: list[str], document: Document, mistakes: Mistakes) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            mistakes.add(
                document.where((section, index, "name")), f"{section} has '{name}' twice: each name stands once"
            )


def _check_made_once(aggregations: Aggregations, document: Document, mistakes: Mistakes) -> None:
    """Each column is made once, by one entry of whatever section."""
    seen: dict[str, tuple[str, tuple[str, int]]] = {}
    for section, index, own, names in aggregations.results():
        for name in names:
            maker, other = seen.setdefault(name.lower(), (name, (section, index)))
            same_entry = other == (section, index) and maker == name
            if same_entry or (section == other[0] and own == getattr(aggregations, section)[other[1]].name):
                continue  # that a section has a name twice is told once
            what = f"is made here and in {document.where(other)}"
            if maker != name:
                what = (
                    f"differs from '{maker}' in {document.where(other)} only in case, and SQL does not tell them apart"
                )
            mistakes.add(document.where((section, index)), f"the column '{name}' {what}: rename one")


def _load_named(
    model: type[NamedT], what: str, directory: Path, root: Path, mistakes: Mistakes
) -> dict[str, tuple[NamedT, Document]]:
    """The views or services of a directory by name, each with its document."""
    loaded: dict[str, tuple[NamedT, Document]] = {}
    for document in _documents_in(directory, root, f"feature {what}s", f"--feature-{what}s-dir", mistakes):
        named = parse_model(model, document, mistakes)
        if named is None:
            continue
        if named.name in loaded:
            other = loaded[named.name][1].shown
            mistakes.add(document.where(("name",)), f"the {what} '{named.name}' is declared in {other} too: rename one")
        loaded[named.name] = (named, document)
    return loaded


def _documents_in(directory: Path, root: Path, what: str, flag: str, mistakes: Mistakes) -> list[Document]:
    files = sorted([*directory.glob("*.yaml"), *directory.glob("*.yml")])
    if len(files) > _MOST_FILES:
        mistakes.add(str(directory), f"holds {len(files):,} {what}, and a project at most {_MOST_FILES:,}: split it")
        return []
    size = sum(_size(path) for path in files)
    if size > _MOST_BYTES:
        mistakes.add(str(directory), f"holds {what} of {size:,} bytes, and a project at most {_MOST_BYTES:,}: split it")
        return []
    if not files:
        mistakes.add(str(directory), f"holds no {what} (*.yaml): write one, or say where they are with {flag}")
    loaded = [load_document(path, root, mistakes) for path in files]
    return [document for document in loaded if document is not None]


def _size(path: Path) -> int:
    """Bytes of a file; none where it is not there or no file, which is told when it is read."""
    try:
        return check_regular(path).st_size
    except (OSError, NotRegular):
        return 0


def _warnings(dimensions: Dimensions, documents: Mapping[str, Document], others: Others) -> tuple[str, ...]:
    unused = [name for name in dimensions.entries if name not in dimensions.used and name not in others.words]
    return tuple(f"{documents['base'].where((name,))}: '{name}' is used by no other file" for name in unused)


def open_project(arguments: argparse.Namespace, service: str | None = None) -> Project:
    """Read the project that the flags name, or that the working directory is in; ConfigurationError or UsageError.

    What was found, file and service, is noted in `arguments`: it is handed on as if it had been given.
    """
    if arguments.runtime_config_path is None:
        # Subprocesses get it with the other flags.
        arguments.runtime_config_path = find_runtime(service)
    path: Path = arguments.runtime_config_path
    if not path.exists():
        raise UsageError(
            f"{path} does not exist: run in a project (a directory with config/training/runtime.yaml), or give "
            "its file with --runtime-config-path"
        )
    paths = ProjectPaths(
        path, arguments.aggregation_config_path, arguments.feature_views_dir, arguments.feature_services_dir
    )
    project = load_project(paths, service, settings_given(arguments))
    arguments.service = project.service.name
    limit_request_time(float(project.runtime.timeouts.storage_seconds))
    return project

"""What files leave out, filled in from what they say: sugar ends here, and what follows never sees it.

    output_columns       the columns of the service, in their order
    feature_refs         the features that its columns need, by the names of their views
    dtype                of a rolling or label column, as the registry of kinds tells it
    entity of a spec     with the key that a view names for it

A type that cannot be known stays out, and the compiler tells why: everything wrong with a spec is told there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from daeda.aggregates import item_of_sequence, output_type
from daeda.catalog.service import ContractColumn, FeatureService
from daeda.catalog.view import FeatureView
from daeda.dtypes import DType
from daeda.errors import ConfigurationError
from daeda.settings.aggregations import Aggregations, AggregationSpec, LabelSpec, Output
from daeda.settings.document import Document, Mistakes
from daeda.settings.entities import Entity
from daeda.settings.kinds import repeated
from daeda.settings.runtime import DefaultedColumn, RuntimeSettings

# What an expression may read: names that are no functions, outside of texts.
_TEXT = re.compile(r"'(?:[^']|'')*'")
_NAME = re.compile(r"\b[A-Za-z_]\w*\b(?!\s*\()")
Views = Mapping[str, FeatureView]


@dataclass(frozen=True)
class Declared:
    """What was read of the files of a project, as far as it is one service's."""

    runtime: RuntimeSettings
    aggregations: Aggregations
    service: FeatureService
    views: Views

    @property
    def refs_left_out(self) -> bool:
        """Whether nobody wrote feature_refs."""
        return "feature_refs" not in self.runtime.model_fields_set


def completed(declared: Declared, documents: Mapping[str, Document], mistakes: Mistakes) -> Declared:
    """The same with what was left out; records what is ambiguous."""
    keyed = _with_keys(declared, documents, mistakes)
    typed = replace(keyed, service=_with_types(keyed))
    update: dict[str, object] = {}
    if not typed.runtime.output_columns:
        update["output_columns"] = tuple(DefaultedColumn(name=column.name) for column in typed.service.columns)
    if typed.refs_left_out:
        update["feature_refs"] = tuple(_References(typed, documents, mistakes).found())
    return replace(typed, runtime=typed.runtime.model_copy(update=update))


def _with_keys(declared: Declared, documents: Mapping[str, Document], mistakes: Mistakes) -> Declared:
    """Specs group by the keys that views name; a name of an entity has one key everywhere."""
    keys: dict[str, tuple[str, str]] = {}
    for view in declared.views.values():
        for entity in view.entity:
            if entity.named_key is not None:
                keys.setdefault(entity.name, (entity.key, view.name))
    for view in declared.views.values():
        for entity in view.entity:
            key, other = keys.get(entity.name, (entity.key, view.name))
            if key != entity.key:
                mistakes.add(
                    documents[f"view:{view.name}"].where(("entity",)),
                    f"the key of entity '{entity.name}' is '{entity.key}' here and '{key}' in the view '{other}': an "
                    "entity has one key everywhere, so rename the column of one with field_mapping",
                )

    def keyed(entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
        named = {name: key for name, (key, _) in keys.items()}
        return tuple(Entity(one.name, one.named_key or named.get(one.name)) for one in entities)

    aggregations = declared.aggregations
    specs = tuple(spec.model_copy(update={"entity": keyed(spec.entity)}) for spec in aggregations.aggregation_specs)
    labels = tuple(spec.model_copy(update={"entity": keyed(spec.entity)}) for spec in aggregations.label_specs)
    update = {"aggregation_specs": specs, "label_specs": labels} if keys else {}
    aggregations = aggregations.model_copy(update=update)
    for section, index, spec in aggregations.window_specs():
        if twice := repeated(spec.keys):
            mistakes.add(
                documents["aggregations"].where((section, index, "entity")),
                f"entity takes {', '.join(twice)} as the key of two entities: each has a key of its own",
            )
    return replace(declared, aggregations=aggregations)


def _with_types(declared: Declared) -> FeatureService:
    made = {
        output.name: (spec, output)
        for _, _, spec in declared.aggregations.window_specs()
        for output in spec.outputs
    }  # fmt: skip
    columns = []
    for column in declared.service.columns:
        if column.declared is None and column.name in made:
            column = column.model_copy(update={"declared": _made_type(*made[column.name], declared.views)})
        columns.append(column)
    return declared.service.model_copy(update={"columns": tuple(columns)})


def _made_type(spec: AggregationSpec | LabelSpec, output: Output, views: Views) -> DType | None:
    """The type of a column of a spec; None where something is wrong with it."""
    if spec.history.view not in views:
        return None
    types = {field.name: field.dtype for field in views[spec.history.view].fields}
    for attribute in spec.history.attributes:
        view, _, name = attribute.partition(":")
        if view in views and name in {field.name for field in views[view].fields}:
            types.setdefault(name, views[view].dtype(name))
    if any(name not in types for name in spec.reads):
        return None
    source = None if spec.column is None else types[spec.column]
    if spec.kind == "sequence":
        apart = output.field is not None
        held = [(name, types[name]) for name in spec.reads if not apart or name == output.field]
        age = spec.age if not apart or spec.age == output.field else None
        source = item_of_sequence(held, age, "columns" if apart else None)
    try:
        return output_type(spec.kind, source, output.name)
    except ConfigurationError:
        return None


class _References:
    """The features that the columns of a service need, as `view:feature`."""

    def __init__(self, declared: Declared, documents: Mapping[str, Document], mistakes: Mistakes) -> None:
        self._declared, self._documents, self._mistakes = declared, documents, mistakes
        spine = declared.views.get(declared.service.spine.view)
        self._spine = spine
        self._spine_names = {field.name for field in spine.fields} if spine is not None else set[str]()
        self._made = {name for _, _, _, names in declared.aggregations.results() for name in names}
        self._contract = {column.name: column for column in declared.service.columns}
        self._refs: dict[str, None] = {}

    def found(self) -> list[str]:
        """All of them, with the keys that look-ups need: sorted, so that another order of columns changes nothing."""
        for index, column in enumerate(self._declared.service.columns):
            where = self._documents["service"].where(("columns", index))
            if column.kind in ("static", "point_in_time"):
                self._take_column(column, where)
            for name in _names_in(column.expression):
                if name == column.name or name not in self._contract:
                    self._take_read(name, where)
        for index, spec in enumerate(self._declared.aggregations.udf_specs):
            where = self._documents["aggregations"].where(("udf_specs", index))
            for name in spec.columns:
                if name not in self._contract:
                    self._take_read(name, where)
        for section, index, window in self._declared.aggregations.window_specs():
            where = self._documents["aggregations"].where((section, index))
            if any(output.name in self._contract for output in window.outputs):
                self._take_keys(window.keys, where)
        return sorted(self._refs)

    def _take_column(self, column: ContractColumn, where: str) -> None:
        if column.taken_from is not None:
            view = self._declared.views.get(column.taken_from.partition(":")[0])
            if view is not None:
                self._take_keys(view.keys, where)
            return
        timeless = column.kind == "static" and not column.latest
        owners = [
            view for view in self._owners(column.name) if (view.source.timestamp_field is None) == timeless
        ]  # fmt: skip
        self._take(f"column '{column.name}'", column.name, owners or self._owners(column.name), where)

    def _take_read(self, name: str, where: str) -> None:
        if name not in self._spine_names and name not in self._made:
            self._take(f"'{name}', which is read here,", name, self._owners(name), where)

    def _take_keys(self, keys: tuple[str, ...], where: str) -> None:
        for key in keys:
            if key not in self._spine_names and key not in self._made:
                self._take(f"the key '{key}'", key, self._owners(key), where)

    def _owners(self, name: str) -> list[FeatureView]:
        """The views that have it as a feature: the spine's last, and times where nothing else is named so."""
        views = self._declared.views.values()
        others = [view for view in views if name in view.features and view is not self._spine]
        timed = [view for view in views if name in view.times and view is not self._spine]
        own = [self._spine] if self._spine is not None and name in self._spine.features else []
        return others or timed or own

    def _take(self, what: str, name: str, owners: list[FeatureView], where: str) -> None:
        if len(owners) > 1:
            both = " and ".join(f"'{view.name}'" for view in owners)
            self._mistakes.add(
                where,
                f"{what} is a feature of {both}, and feature_refs of runtime.yaml, which is left out, does not choose: "
                f"write {owners[0].name}:{name} and the other references there, rename one with field_mapping, or "
                "write 'from' where the kind is point_in_time",
            )
        elif owners and f"{owners[0].name}:{name}" not in self._refs:
            self._refs[f"{owners[0].name}:{name}"] = None
            self._take_keys(owners[0].keys, where)


def _names_in(expression: str | None) -> Iterator[str]:
    yield from dict.fromkeys(_NAME.findall(_TEXT.sub("''", expression or "")))

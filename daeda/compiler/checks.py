"""The checks of a service against the columns of its output."""

from __future__ import annotations

from collections.abc import Mapping

from daeda.catalog.project import Project
from daeda.compiler.resolved import Resolved
from daeda.dtypes import DType
from daeda.errors import did_you_mean, in_yaml
from daeda.operators.dag import Dag
from daeda.settings.checks import GRAIN, Check
from daeda.settings.document import Mistakes
from daeda.sql.literal import literal, place_of


def check_checks(resolved: Resolved) -> None:
    """Checks name columns of the service, and ask what the types that it declares can answer."""
    types = {column.name: column.declared for column in resolved.project.service.columns}
    _record(resolved.project, types, resolved.mistakes)


def checks_of(project: Project, dag: Dag) -> tuple[Check, ...]:
    """The checks of the service of a project; ConfigurationError with all that does not fit the output."""
    mistakes = Mistakes()
    _record(project, {column.name: column.dtype for column in dag.output.columns}, mistakes)
    mistakes.raise_if_any()
    columns = dag.output.names
    return tuple(
        check if check.unique is None else check.model_copy(update={"unique": _unique(project, check.unique, columns)})
        for check in project.service.checks
    )


def _record(project: Project, types: Mapping[str, DType | None], mistakes: Mistakes) -> None:
    seen: dict[str, int] = {}
    for index, check in enumerate(project.service.checks):
        where = project.where("service", ("checks", index))
        if check.text in seen:
            first = project.where("service", ("checks", seen[check.text]))
            mistakes.add(where, f"the check '{check.text}' stands in {first} too: remove one")
        seen.setdefault(check.text, index)
        for name in _columns(project, check, types):
            if name not in types:
                why = f", which '{GRAIN}' stands for" if name not in (check.unique or (name,)) else ""
                mistakes.add(
                    where, f"the check names '{name}'{why}, and the service has no such column: {_known(name, types)}"
                )
            elif (dtype := types[name]) is not None and (what := _unfit(check, name, dtype)) is not None:
                mistakes.add(where, what)


def _known(name: str, types: Mapping[str, DType | None]) -> str:
    return did_you_mean(name, types)


def _columns(project: Project, check: Check, types: Mapping[str, DType | None]) -> tuple[str, ...]:
    if check.unique is not None:
        return _unique(project, check.unique, tuple(types))
    return () if check.of_column is None else (check.of_column,)


def _unique(project: Project, names: tuple[str, ...], columns: tuple[str, ...]) -> tuple[str, ...]:
    """The columns, with those of the grain and the time in place of the word for them."""
    if GRAIN not in names or GRAIN in columns:
        return names
    view = project.views.get(project.service.spine.view)
    time = () if view is None or view.source.timestamp_field is None else (view.source.timestamp_field,)
    put = [each for name in names for each in ((*project.service.grain, *time) if name == GRAIN else (name,))]
    return tuple(dict.fromkeys(put))


def _unfit(check: Check, name: str, dtype: DType) -> str | None:
    """Why the check cannot be asked of a column of this type."""
    match check.question:
        case "between" | "in":
            if dtype.parts or dtype.holds_half:
                return f"the check asks '{check.question}' of '{name}', which is {dtype}: it is for single values"
            if check.question == "between" and (dtype.name in ("bool", "string")):
                return f"the check asks 'between' of '{name}', which is {dtype}: it is for numbers, days and times"
            return _wrong_value(check, name, dtype)
        case "unique" if dtype.parts or dtype.holds_half:
            return f"the check asks whether '{name}' is unique, which is {dtype}: it is for single values"
        case _:
            return None


def _wrong_value(check: Check, name: str, dtype: DType) -> str | None:
    for value in check.between or check.among or ():
        try:
            literal(value, dtype)
        except ValueError as error:
            return f"the check of '{name}': {error}"
    if check.between is not None:
        return _wrong_ends(check.between, name, dtype)
    return None


def _wrong_ends(ends: tuple[object, object], name: str, dtype: DType) -> str | None:
    low, high = (place_of(end, dtype) for end in ends)
    if low != low or high != high:
        return f"the check of '{name}': NaN is the end of nothing that values lie between: write a number"
    if high < low:
        told = " and ".join(map(in_yaml, ends))
        return f"the check of '{name}': no value lies between {told}: write the smaller one first"
    return None

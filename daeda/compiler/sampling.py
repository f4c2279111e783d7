"""The sample of the spine: one at most, behind every session, of columns that it can hash, with a weight of its own."""

from __future__ import annotations

from daeda.compiler.labels import marked_fields, names_in, told_of_label
from daeda.compiler.resolved import Resolved
from daeda.dtypes import DType
from daeda.errors import closest, did_you_mean
from daeda.operators.relation import Column, Relation
from daeda.settings.sampling import Sample, check_sampled_by
from daeda.sql.expression import check_predicate

BEFORE_A_SESSION = "a sample stands before the session filter, and would change what a session is: put it behind that"
_DOUBLE = DType.parse("double")


def check_sample(resolved: Resolved) -> None:
    """Record what is wrong with the samples of the spine."""
    project = resolved.project
    places = []
    for index, spine_filter in enumerate(project.service.spine.filters):
        where = project.where("service", ("spine", "filters", index))
        if spine_filter.sample is not None:
            places.append(where)
            _check_one(resolved, spine_filter.sample, where)
        if spine_filter.session is not None and places:
            resolved.mistakes.add(places[0], BEFORE_A_SESSION)
    for where in places[1:]:
        resolved.mistakes.add(where, f"the spine has a sample already, at {places[0]}: keep one")


def _check_one(resolved: Resolved, sample: Sample, where: str) -> None:
    spine = resolved.spine
    relation = Relation(tuple(Column(field.name, field.dtype) for field in spine.fields))
    read = (*sample.by, *(() if sample.where is None else names_in(sample.where)))
    if (told := told_of_label(resolved, read, {*relation.names} - marked_fields(resolved))) is not None:
        resolved.mistakes.add(where, f"the sample {told}")
        return
    for name in sample.by:
        if name in relation.names:
            resolved.mistakes.check(where, check_sampled_by, name, spine.dtype(name))
        else:
            resolved.mistakes.add(
                where,
                f"the sample is by '{name}', which is not a field of the spine view '{spine.name}': "
                f"{did_you_mean(name, relation.names)}",
            )
    if sample.where is not None:
        resolved.mistakes.check(where, check_predicate, sample.where, relation, "where of the sample")
    if sample.weight is not None:
        _check_weight(resolved, sample.weight, where)


def _check_weight(resolved: Resolved, weight: str, where: str) -> None:
    fields = {field.name.lower() for field in resolved.spine.fields}
    contract = {column.name: column for column in resolved.project.service.columns}
    if weight.lower() in fields:
        resolved.mistakes.add(
            where, f"the weight '{weight}' is a field of the spine view '{resolved.spine.name}': give it another name"
        )
    elif weight not in contract:
        meant = closest(weight, contract)
        hint = "" if meant is None else f"did you mean '{meant}'? Or "
        resolved.mistakes.add(
            where,
            f"the weight '{weight}' is no column of the service: {hint}add {{name: {weight}, kind: spine, dtype: "
            "double}",
        )
    elif contract[weight].default is not None or resolved.literals.get(weight) is not None:
        resolved.mistakes.add(
            where, f"the column '{weight}' has a default, and it is the weight of the sample, never NULL: remove it"
        )
    elif (contract[weight].kind, contract[weight].declared) != ("spine", _DOUBLE):
        column = contract[weight]
        resolved.mistakes.add(
            where,
            f"the column '{weight}' is declared {column.kind}, {column.declared}, and it is the weight of the sample: "
            "write kind: spine and dtype: double",
        )

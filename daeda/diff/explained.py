"""What explains a difference: the operators, inputs and settings that changed and on which it depends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from daeda.compiler.restrict import restricted
from daeda.dataset.manifest import Fingerprint, Manifest
from daeda.operators.dag import Dag

# Names of operators and Scans that a column depends on; None where that is not known.
Makers = Callable[[str], frozenset[str] | None]
# How a day is cut and written decides no value.
_OF_FILES = frozenset({"rows_per_part", "format_version"})
_MOST = 6


def makers_of(dag: Dag | None) -> Makers:
    """What each column depends on, by the DAG of the project; of a column that it does not have nothing is known."""
    if dag is None:
        return lambda column: None
    skeleton = dag.skeleton()
    vectors = {operator.column: operator for operator in dag.enrichments}

    @cache
    def names(column: str) -> frozenset[str] | None:
        if column in vectors:
            operator = vectors[column]
            below = names(operator.source) or frozenset()
            return below | {operator.name, f"store {operator.store.name}"}
        if column not in skeleton.output.names:
            return None
        return frozenset(operator.name for operator in restricted(skeleton, [column]).operators)

    return names


def reasons(
    pairs: Iterable[tuple[Manifest, Manifest]], column: str, makers: Makers, alike: bool | None
) -> tuple[str, ...]:
    """What explains that a column differs, in clauses; `alike`: it is made of the same by the identities of both."""
    found = list(pairs)
    if alike:
        software = _software(found)
        return (
            (f"made of the same, and written by other versions: {software}",)
            if software
            else ("made of the same by the manifests: nothing that was recorded explains it",)
        )
    known = makers(column)
    clauses = [
        (name, clause)
        for here, there in found
        for name, clause in _changes(here.fingerprint, there.fingerprint, skip_skeleton=here.dataset == "enriched")
    ]
    own = [clause for name, clause in clauses if known is not None and name in known]
    # A setting has the name of no operator, and what is gone is not in the project any more.
    other = [clause for name, clause in clauses if clause.startswith("setting ") or known is None or name not in known]
    chosen = own + [clause for clause in other if clause.startswith("setting ")] if own else other
    return tuple(dict.fromkeys(chosen))[:_MOST] or ("nothing that was recorded changed",)


def _changes(before: Fingerprint, after: Fingerprint, *, skip_skeleton: bool) -> Iterable[tuple[str, str]]:
    named: tuple[tuple[str, Mapping[str, str], Mapping[str, str]], ...] = (
        ("operator", before.operators, after.operators),
        ("input of", before.inputs, after.inputs),
        ("setting", before.settings, after.settings),
    )
    for what, one, other in named:
        for name in sorted({*one, *other}):
            if one.get(name) == other.get(name) or name in _OF_FILES or (skip_skeleton and name == "skeleton"):
                continue
            if name not in other:
                yield name, f"{what} {name} is only here"
            elif name not in one:
                yield name, f"{what} {name} is only there"
            elif what == "setting" and len(one[name]) + len(other[name]) < 40:
                yield name, f"setting {name}: {one[name]} here, {other[name]} there"
            else:
                yield name, f"{what} {name} differs"


def _software(pairs: Iterable[tuple[Manifest, Manifest]]) -> str:
    told: dict[str, None] = {}
    for here, there in pairs:
        for name in sorted({*here.software, *there.software}):
            one, other = here.software.get(name), there.software.get(name)
            if one != other:
                told[f"{name} {one or 'none'} here, {other or 'none'} there"] = None
    return "; ".join(told)

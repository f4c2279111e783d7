"""What explains a difference: the operators, inputs and settings that changed and on which it depends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daeda.compiler.restrict import restricted
from daeda.dataset.manifest import Fingerprint, Manifest
from daeda.operators.dag import Dag

# How a day is cut and written decides no value.
_OF_FILES = frozenset({"rows_per_part", "format_version"})
_MOST = 6


@dataclass(frozen=True)
class Makers:
    """Names of the operators, Scans and stores that each column depends on; `common` are those of all columns."""

    by_column: Mapping[str, frozenset[str]]
    common: frozenset[str] = frozenset()


UNKNOWN = Makers({})


def makers_of(dag: Dag) -> Makers:
    """What each column depends on, by the DAG of a project."""
    skeleton = dag.skeleton()
    names = {
        column: frozenset(operator.name for operator in restricted(skeleton, [column]).operators)
        for column in skeleton.output.names
    }
    common = frozenset.intersection(*names.values())
    for operator in dag.enrichments:
        below = names.get(operator.source, frozenset())
        names[operator.column] = below | {operator.name, f"store {operator.store.name}"}
    return Makers(names, common)


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
    known = makers.by_column.get(column)
    clauses = [
        (name, clause)
        for here, there in found
        for name, clause in _changes(here.fingerprint, there.fingerprint, skip_skeleton=here.dataset == "enriched")
    ]
    own = [clause for name, clause in clauses if known is not None and name in known]
    # What assembles and writes all columns changes with each of them.
    special = [clause for name, clause in clauses if known is not None and name in known - makers.common]
    # A setting has the name of no operator, and what is gone is not in the project any more.
    settings = [clause for _, clause in clauses if clause.startswith("setting ")]
    chosen = [*(special or own), *settings] if own else [clause for _, clause in clauses]
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

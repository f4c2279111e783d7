"""What the other services of a project may use of what they share: of that nothing is told as unused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from daeda.catalog.find import TRAINING, aggregations_beside
from daeda.catalog.service import FeatureService
from daeda.settings.document import Mistakes, load_document


@dataclass(frozen=True)
class Others:
    """`columns` are of other services that use the same aggregations.yaml, `words` what files of their own say."""

    services: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()


def others_of(own: str, services: Iterable[FeatureService], aggregations: Path, root: Path) -> Others:
    """The services beside `own`, whose windows stand in `aggregations`."""
    others = [service for service in services if service.name != own]
    columns: set[str] = set()
    words: set[str] = set()
    for service in others:
        runtime = root / TRAINING / service.name / "runtime.yaml"
        theirs = aggregations_beside(runtime, root)
        if theirs == aggregations.absolute():
            columns |= {column.name for column in service.columns}
        elif theirs.exists():
            words |= _words(theirs, root)
        if runtime.exists():
            words |= _words(runtime, root)
    return Others(tuple(service.name for service in others), frozenset(columns), frozenset(words))


def _words(path: Path, root: Path) -> set[str]:
    """What is wrong with a file is told when it is read for its own service."""
    document = load_document(path, root, Mistakes())
    return set(re.findall(r"\w+", str(document.data))) if document is not None else set()

"""What a part is asked for, and what comes back of it. These travel between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from daeda.dataset.profile import Usage
from enrich.part.pooling import Element, Normalize


@dataclass(frozen=True)
class VectorColumn:
    """One embedding column: `source` holds an id (`lookup`) or a list of ids (`avg_pool`) of the store `store`.

    Its vectors have elements of type `element`; those of the store are of float16.
    """

    name: str
    kind: Literal["lookup", "avg_pool"]
    source: str
    store: str
    dimension: int
    normalize: Normalize
    element: Element = "halffloat"


@dataclass(frozen=True)
class PartTask:
    """One part to enrich. `output` is the final name in the staging directory; `batch_rows` bounds memory only.

    What is not finished lies in the directory `unfinished`, which may be that of the output where nobody else looks.
    So many `threads` make pages of vectors, while another one writes them. With `profile` the receipt says what
    reading, each column and writing took. Of a part that is extended, columns of vectors that are `kept` have
    the pages of those of the file `published`, and others that are `copied` their chunks, by their names there.
    """

    skeleton: str
    output: str
    number: int
    batch_rows: int
    columns: tuple[VectorColumn, ...]
    profile: bool = False
    threads: int = 1
    unfinished: str = ""
    published: str = ""
    kept: Mapping[str, str] = field(default_factory=dict)
    copied: Mapping[str, str] = field(default_factory=dict)

    @property
    def computed(self) -> tuple[VectorColumn, ...]:
        """The columns whose vectors come from a store."""
        return tuple(column for column in self.columns if column.name not in self.kept)


@dataclass(frozen=True)
class Nulls:
    """The rows of an embedding column that are NULL: how many, and the first of them, counted from 0 in the part."""

    column: str
    count: int = 0
    first: int | None = None


@dataclass(frozen=True)
class Receipt:
    """What was written for part `number`: rows, size of the file in bytes, its sha256 as hexadecimal digits, the NULLs
    of each embedding column that is not kept, and what the steps took where the task asks for that, and how the actor
    had waited for the part.
    """

    number: int
    rows: int
    bytes: int
    sha256: str
    nulls: tuple[Nulls, ...]
    usage: tuple[Usage, ...] = ()
    waited: tuple[Usage, ...] = ()

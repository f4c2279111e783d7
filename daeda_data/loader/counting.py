"""The vocabulary of days: their texts are counted once, and the words are kept in a file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from daeda.errors import InputError, UsageError, cut, did_you_mean
from daeda_data.arguments import names_of, path_of
from daeda_data.loader.choice import text_keys
from daeda_data.loader.memory import Memory
from daeda_data.loader.parts import PartReader, Parts
from daeda_data.loader.settings import is_whole, of_python
from daeda_data.loader.vocabulary import Vocabulary, most_frequent

Groups = Sequence[str | Sequence[str]]


def vocabulary_at(
    path: str | os.PathLike[str], parts: Parts, columns: Groups, at_least: int, at_most: int | None
) -> Vocabulary:
    """The vocabulary in a file; made of the parts and written there if there is none.

    Raises InputError where the file is of other parts or columns: codes that a model has learnt are not given anew.
    """
    path = path_of("path", path)
    at_least, at_most = of_python(at_least), of_python(at_most)
    groups = _checked(columns, parts.schema, at_least, at_most)
    if not Path(path).exists():
        made = count_words(parts, groups, at_least, at_most)
        made.write(path)
        return made
    found = Vocabulary.read(path)
    for what, same in (
        ("days, or of other bytes of these days", found.made_of == parts.digest),
        ("columns", found.groups == groups),
        ("at_least or at_most", (found.at_least, found.at_most) == (at_least, at_most)),
    ):
        if not same:
            raise InputError(
                f"{path} was made of other {what}: use it as it is with `Vocabulary.read`, or have another file made"
            )
    return found


def count_words(
    parts: Parts, groups: tuple[tuple[str, ...], ...], at_least: int = 1, at_most: int | None = None
) -> Vocabulary:
    """The words of columns, the most frequent one first; those of a group are counted together."""
    columns = text_keys(parts.schema)
    names = list(dict.fromkeys(columns[key] for group in groups for key in group))
    counts: dict[tuple[str, ...], Counter[str]] = {group: Counter() for group in groups}
    reader = PartReader(parts, names, names, Memory(1), threads=True)
    try:
        for row_group in parts.row_groups:
            read = reader.read(row_group)
            for group in groups:
                for key in group:
                    texts = _texts(read[columns[key]], key.removeprefix(columns[key])[1:])
                    try:
                        _count(texts, counts[group])
                    except UnicodeDecodeError as error:
                        path = parts.files[row_group.part].path
                        raise InputError(f"{path}: '{key}' has a text that is no UTF-8: build the day again") from error
    finally:
        reader.close()
    kept = {group: most_frequent(counter, at_least, at_most) for group, counter in counts.items()}
    return Vocabulary.of_groups(kept, parts.digest, at_least, at_most)


def _checked(columns: Groups, schema: pa.Schema, at_least: int, at_most: int | None) -> tuple[tuple[str, ...], ...]:
    given: object = columns
    if isinstance(given, str | bytes) or not isinstance(given, Iterable) or not columns:
        raise UsageError("columns is a list of names, of one column of texts at least; a tuple in it shares its words")
    groups = tuple((group,) if isinstance(group, str) else tuple(names_of("columns", group)) for group in columns)
    known = text_keys(schema)
    names = [name for group in groups for name in group]
    mistakes = [f"columns: no texts are named '{name}': {did_you_mean(name, known)}" for name in names
                if name not in known]  # fmt: skip
    mistakes += [f"columns: '{name}' stands there twice" for name in known if names.count(name) > 1]
    if any(not group for group in groups):
        mistakes.append("columns: a group has no name in it")
    if not is_whole(at_least) or at_least < 1:
        mistakes.append(
            f"at_least is {cut(repr(at_least))}, and each word is there once at least: give a number from 1"
        )
    if at_most is not None and not is_whole(at_most):
        mistakes.append(f"at_most is {cut(repr(at_most))}, and no number of words: give a whole number from 1")
    elif at_most is not None and at_most < 1:
        mistakes.append(f"at_most is {at_most}, which leaves no word: give a number from 1, or leave it out")
    if mistakes:
        raise UsageError(*mistakes)
    return groups


def _texts(arrays: Sequence[pa.Array], field: str) -> Iterator[pa.Array]:
    for array in arrays:
        items = array.flatten() if pa.types.is_list(array.type) or pa.types.is_large_list(array.type) else array
        if pa.types.is_struct(items.type):
            items = items.flatten()[items.type.get_field_index(field)]
        yield items


def _count(texts: Iterable[pa.Array], counter: Counter[str]) -> None:
    for counted in map(pc.value_counts, texts):
        for word, count in zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True):
            if word is not None:
                counter[word] += count

"""Texts as codes: which code a word has, made once over the days of a training, and kept in a file.

Code 0 is no text (NULL, or padding of a list), 1 a text that the vocabulary does not have; from 2 on come the words,
the most frequent one first.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.errors import InputError, did_you_mean, first_line, refusal

NO_TEXT, UNKNOWN, FIRST_WORD = 0, 1, 2
_KEY = b"daeda.vocabulary"
_FORMAT = 1


@dataclass(frozen=True)
class Words:
    """The words of one column, or of several that share them, in the order of their codes."""

    words: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many codes there are, the two without a word among them: the rows of an embedding table."""
        return len(self.words) + FIRST_WORD

    def code(self, word: str) -> int:
        """The code of a word."""
        return self._code_of.get(word, UNKNOWN)

    def codes(self, array: pa.Array) -> npt.NDArray[np.int32]:
        """The code of each text of an Arrow array.

        >>> Words(("b", "a")).codes(pa.array(["a", None, "c", "b"]))
        array([3, 0, 1, 2], dtype=int32)
        """
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        # The place behind the last one is that of no text.
        known = map(self._code_of.get, [*encoded.dictionary.to_pylist(), None], repeat(UNKNOWN))
        table = np.fromiter(known, np.int32, len(encoded.dictionary) + 1)
        places = encoded.indices
        if places.null_count:
            # Arrow takes a fifth of a millisecond to find that there is nothing to fill.
            places = places.fill_null(len(table) - 1)
        codes: npt.NDArray[np.int32] = table.take(places.to_numpy(zero_copy_only=False))
        return codes

    @cached_property
    def _code_of(self) -> Mapping[str | None, int]:
        # A dictionary may hold NULL itself.
        return {None: NO_TEXT, **{word: code for code, word in enumerate(self.words, FIRST_WORD)}}


@dataclass(frozen=True)
class Vocabulary:
    """The words of each column of texts; a field of a sequence has the name `column.field`.

    `made_of` is the digest of the parts that were read for it, `groups` are the columns, those together that share
    their words; of these the `at_most` most frequent ones stay that are there `at_least` so often.
    """

    columns: Mapping[str, Words]
    made_of: str
    groups: tuple[tuple[str, ...], ...]
    at_least: int = 1
    at_most: int | None = None

    def __repr__(self) -> str:
        return f"Vocabulary({', '.join(f'{name}: {words.size} codes' for name, words in self.columns.items())})"

    def __getitem__(self, column: str) -> Words:
        if column not in self.columns:
            raise InputError(f"the vocabulary has no column '{column}': {did_you_mean(column, self.columns)}")
        return self.columns[column]

    @cached_property
    def digest(self) -> str:
        """What tells this vocabulary from another: columns, words and their codes."""
        digest = hashlib.sha256()
        for name, words in sorted(self.columns.items()):
            digest.update(json.dumps([name, len(words.words)]).encode())
            for word in words.words:
                # Lengths keep ["ab", "c"] from being ["a", "bc"].
                text = word.encode("utf-8", "surrogatepass")
                digest.update(len(text).to_bytes(8, "big") + text)
        return digest.hexdigest()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Keep it in a Parquet file, which appears whole; raises InputError where it cannot be written."""
        rows = [(group[0], code, word) for group in self.groups
                for code, word in enumerate(self.columns[group[0]].words, FIRST_WORD)]  # fmt: skip
        entries = {
            "format": _FORMAT, "made_of": self.made_of, "columns": [list(group) for group in self.groups],
            "at_least": self.at_least, "at_most": self.at_most,
        }  # fmt: skip
        schema = pa.schema({"column": pa.string(), "code": pa.int32(), "word": pa.string()})
        columns = [list(values) for values in zip(*rows, strict=True)] or [[], [], []]
        arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=schema.with_metadata({_KEY: json.dumps(entries)}))
        target = Path(path)
        fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
        try:
            pq.write_table(table, fresh, compression="zstd")
            fresh.replace(target)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise InputError(f"{target} cannot be written: {refusal(error)}") from error

    @staticmethod
    def of_groups(
        groups: Mapping[tuple[str, ...], Iterable[str]], made_of: str, at_least: int = 1, at_most: int | None = None
    ) -> Vocabulary:
        """The vocabulary of columns that share their words."""
        shared = {group: Words(tuple(words)) for group, words in groups.items()}
        columns = {name: words for group, words in shared.items() for name in group}
        return Vocabulary(columns, made_of, tuple(shared), at_least, at_most)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> Vocabulary:
        """The vocabulary of a file; raises InputError where it is none."""
        try:
            table = pq.read_table(path, partitioning=None)
        except FileNotFoundError as error:
            raise InputError(f"{path} is not there: make it with `dataset.vocabulary(path, columns)`") from error
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} is no vocabulary: {first_line(error)}") from error
        try:
            return _from_table(table, str(path))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is no vocabulary: make it with `dataset.vocabulary(path, columns)`") from error


def _from_table(table: pa.Table, path: str) -> Vocabulary:
    """The vocabulary of a file; raises KeyError, TypeError or ValueError where it is none."""
    entries = json.loads((table.schema.metadata or {})[_KEY])
    if entries["format"] != _FORMAT:
        raise InputError(f"{path} is a vocabulary of format {entries['format']}, and this version reads {_FORMAT}")
    groups = [tuple(str(name) for name in group) for group in entries["columns"]]
    words: dict[str, list[str]] = {group[0]: [] for group in groups}
    rows = zip(*(table.column(name).to_pylist() for name in ("column", "code", "word")), strict=True)
    for name, code, word in rows:
        if code != len(words[name]) + FIRST_WORD:
            raise InputError(f"{path} is damaged: the words of '{name}' are not in the order of their codes")
        words[name].append(word)
    of_group = {group: words[group[0]] for group in groups}
    return Vocabulary.of_groups(of_group, str(entries["made_of"]), entries["at_least"], entries["at_most"])


def most_frequent(counts: Mapping[str, int], at_least: int, at_most: int | None) -> Sequence[str]:
    """The words that stay, the most frequent one first, then by their letters.

    >>> most_frequent({"a": 1, "b": 3, "c": 3}, 2, None)
    ['b', 'c']
    """
    kept = sorted((word for word, count in counts.items() if count >= at_least), key=lambda word: (-counts[word], word))
    return kept[:at_most]

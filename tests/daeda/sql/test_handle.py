"""The text of a relation of the day is that of its tree, whatever stands in it."""

from __future__ import annotations

import random

from sqlglot import exp

from daeda.dtypes import DType
from daeda.operators.relation import Column, Relation
from daeda.sql.expression import type_in_duckdb
from daeda.sql.handle import ColumnTable, Materialised, _columns_in, _parsed, column, named, selected, stored_name
from daeda.sql.statements import assembly

NAMES = ["a", "B c", 'quo"te', "rowid", "select", "é", "__x", "a.b", "it's", "Z,", "(y)"]
TYPES = ["int64", "string", "list<int64>", "decimal(12, 2)", "timestamp[us, UTC]", "list<list<double>>", "date", "bool"]
EXPRESSIONS = [
    "{x}", "COALESCE({x}, 0)", "COALESCE({x}, -1.5)", "COALESCE({x}, 'it, \"s')", "COALESCE({x}, {y})",
    "({x} + {y})",
    "COALESCE(CAST({x} AS BIGINT), 1)", "CAST(NULL AS DOUBLE)", "COALESCE({x}, CAST(1 AS DECIMAL(12, 2)))",
]  # fmt: skip


def made(chance: random.Random) -> Materialised:
    names = chance.sample(NAMES, chance.randrange(1, len(NAMES)))
    tables: list[ColumnTable] = []
    for number, name in enumerate(names):
        if not tables or chance.random() < 0.4:
            tables.append(ColumnTable(f't "{number}"', (), numbered=not tables or chance.random() < 0.5))
        tables[-1] = ColumnTable(tables[-1].name, (*tables[-1].columns, name), tables[-1].numbered)

    def some() -> str:
        return column(stored_name(chance.choice(names))).sql("duckdb")

    relation = Relation(tuple(Column(name, DType.parse(chance.choice(TYPES))) for name in names))
    texts = {name: chance.choice(EXPRESSIONS).format(x=some(), y=some()) for name in names}
    # As they are made: by a tree.
    return Materialised(
        relation, 10, tuple(tables), {name: _parsed(text).sql("duckdb") for name, text in texts.items()}
    )


def test_texts_are_those_of_trees() -> None:
    for number in range(400):
        chance = random.Random(number)
        given = made(chance)
        first, last = chance.choice([(0, None), (0, 5), (3, None), (3, 5)])
        names = given.relation.names
        for text in given.expressions.values():
            assert _columns_in(text) == {node.name for node in _parsed(text).find_all(exp.Column)}
        if not given.needed(names):
            continue
        tree = given.select(names, first, last)
        assert given.select_text(names, first, last) == tree.sql("duckdb")
        typed = (
            named(exp.Cast(this=column(one.name), to=type_in_duckdb(one.dtype)), one.name)
            for one in given.relation.columns
        )
        whole = selected(*typed).from_(tree.subquery("a", copy=False), copy=False).sql("duckdb")
        assert assembly(given.relation, given, first, last) == whole

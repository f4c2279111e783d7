"""Expressions read other columns of the contract as the output shows them: generated contracts against the oracle."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from daeda.compiler.compile import PASSES
from daeda.compiler.output import output_columns
from daeda.compiler.resolved import Resolved
from daeda.dtypes import DType
from daeda.errors import ConfigurationError
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Project, ProjectColumn
from daeda.sql.handle import ColumnTable, Materialised, column
from daeda.sql.projection import check_expressions, project
from daeda.sql.statements import assembly
from tests.budget import CASES
from tests.oracle.derived import Shown, shown
from tests.projects import TinyProject, fields

INT = DType.parse("int64")
# SQL of two columns, and what it means.
EXPRESSIONS: list[tuple[str, Any]] = [
    ("{0} + {1}", lambda left, right: None if None in (left, right) else left + right),
    ("coalesce({0}, {1}, 7)", lambda left, right: next((one for one in (left, right) if one is not None), 7)),
    ("CASE WHEN {0} > {1} THEN {0} ELSE {1} END",
     lambda left, right: left if None not in (left, right) and left > right else right),
    ("CASE WHEN {0} IS NULL THEN {1} END", lambda left, right: right if left is None else None),
    ("nullif({0}, {1})", lambda left, right: None if left is None or left == right else left),
    ("greatest({0}, {1}) - 1",
     lambda left, right: None if left is right is None else max(one for one in (left, right) if one is not None) - 1),
]  # fmt: skip
SOURCES = ("a", "b", "c", "d")


def generated(chance: random.Random) -> tuple[list[dict[str, Any]], dict[str, Shown]]:
    """The columns of a contract, in any order, and what they mean: each derived one reads what stands before it."""
    contract: list[dict[str, Any]] = []
    meaning: dict[str, Shown] = {}
    own = chance.choice([*SOURCES, None])
    readable = [name for name in SOURCES if name != own]
    for name in readable:
        # One that is no column of the contract is read as it is.
        if chance.random() < 0.8:
            default = chance.choice([None, chance.randrange(-9, 10)])
            contract.append({"name": name, "kind": "spine", "dtype": "int64", "default": default})
            meaning[name] = Shown(name, default=default)
    derived = [f"x{number}" for number in range(5)]
    if own is not None:
        derived.insert(chance.randrange(5), own)
    for name in derived:
        reads = (name if name == own else chance.choice(readable), chance.choice(readable))
        text, makes = chance.choice(EXPRESSIONS)
        default = chance.choice([None, None, chance.randrange(-9, 10)])
        expression = text.format(*reads)
        contract.append(
            {"name": name, "kind": "derived", "dtype": "int64", "default": default, "expression": expression}
        )
        meaning[name] = Shown(name, reads, makes, default)
        readable.append(name)
    chance.shuffle(contract)
    return contract, meaning


def test_columns_are_those_of_the_oracle(tmp_path: Path) -> None:
    read = 0
    with duckdb.connect() as connection:
        for number in range(CASES):
            chance = random.Random(number)
            contract, meaning = generated(chance)
            made = TinyProject(tmp_path / str(number))
            made.views["events"]["fields"] += fields(**dict.fromkeys(SOURCES, "int64"))
            made.service["columns"] = [*made.service["columns"][:3], *contract]
            made.runtime |= {"feature_refs": [], "output_columns": [one["name"] for one in made.service["columns"]]}
            made.views, made.aggregations = {"events": made.views["events"]}, {}
            # Without the binding of each expression by DuckDB, which takes most of the time of a compilation.
            resolved = Resolved(made.write().load())
            for check in PASSES:
                check(resolved)
            resolved.mistakes.raise_if_any()
            operator = Project(name="assemble", inputs=("spine",), output="made", columns=output_columns(resolved))
            read += sum(len(one.reads_output) for one in operator.columns)
            given = Relation(tuple(Column(field.name, field.dtype) for field in resolved.spine.fields))
            rows = [{name: chance.choice([None, chance.randrange(-9, 10)]) for name in SOURCES} for _ in range(30)]
            arrays = [pa.array([row.get(one.name) for row in rows], one.dtype.arrow()) for one in given.columns]
            connection.register("made", pa.table(arrays, names=list(given.names)))
            connection.execute("CREATE OR REPLACE TABLE rows AS SELECT * FROM made")
            own = {name: column(name).sql("duckdb") for name in given.names}
            left = Materialised(given, len(rows), (ColumnTable("rows", given.names),), own)
            output = project(operator, operator.derive((given,)), left)
            table = connection.execute(assembly(output.relation, output, 0, None)).to_arrow_table()
            for name in meaning:
                wanted = [shown(meaning, name, row) for row in rows]
                assert table.column(name).to_pylist() == wanted, (number, name, contract)
    assert read > CASES * 2 // 5


def test_only_what_differs_from_the_input_is_named(tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    made.service["columns"] += [
        {"name": "twice", "kind": "derived", "dtype": "double", "expression": "price * 2"},
        {"name": "kind", "kind": "derived", "dtype": "string", "expression": "category"},
    ]
    made.runtime["output_columns"] += ["twice", "kind"]
    operator = next(one for one in made.write().compile().operators if isinstance(one, Project))
    assert operator.column("twice").model_dump(exclude_defaults=True).keys() == {"name", "dtype", "expression"}
    assert "reads_output" not in operator.column("twice").model_dump()
    assert operator.column("kind").reads_output == ("category",)


def test_a_chain_that_grows_beyond_reason_is_refused() -> None:
    columns = [ProjectColumn(name="x0", dtype=INT, source="a", default=0)]
    for number in range(1, 12):
        last = f"x{number - 1}"
        columns.append(
            ProjectColumn(
                name=f"x{number}", dtype=INT, expression=f"{last} + {last} + {last} + 1", reads_output=(last,)
            )
        )
    operator = Project(name="assemble", inputs=("given",), output="made", columns=tuple(columns))
    given = Relation((Column("a", INT),))
    check_expressions(operator, "x7", given)
    refused = (
        r"^the expression of 'x11', with those of x10 in their places, is longer "
        r"than 100,000 characters: let a function make one of them \(udf_specs\)$"
    )
    with pytest.raises(ConfigurationError, match=refused):
        check_expressions(operator, "x11", given)

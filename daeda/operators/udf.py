"""ArrowUdfTransform and RayUdfTransform: the operators that run vectorised functions instead of SQL."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from daeda.errors import ConfigurationError
from daeda.operators.operator import Engine, OperatorModel, Target, is_absent
from daeda.operators.relation import Column, Relation
from daeda.settings.kinds import ImportPath, Name, ReadType, Strict, Version, Whole


class ArrowUdfTransform(OperatorModel):
    """A vectorised function over Arrow columns, named by import path, that makes one column, row by row.

    The function gets one Arrow array for each column, of so many rows at a time, and returns one Arrow array of the
    declared type, with a value for each row.
    """

    targets: ClassVar[frozenset[Target]] = frozenset({Target("beam", "sql_arrow_udf")})

    op_kind: Literal["arrow_udf_transform"] = "arrow_udf_transform"
    engine: Engine = Field(default="sql_arrow_udf", description="Engine that runs it.")
    function: ImportPath = Field(description="Import path of the function.")
    columns: tuple[Name, ...] = Field(min_length=1, description="Columns that it gets, one for each argument.")
    defaults: dict[Name, Any] = Field(
        default={}, exclude_if=is_absent, description="What it gets in place of NULL, by column."
    )
    result: Name = Field(description="Column that it makes.")
    dtype: ReadType = Field(description="Type of that column.")
    version: Whole = Field(default=1, ge=1, description="Raised when the function means something else.")

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The input's columns, then the result."""
        self.expect_inputs(inputs, 1)
        for name in self.defaults:
            if name not in self.columns:
                raise ConfigurationError(
                    f"the default of '{name}' is of no column that it gets: {', '.join(self.columns)}"
                )
        for name in self.columns:
            given = inputs[0].column(name)
            if given.dtype.holds_half:
                raise ConfigurationError(f"'{name}' is {given.dtype}, a vector, which only the enrichment fills")
        if self.dtype.holds_half:
            raise ConfigurationError(
                f"'{self.result}' is declared {self.dtype}, and a function makes no vectors: declare list<float>"
            )
        return inputs[0].with_columns([Column(self.result, self.dtype)])


class StoreRef(Strict):
    """An embedding store at a pinned version."""

    name: Name = Field(description="Name of the store.")
    path: str = Field(description="Lance dataset, relative to data_root.")
    id_column: str = Field(description="Column of the ids.")
    vector_column: str = Field(description="Column of the vectors.")
    dimension: Whole = Field(ge=1, description="Length of the vectors.")
    version: Version = Field(description="Version number or tag.")


class RayUdfTransform(OperatorModel):
    """Fill one embedding column in place: the vector of an id, or the mean vector of a list of ids."""

    targets: ClassVar[frozenset[Target]] = frozenset({Target("ray", "pythonic")})

    op_kind: Literal["ray_udf_transform"] = "ray_udf_transform"
    engine: Engine = Field(default="pythonic", description="Engine that runs it.")
    kind: Literal["lookup", "avg_pool"] = Field(
        description="lookup: the vector of an id; avg_pool: the mean vector of a list of ids."
    )
    column: Name = Field(description="Embedding column that is filled in place.")
    source: Name = Field(description="Column with the id or the list of ids.")
    normalize: Literal["none", "l2"] = Field(default="none", description="l2 scales the result to length 1.")
    store: StoreRef = Field(description="Where the vectors are.")

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The input's columns: the placeholder has been there all along."""
        self.expect_inputs(inputs, 1)
        placeholder, source = inputs[0].column(self.column), inputs[0].column(self.source)
        if not placeholder.dtype.is_vector:
            raise ConfigurationError(
                f"column '{self.column}' is {placeholder.dtype}: an embedding column is list<halffloat> or list<float>"
            )
        ids = source.dtype.item if self.kind == "avg_pool" else source.dtype
        if ids is None or not (ids.is_integer or ids.name == "string"):
            wanted = "a list of integer or text ids" if self.kind == "avg_pool" else "an integer or text id"
            hint = ": give the sequence layout: columns, and pool its list of ids" if source.dtype.holds_struct else ""
            raise ConfigurationError(f"{self.kind} needs {wanted}, and '{self.source}' is {source.dtype}{hint}")
        return inputs[0]

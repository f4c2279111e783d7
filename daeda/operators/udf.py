"""ArrowUdfTransform and RayUdfTransform: the operators that run vectorised functions instead of SQL."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from daeda.errors import ConfigError
from daeda.operators.operator import Engine, OperatorModel, Target
from daeda.operators.relation import Column, Relation
from daeda.settings.kinds import Name, Strict, Type


class ArrowUdfTransform(OperatorModel):
    """A function over Arrow columns, named by import path, that makes one column. Described, not executed yet."""

    op_kind: Literal["arrow_udf_transform"] = "arrow_udf_transform"
    engine: Engine = Field(default="sql_arrow_udf", description="Engine that runs it.")
    function: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="Import path of the function, package.module:function."
    )
    columns: tuple[Name, ...] = Field(min_length=1, description="Columns that it gets.")
    result: Name = Field(description="Column that it makes.")
    dtype: Type = Field(description="Type of that column.")

    def not_built(self) -> str | None:
        """The whole operator is described and not executed yet."""
        return "an arrow_udf_transform is described and not built yet: compute the column before, in the view"

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The input's columns, then the result."""
        self.expect_inputs(inputs, 1)
        for name in self.columns:
            inputs[0].column(name)
        return inputs[0].with_columns([Column(self.result, self.dtype)])


class StoreRef(Strict):
    """An embedding store at a pinned version."""

    name: Name = Field(description="Name of the store.")
    path: str = Field(description="Lance dataset, relative to data_root.")
    id_column: str = Field(description="Column of the ids.")
    vector_column: str = Field(description="Column of the vectors.")
    dimension: int = Field(ge=1, description="Length of the vectors.")
    version: int | str = Field(description="Version number or tag.")


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
        if not placeholder.dtype.is_embedding:
            raise ConfigError(f"column '{self.column}' is {placeholder.dtype}: an embedding column is list<halffloat>")
        ids = source.dtype.item if self.kind == "avg_pool" else source.dtype
        if ids is None or not (ids.is_integer or ids.name == "string"):
            wanted = "a list of integer or text ids" if self.kind == "avg_pool" else "an integer or text id"
            raise ConfigError(f"{self.kind} needs {wanted}, and '{self.source}' is {source.dtype}")
        return inputs[0]

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
    engine: Engine = "sql_arrow_udf"
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    columns: tuple[Name, ...] = Field(min_length=1)
    result: Name
    dtype: Type

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

    name: Name
    path: str
    id_column: str
    vector_column: str
    dimension: int = Field(ge=1)
    version: int | str


class RayUdfTransform(OperatorModel):
    """Fill one embedding column in place: the vector of an id, or the mean vector of a list of ids."""

    targets: ClassVar[frozenset[Target]] = frozenset({Target("ray", "pythonic")})

    op_kind: Literal["ray_udf_transform"] = "ray_udf_transform"
    engine: Engine = "pythonic"
    kind: Literal["lookup", "avg_pool"]
    column: Name
    source: Name
    normalize: Literal["none", "l2"] = "none"
    store: StoreRef

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

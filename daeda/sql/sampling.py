"""SQL of a sample: a row stays if the MD5 of its keys, as text, is below a limit.

    md5('7|' || CAST(user_id AS TEXT)) < '1999999999999999'
The first 16 digits of the digest are its first 8 bytes, and hexadecimal digits of equal number are in the order of the
numbers, as texts: a digest is below the limit where its first 16 digits are.
"""

from __future__ import annotations

from sqlglot import exp

from daeda.settings.sampling import Sample
from daeda.sql.expression import parse_expression, quoted_columns
from daeda.sql.handle import column, named

_DIGITS = 16


def is_kept(sample: Sample) -> exp.Expr:
    """The condition on a row that stays; NULL for a sampled row with a NULL in its keys."""
    chosen = _is_below(sample)
    if sample.where is None:
        return chosen
    return exp.Case(ifs=[exp.If(this=_condition(sample.where), true=chosen)], default=exp.true())


def weight(sample: Sample, name: str) -> exp.Expr:
    """The weight of a row that stays, under its name."""
    value: exp.Expr = _double(sample.weight_of_sampled)
    if sample.where is not None:
        value = exp.Case(ifs=[exp.If(this=_condition(sample.where), true=value)], default=_double(1.0))
    return named(value, name)


def has_no_key(sample: Sample) -> exp.Expr:
    """The condition on a row that is sampled, and dropped because it has a NULL in its keys."""
    without = exp.or_(*(exp.Is(this=column(name), expression=exp.null()) for name in sample.by))
    return without if sample.where is None else exp.and_(exp.Paren(this=_condition(sample.where)), without)


def _is_below(sample: Sample) -> exp.Expr:
    text: exp.Expr = exp.Literal.string(str(sample.seed))
    for name in sample.by:
        key = exp.Cast(this=column(name), to=exp.DataType.build("TEXT", dialect="duckdb"))
        text = exp.DPipe(this=exp.DPipe(this=text, expression=exp.Literal.string("|")), expression=key)
    # All digests are below "g"; that of a row without a key is NULL.
    limit = f"{sample.limit:0{_DIGITS}x}" if sample.share < 1 else "g"
    return exp.LT(this=exp.MD5(this=text), expression=exp.Literal.string(limit))


def _condition(where: str) -> exp.Expr:
    return quoted_columns(parse_expression(where))


def _double(value: float) -> exp.Expr:
    return exp.Cast(this=exp.Literal.string(repr(value)), to=exp.DataType.build("DOUBLE", dialect="duckdb"))

"""From exact sums to doubles, rounded once: to the nearest, ties to even, infinite beyond the greatest."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

# Below this exponent a sum can be subnormal, where a conversion to 53 bits would be a rounding too many.
_LEAST_EXPONENT = -960
_BITS = 128
# Bits of the root that a deviation is made of.
_ROOT_BITS = 128


def to_doubles(parts: Sequence[tuple[pl.Series, int]], counts: pl.Series | None = None) -> pl.Series:
    """The doubles nearest to the sums of `integers * 2^exponent`, each divided by its count where counts are given.

    There is at least one part. A count of 0 stands for an empty window, whatever becomes of it.
    """
    frame = pl.DataFrame({str(place): integers for place, (integers, _) in enumerate(parts)})
    present = frame.select(
        sum_of=pl.sum_horizontal(pl.all() != 0), tiny=pl.any_horizontal(
            [pl.lit(False), *(pl.col(str(place)) != 0 for place, (_, exponent) in enumerate(parts)
                              if exponent < _LEAST_EXPONENT)]
        ),
    )  # fmt: skip
    simple = pl.Series([0.0], dtype=pl.Float64)
    for integers, exponent in parts:
        simple = simple + (
            _scaled(integers.cast(pl.Float64), exponent) if counts is None else _quotients(integers, counts, exponent)
        )
    hard = ((present["sum_of"] > 1) | present["tiny"]).arg_true()
    if hard.is_empty():
        return simple
    exponents = [exponent for _, exponent in parts]
    divisors = [1] * len(hard) if counts is None else counts.gather(hard).to_list()
    exact = [
        nearest(sum(integer << (exponent - min(exponents)) for integer, exponent in zip(row, exponents, strict=True)),
                divisor or 1, min(exponents))
        for row, divisor in zip(frame[hard].iter_rows(), divisors, strict=True)
    ]  # fmt: skip
    return simple.scatter(hard, pl.Series(exact, dtype=pl.Float64))


def nearest(integer: int, divisor: int, exponent: int) -> float:
    """The double nearest to `integer / divisor * 2^exponent`."""
    try:
        # Python's division of integers is rounded once.
        return (integer << exponent) / divisor if exponent >= 0 else integer / (divisor << -exponent)
    except OverflowError:
        return math.inf if integer > 0 else -math.inf


def deviation(count: int, total: int, squares: int, exponent: int, divisor: int) -> float:
    """The sample deviation of `count` numbers `integer * 2^exponent / divisor`, from the sums of integers and squares.

    `count * squares - total^2` is an integer, so that the difference which ruins this formula in floating point loses
    nothing. The root has more than 60 bits before it is rounded.
    """
    numerator, denominator = count * squares - total * total, count * (count - 1) * divisor * divisor
    shift = _ROOT_BITS - numerator.bit_length() + denominator.bit_length()
    shift += shift & 1
    root = math.isqrt((numerator << max(shift, 0)) // (denominator << max(-shift, 0)))
    try:
        return math.ldexp(root, exponent - shift // 2)
    except OverflowError:
        return math.inf


def _quotients(integers: pl.Series, counts: pl.Series, exponent: int) -> pl.Series:
    """`integers / counts * 2^exponent`: the quotient has at least 92 bits, the last one stands for all below it."""
    powers = pl.Series([2**shift for shift in range(_BITS - 1)], dtype=pl.Int128)
    frame = pl.DataFrame({"integer": integers, "count": counts}).select(
        "integer", size=pl.col("integer").abs(), count=pl.max_horizontal("count", 1).cast(pl.Int128)
    )
    shift = (frame["size"].bitwise_leading_zeros().cast(pl.Int64) - 1).clip(0, _BITS - 2)
    wide = frame["size"] * powers.gather(shift)
    quotient = wide // frame["count"]
    inexact = quotient * frame["count"] != wide
    rounded = (quotient | inexact.cast(pl.Int128)).cast(pl.Float64)
    signed = pl.DataFrame({"value": rounded, "integer": integers}).select(
        pl.when(pl.col("integer") < 0).then(-pl.col("value")).otherwise("value")
    )
    half = exponent // 2
    back = pl.Series([math.ldexp(1.0, exponent - half - bit) for bit in range(_BITS - 1)], dtype=pl.Float64)
    return signed.to_series() * math.ldexp(1.0, half) * back.gather(shift)


def _scaled(values: pl.Series, exponent: int) -> pl.Series:
    """`values * 2^exponent`, in two steps, since the power alone could be infinite or zero."""
    half = exponent // 2
    return values * math.ldexp(1.0, half) * math.ldexp(1.0, exponent - half)

"""The sample of a spine: which of its rows stay, decided by a hash of their keys and by nothing else."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, PlainSerializer

from daeda.dtypes import DType
from daeda.errors import ConfigurationError, cut
from daeda.settings.kinds import Name, Names, Strict, Whole
from daeda.settings.scalars import written_decimal

# The hash is the first 8 bytes of an MD5 digest.
_HASHES = 2**64


def _parse_share(value: object) -> Decimal:
    share = written_decimal(value)
    if share is None or not 0 < share <= 1:
        raise ValueError(f"'{cut(value)}' is not a share: write a number above 0 and at most 1, like 0.1")
    if Fraction(share) * _HASHES < 1:
        raise ValueError(f"'{cut(value)}' is a share of no row: the least is 2^-64")
    return share


Share = Annotated[Decimal, BeforeValidator(_parse_share), PlainSerializer(str)]


class Sample(Strict):
    """Keep a share of the rows, chosen by MD5 of `seed|key|key`: the same rows on every machine, in every version.

    Rows for which `where` is not true all stay. A row with a NULL in its keys is not chosen.
    """

    example: ClassVar[str] = "{share: 0.1, by: user_id}"

    share: Share = Field(description="How many rows stay, above 0 and at most 1: the decimal as it is written.")
    by: Names = Field(min_length=1, description="Columns whose values choose: rows that agree in them stay together.")
    seed: Whole = Field(default=0, description="Another whole number chooses other rows.")
    where: str | None = Field(
        default=None, description="Condition on the rows that are sampled, as SQL; the others all stay."
    )
    weight: Name | None = Field(
        default=None, description="Column of kind spine that gets 1/share for a row that was sampled, else 1."
    )

    @property
    def limit(self) -> int:
        """Hashes below it stay: floor(share * 2^64)."""
        return int(Fraction(self.share) * _HASHES)

    @property
    def weight_of_sampled(self) -> float:
        """The double nearest to 1/share."""
        exact = 1 / Fraction(self.share)
        return exact.numerator / exact.denominator


def check_sampled_by(name: str, dtype: DType) -> None:
    """Raise ConfigurationError for a key that has no text of its own that every version writes alike."""
    if not (dtype.is_integer or dtype.name in ("string", "date", "bool")):
        raise ConfigurationError(
            f"the sample is by '{name}', which is {dtype}: it takes integers, string, date and bool"
        )

"""Days that are published: `tag`, `verify`, `prune` and `erase`."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from daeda.answers.answer import Answer, ServiceAnswer
from daeda.dataset.layout import Dataset


class DescribedTag(Answer):
    """A tag: a named set of published days that never changes."""

    name: str = Field(description="Its name.")
    version: int = Field(description="The version of the service that its days are of.")
    made: dt.datetime = Field(description="When it was made, in UTC.")
    days: tuple[dt.date, ...] = Field(description="Its days.")
    datasets: tuple[Dataset, ...] = Field(description="The datasets that it has of each day.")
    rows: int = Field(description="Rows of the final dataset.")
    size: int = Field(description="Bytes of all parts; those of links are shared with the days that are published.")
    location: str = Field(description="Where its datasets are.")


class TagAnswer(ServiceAnswer):
    """`daeda tag --json`: the tag that was made, all tags where none is named, none where one was removed."""

    format: Literal["daeda.tags/1"] = Field(default="daeda.tags/1", description="Form and version.")
    tags: tuple[DescribedTag, ...] = Field(description="The tags.")


class DamagedDay(Answer):
    """A day that is not what was published."""

    dataset: Dataset = Field(description="The dataset.")
    day: dt.date = Field(description="The day, in UTC.")
    directory: str = Field(description="Where it is.")
    problems: tuple[str, ...] = Field(description="How it differs from what was published.")


class VerifyAnswer(ServiceAnswer):
    """`daeda verify --json`: exit code 1 where something is not what was published."""

    format: Literal["daeda.verify/1"] = Field(default="daeda.verify/1", description="Form and version.")
    version: int = Field(description="The version of the service.")
    tag: str | None = Field(description="The tag; null for the days of the version itself.")
    days: int = Field(description="Days that were looked at, those of each dataset.")
    parts: int = Field(description="Parts whose digests were compared.")
    size: int = Field(description="Their bytes.")
    damaged: tuple[DamagedDay, ...] = Field(description="Days that are not what was published.")


class UnneededThing(Answer):
    """Something that nobody needs."""

    kind: Literal["day", "staging", "tag"] = Field(
        description="A published day, what a run left that has ended, or a tag that was not finished."
    )
    version: int = Field(description="The version of the service.")
    dataset: Dataset | None = Field(description="The dataset of a day.")
    day: dt.date | None = Field(description="The day, in UTC.")
    location: str = Field(description="Where it is.")
    size: int = Field(description="Its bytes.")
    why: str = Field(description="Why nobody needs it.")


class PruneAnswer(ServiceAnswer):
    """`daeda prune --json`."""

    format: Literal["daeda.prune/1"] = Field(default="daeda.prune/1", description="Form and version.")
    things: tuple[UnneededThing, ...] = Field(description="What nobody needs.")
    removed: bool = Field(description="Whether it was removed.")
    left: dict[str, str] = Field(description="What is not needed and stays, by where it is, and why.")


class HeldDay(Answer):
    """A day of one version and dataset that holds the value."""

    version: int = Field(description="The version of the service.")
    dataset: Dataset = Field(description="The dataset.")
    tag: str | None = Field(default=None, description="The tag that has the day; null for a day of the version itself.")
    day: dt.date = Field(description="The day, in UTC.")
    directory: str = Field(description="Where it is.")
    rows: int = Field(description="Rows with the value in their key.")
    lists: dict[str, int] = Field(description="How many lists of a column hold it, by column.")
    built_again: bool = Field(
        description="Whether the command builds it again: it is published, of the version of the project, and waits "
        "for no label."
    )


class EraseAnswer(ServiceAnswer):
    """`daeda erase --json`: what was found before anything is changed; the exit code says whether something is left."""

    format: Literal["daeda.erase/1"] = Field(default="daeda.erase/1", description="Form and version.")
    key: str = Field(description="The key and its value, as --key has them.")
    days: tuple[HeldDay, ...] = Field(description="The days that hold the value, of all versions.")
    sources: tuple[str, ...] = Field(
        description="Where the sources of the days to be built again have it: to be deleted there first."
    )

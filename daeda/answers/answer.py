"""What all documents of --json have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

KIND = "Kind in the service, but label for whatever reads a label, and weight for the weight of a sample."


class Answer(BaseModel):
    """A document or a part of one; frozen, and without other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def text(self) -> str:
        """The document as JSON, for stdout."""
        return self.model_dump_json(indent=2)


class ServiceAnswer(Answer):
    """A document about one service; `format` names the form of each."""

    format: str
    service: str = Field(description="The service.")


class DescribedColumn(Answer):
    """What is said of a column wherever it is described."""

    name: str = Field(description="Its name.")
    kind: str = Field(description=KIND)
    dtype: str = Field(description="Type, also where the service leaves it out.")
    description: str = Field(description="What it means.")

"""What is asked of the process that computes features, and what it answers: files of a directory of both."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_REQUEST, _ANSWER, _ROWS, _FEATURES = "request.json", "answer.json", "rows.arrow", "features.arrow"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(_Document):
    """Features of the rows in `rows.arrow`, or, without `names`, the first `rows` of a day of the service.

    `names` are all columns of the frame that the rows are of; the file has those of the spine's view.
    """

    runtime: Path
    service: str | None
    names: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    labels: bool = False
    day: dt.date | None = None
    rows: int | None = None


class Answer(_Document):
    """What is said of the features in `features.arrow`: columns that are not among them, and what else they lack."""

    service: str
    left_out: dict[str, str] = {}
    notes: tuple[str, ...] = ()


class Exchange:
    """The directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def rows(self) -> Path:
        """The rows of the user, as an Arrow file."""
        return self.directory / _ROWS

    @property
    def features(self) -> Path:
        """Their features, as an Arrow file."""
        return self.directory / _FEATURES

    def ask(self, request: Request) -> None:
        """Write the request."""
        (self.directory / _REQUEST).write_text(request.model_dump_json(), encoding="utf-8")

    def asked(self) -> Request:
        """The request."""
        return Request.model_validate_json((self.directory / _REQUEST).read_text(encoding="utf-8"))

    def answer(self, answer: Answer) -> None:
        """Write the answer."""
        (self.directory / _ANSWER).write_text(answer.model_dump_json(), encoding="utf-8")

    def answered(self) -> Answer:
        """The answer."""
        return Answer.model_validate_json((self.directory / _ANSWER).read_text(encoding="utf-8"))

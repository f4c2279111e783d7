"""Checks of a service, and what they found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daeda.answers.answer import Answer


class DeclaredCheck(Answer):
    """A check of the service."""

    check: str = Field(description="The check in words.")
    severity: Literal["warn", "fail"] = Field(description="Whether it only warns.")


class JudgedCheck(DeclaredCheck):
    """What a check found on a day."""

    outcome: Literal["passed", "failed", "not judged"] = Field(description="What came out.")
    found: str = Field(description="What was found where it failed, or why it was not judged.")
    count: int | None = Field(description="How many rows broke it; null where no single rows do.")
    row: str | None = Field(description="The first of these rows.")

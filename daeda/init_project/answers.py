"""Questions and who answers them: a file, a person at a terminal, or the proposal itself."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import Field

from daeda.errors import ConfigurationError, UsageError, cut, did_you_mean
from daeda.settings.document import Document, Mistakes, Position, load_document
from daeda.settings.kinds import Strict
from daeda.settings.validation import parse_model

AT_ITS_TIME = "at its time"
NOTHING = "nothing"
_WIDTH = 80


class AnswersFile(Strict):
    """What `--answers FILE` may say; what it leaves out is as proposed."""

    event: str | None = Field(default=None, description="Table whose rows are the events.")
    times: dict[str, str] = Field(
        default={},
        description="Column that says when a row happened, by table; columns that together say it, joined by +.",
    )
    known: dict[str, str] = Field(
        default={}, description="When a row is known, by table: at its time, a column, or a duration after it like 1h."
    )
    timezone: str | None = Field(default=None, description="Zone of times that name none, like Europe/Berlin.")
    entity: str | None = Field(default=None, description="Column that says whose events they are.")
    predict: str | None = Field(
        default=None, description="What is predicted: again, a column of the event, or nothing."
    )


@dataclass(frozen=True)
class Choice:
    """A possible answer, and what is told of it."""

    value: str
    told: str


@dataclass(frozen=True)
class Question:
    """A question; the first choice is what is proposed. `key` is its place in a file of answers.

    `other` takes an answer that is no choice and returns it as it is understood; it raises ValueError with what is
    wrong with it.
    A `quiet` one is answered by files alone: nobody is asked.
    """

    key: Position
    text: str
    choices: tuple[Choice, ...]
    other: Callable[[str], str] | None = None
    quiet: bool = False

    def understood(self, answer: str) -> str:
        """The value of an answer; raises ValueError with what may be answered."""
        folded = answer.strip().lower()
        for choice in self.choices:
            if choice.value.lower() == folded:
                return choice.value
        if self.other is not None:
            return self.other(answer.strip())
        raise ValueError(f"'{cut(answer)}' is none of the answers: {did_you_mean(answer, self.values)}")

    @property
    def values(self) -> list[str]:
        """The values of the choices."""
        return [choice.value for choice in self.choices]


class Answering(Protocol):
    """Who answers."""

    def answer(self, question: Question) -> str:
        """The value that is chosen."""

    def refuse_unused(self) -> None:
        """Raise ConfigurationError for answers that nobody asked for."""


class Proposed:
    """Takes what is proposed."""

    def answer(self, question: Question) -> str:
        """The first choice."""
        return question.choices[0].value

    def refuse_unused(self) -> None:
        """Nothing was answered."""


class Flagged:
    """Takes what a flag says to be predicted, and all other answers from another one."""

    def __init__(self, predict: str, rest: Answering) -> None:
        self._predict, self._rest = predict, rest

    def answer(self, question: Question) -> str:
        """Raises UsageError for an answer that is none."""
        if question.key != ("predict",):
            return self._rest.answer(question)
        try:
            return question.understood(self._predict)
        except ValueError as error:
            raise UsageError(f"--predict: {error}") from error

    def refuse_unused(self) -> None:
        """As the other one does."""
        self._rest.refuse_unused()


class FromFile:
    """Takes the answers of a file, and for what it leaves out those of another one."""

    def __init__(self, document: Document, answers: AnswersFile, rest: Answering) -> None:
        self._document, self._answers, self._rest = document, answers, rest
        self._asked: set[Position] = set()

    def answer(self, question: Question) -> str:
        """Raises ConfigurationError for an answer that is none, with its line."""
        self._asked.add(question.key)
        given = getattr(self._answers, str(question.key[0]))
        if len(question.key) > 1:
            given = given.get(question.key[1])
        if given is None:
            return self._rest.answer(question)
        try:
            return question.understood(given)
        except ValueError as error:
            shown = ".".join(map(str, question.key))
            raise ConfigurationError(f"{self._document.where(question.key)}: {shown}: {error}") from error

    def refuse_unused(self) -> None:
        """Raise ConfigurationError for answers to what was not asked, such as a table that does not exist."""
        mistakes = Mistakes()
        for name in ("times", "known"):
            for table in getattr(self._answers, name):
                if (name, table) not in self._asked:
                    asked = [str(key[1]) for key in self._asked if key[0] == name and len(key) > 1]
                    mistakes.add(
                        self._document.where((name, table)),
                        f"{name}.{cut(table)} answers no question: {did_you_mean(table, asked)}",
                    )
        mistakes.raise_if_any()


def answers_of(path: Path | None, rest: Answering) -> Answering:
    """The answers of a file, if there is one; raises ConfigurationError with each mistake in it."""
    if path is None:
        return rest
    mistakes = Mistakes()
    document = load_document(path, Path.cwd(), mistakes)
    answers = parse_model(AnswersFile, document, mistakes) if document is not None else None
    mistakes.raise_if_any()
    assert document is not None
    assert answers is not None
    return FromFile(document, answers, rest)


class Terminal:
    """Asks a person: prints to stderr, and reads a number, a value, or nothing for what is proposed."""

    def __init__(self, say: Callable[[str], None], read: Callable[[str], str]) -> None:
        self._say, self._read = say, read

    def refuse_unused(self) -> None:
        """Who is asked answers nothing else."""

    def answer(self, question: Question) -> str:
        """Ask until the answer is one; raises what `read` raises where nobody types any more."""
        if question.quiet or (len(question.choices) == 1 and question.other is None):
            return question.choices[0].value
        self._say("")
        self._say(question.text)
        for line in _listed(question.choices):
            self._say(line)
        while True:
            typed = self._read("[1] ").strip()
            if not typed:
                return question.choices[0].value
            if typed.isdecimal() and 1 <= int(typed) <= len(question.choices):
                return question.choices[int(typed) - 1].value
            try:
                return question.understood(typed)
            except ValueError as error:
                for line in textwrap.wrap(str(error), _WIDTH - 2, break_on_hyphens=False):
                    self._say(f"  {line}")


def _listed(choices: Sequence[Choice]) -> list[str]:
    width = min(28, max(len(choice.value) for choice in choices))
    lines = []
    for number, choice in enumerate(choices, 1):
        lines += textwrap.wrap(
            choice.told, _WIDTH, initial_indent=f"  {number}  {choice.value:<{width}}  ",
            subsequent_indent=" " * (width + 7), break_on_hyphens=False,
        )  # fmt: skip
    return lines

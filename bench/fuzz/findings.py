"""What examples came to, and how a command ended."""

from __future__ import annotations

import contextlib
import io
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from daeda.cli.main import main as daeda


@dataclass
class Findings:
    """What the examples of one strategy came to. `wrong` is what must not be."""

    examples: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def add(self, outcome: str, actions: Sequence[str], seconds: float) -> None:
        """Count one example."""
        self.examples += 1
        self.outcomes[outcome] += 1
        self.actions.update(actions)
        self.slowest = max(self.slowest, seconds)

    def report(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "examples": self.examples,
            "outcomes": dict(sorted(self.outcomes.items())),
            "changes": dict(sorted(self.actions.items())),
            "slowest_seconds": round(self.slowest, 2),
            "findings": self.wrong,
        }


@dataclass(frozen=True)
class Ended:
    """A command that has ended, in this process."""

    code: int
    out: str
    err: str
    seconds: float


def run_command(words: Sequence[str]) -> Ended:
    """Run `daeda` in this process. Raises AssertionError unless it ended with 0, or with 2 and sentences alone."""
    out, err = io.StringIO(), io.StringIO()
    started = time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = daeda(words)
    ended = Ended(code, out.getvalue(), err.getvalue(), time.perf_counter() - started)
    lines = [line for line in ended.err.splitlines() if line]
    assert code in (0, 2), f"exit code {code}: {ended.err[:500]}"
    assert "Traceback" not in ended.err, ended.err[:500]
    if code == 2:
        assert any(line.startswith("error: ") for line in lines), "exit code 2 without a sentence"
        assert ended.out == "", "a refused command wrote to stdout"
        assert all(line.startswith(("error: ", "warning: ", "from ")) for line in lines), ended.err[:500]
        longest = max(lines, key=len)
        assert len(longest) < 5_000, f"a message of {len(longest)} characters: {longest[:300]}"
    return ended


def explore(strategy: st.SearchStrategy[Any], examples: int, number: int, check: Callable[[Any], None]) -> None:
    """So many examples; raises what the first finding raises, shrunk. `number` decides which examples."""

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(strategy)
    def example(value: Any) -> None:
        check(value)

    example()

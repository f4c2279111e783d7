"""How a command ends that is asked to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from daeda.process.messages import run_command


def test_a_library_that_makes_errors_of_others_does_not_hide_that_a_run_was_stopped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As sqlglot's tokenizer does, which was met by a SIGTERM."""

    def command(arguments: Sequence[str]) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):
                pass
        except Exception as error:
            raise ValueError("something else") from error
        return 0

    assert run_command(command, []) == 130
    assert capsys.readouterr().err == "error: interrupted by SIGTERM\n"

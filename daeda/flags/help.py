"""How `--help` looks: a screen with what most people need, and everything behind `--help-all`."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any

from daeda.installed import VERSION
from daeda.process.messages import answer

_WIDEST, _NARROWEST = 100, 40


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Fits the terminal; a default is said where there is one that the text does not tell itself."""

    def __init__(self, prog: str) -> None:
        width = min(max(shutil.get_terminal_size().columns - 2, _NARROWEST), _WIDEST)
        super().__init__(prog, max_help_position=26, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Sentences fill the width; indented lines, which are examples, stay as they are."""
        filled: list[str] = []
        sentences: list[str] = []
        for line in [*text.splitlines(), ""]:
            if line and not line.startswith(" "):
                sentences.append(line)
                continue
            filled += textwrap.wrap(" ".join(sentences), width)
            filled.append(line)
            sentences.clear()
        return "\n".join(indent + line for line in filled[:-1])

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        said = text is None or text is argparse.SUPPRESS or "(default" in text or text.startswith("default:")
        plain = action.default is None or action.default is False or action.default is argparse.SUPPRESS
        if said or plain or not action.option_strings:
            return text
        return f"{text} (default: %(default)s)"


class HelpAll(argparse._HelpAction):
    """`--help-all`: the help with every flag."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print it, and end."""
        answer(argparse.ArgumentParser.format_help(parser).removesuffix("\n"))
        parser.exit()


class Version(argparse.Action):
    """`--version`."""

    def __init__(self, option_strings: list[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print it, and end."""
        answer(f"daeda {VERSION}")
        parser.exit()


def short_help(parser: argparse.ArgumentParser, prominent: Iterable[str]) -> str:
    """The help with these flags alone, in this order, and the way to the others."""
    formatter = HelpFormatter(parser.prog)
    flags = parser._option_string_actions
    chosen = [flags[name] for name in prominent]
    positional = [action for action in parser._actions if not action.option_strings]
    formatter.add_usage(parser.usage, [], [])
    formatter.add_text(parser.description)
    formatter.start_section("arguments")
    formatter.add_arguments(positional)
    formatter.end_section()
    formatter.start_section("most used flags")
    formatter.add_arguments(chosen)
    formatter.end_section()
    formatter.add_text(parser.epilog)
    left = len({id(action) for action in flags.values() if not isinstance(action, argparse._HelpAction)} - {
        id(action) for action in chosen
    })  # fmt: skip
    formatter.add_text(f"--help-all shows {left} flags more.")
    return formatter.format_help()

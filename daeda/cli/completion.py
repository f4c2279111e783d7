"""`daeda completion`: the script by which a shell completes commands, flags, choices, files and services.

shtab makes it from the parsers, so that it knows what they know. Services are the names of the YAML files below
feature_services, looked for from the working directory upwards by the script itself: no command is started for a TAB.
"""

from __future__ import annotations

import argparse
from typing import Literal

import shtab

from daeda.flags.parser import StrictParser

Shell = Literal["bash", "zsh", "fish"]

_LISTED = """\
_daeda_services() {
  local folder=$PWD file
  while [ -n "$folder" ]; do
    if [ -d "$folder/feature_services" ]; then
      for file in "$folder"/feature_services/*; do
        case "$file" in (*.yaml|*.yml) file=${file##*/}; echo "${file%.*}" ;; esac
      done
      return
    fi
    folder=${folder%/*}
  done
}
"""
_SERVICES: dict[str, str | dict[str, str]] = {
    "bash": "_daeda_service_words",
    "zsh": "_daeda_service_words",
    "fish": "(_daeda_services)",
    "preamble": {
        "bash": _LISTED + '_daeda_service_words() { compgen -W "$(_daeda_services)" -- "$1"; }\n',
        "zsh": _LISTED + '_daeda_service_words() { compadd -- ${(f)"$(_daeda_services)"}; }\n',
        "fish": """\
function _daeda_services
    set -l folder $PWD
    while test -n "$folder"
        if test -d "$folder/feature_services"
            for file in $folder/feature_services/*
                string match -qr '\\.ya?ml$' -- $file; and string replace -r '\\.ya?ml$' '' (basename $file)
            end
            return
        end
        set folder (string replace -r '/[^/]*$' '' $folder)
    end
end
""",
    },
}
_VALUES = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}


def script(parser: StrictParser, shell: Shell, short: tuple[str, ...]) -> str:
    """The script of a shell; `short` are commands of the first group that need not name it.

    The parser is made to be completed, and parses nothing any more.
    """
    groups = _subcommands(parser)
    behind = _subcommands(groups.choices["pipeline"])
    for name in short:
        groups.choices[name] = behind.choices[name]
    groups._choices_actions += [choice for choice in behind._choices_actions if choice.dest in short]
    _mark(parser)
    return shtab.complete(parser, shell)


def _subcommands(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    return next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def _mark(parser: argparse.ArgumentParser) -> None:
    """Let every argument that is a service, a file or a directory say so."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                _mark(child)
            continue
        # The defaults that a help text ends with are for those who read all of it.
        if action.help and action.help != argparse.SUPPRESS:
            action.help = action.help.partition(";")[0].partition(" (default")[0]
        values = _VALUES.get(action.metavar) if isinstance(action.metavar, str) else None
        if not action.option_strings and action.dest == "service":
            values = _SERVICES
        if values:
            action.complete = values  # type: ignore[attr-defined]

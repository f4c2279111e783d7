"""`daeda completion`: the script by which a shell completes commands, flags, choices, files and services.

Made from the parsers, so that it knows what they know. Services are the names of the YAML files below feature_services,
looked for from the working directory upwards by the script itself: no command is started for a TAB.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from daeda.flags.parser import StrictParser

Shell = Literal["bash", "zsh", "fish"]


@dataclass(frozen=True)
class Completed:
    """What stands behind one command: its subcommands, flags, the words of flags that have a choice, and files."""

    path: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    flags: tuple[tuple[str, str], ...]
    choices: tuple[tuple[str, tuple[str, ...]], ...]
    files: tuple[str, ...]
    service: bool


def script(parser: StrictParser, shell: Shell, short: tuple[str, ...]) -> str:
    """The script of a shell; `short` are commands of the first group that need not name it."""
    known = list(_commands(parser, ()))
    known += [
        Completed(one.path[1:], one.commands, one.flags, one.choices, one.files, one.service)
        for one in known
        if one.path[:1] == ("pipeline",) and one.path[1:] and one.path[1] in short
    ]
    top = known[0]
    behind = {one.path: one for one in known}[("pipeline",)]
    more = tuple(entry for entry in behind.commands if entry[0] in short)
    known[0] = Completed(top.path, (*top.commands, *more), top.flags, top.choices, top.files, top.service)
    return _fish(known) if shell == "fish" else _bash(known, zsh=shell == "zsh")


def _commands(parser: argparse.ArgumentParser, path: tuple[str, ...]) -> Iterator[Completed]:
    subcommands: dict[str, argparse.ArgumentParser] = {}
    entries: list[tuple[str, str]] = []
    flags: list[tuple[str, str]] = []
    choices: list[tuple[str, tuple[str, ...]]] = []
    files: list[str] = []
    service = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            subcommands |= action.choices
            entries += [(choice.dest, choice.help or "") for choice in action._choices_actions]
        elif not action.option_strings:
            service = service or action.dest == "service"
            entries += [(str(choice), "") for choice in action.choices or ()]
        else:
            named = [name for name in action.option_strings if name.startswith("--")]
            text = (action.help or "").partition(";")[0].partition(" (default")[0]
            flags += [(name, "" if action.help == argparse.SUPPRESS else text) for name in named]
            if action.choices:
                choices += [(name, tuple(map(str, action.choices))) for name in named]
            elif action.metavar in ("FILE", "DIR"):
                files += named
    yield Completed(path, tuple(entries), tuple(flags), tuple(choices), tuple(files), service)
    for name, child in subcommands.items():
        yield from _commands(child, (*path, name))


_BASH = """\
# Completion of daeda for {name}. Written by `daeda completion {name}`.
{zsh}_daeda_services() {{
  local folder=$PWD file
  while [ -n "$folder" ]; do
    if [ -d "$folder/feature_services" ]; then
      for file in "$folder"/feature_services/*.y*ml; do
        [ -e "$file" ] && file=${{file##*/}} && echo "${{file%.*}}"
      done
      return
    fi
    folder=${{folder%/*}}
  done
}}
_daeda() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} path="" index known=""
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$path ${{COMP_WORDS[index]}}" in
{paths}
    esac
  done
  COMPREPLY=()
  case "$path:$before" in
{values}
  esac
  case "$path" in
{words}
  esac
  COMPREPLY=($(compgen -W "$known" -- "$word"))
}}
complete -F _daeda daeda
"""


def _bash(known: list[Completed], *, zsh: bool) -> str:
    paths, values, words = [], [], []
    for one in known:
        path = "".join(f" {name}" for name in one.path)
        if one.path:
            paths.append(f'      "{path}") path="{path}" ;;')
        for flag, allowed in one.choices:
            reply = f'COMPREPLY=($(compgen -W "{" ".join(allowed)}" -- "$word")); return'
            values.append(f'    "{path}:{flag}") {reply} ;;')
        values += [f'    "{path}:{flag}") COMPREPLY=($(compgen -f -- "$word")); return ;;' for flag in one.files]
        names = " ".join(name for name, _ in (*one.commands, *one.flags))
        services = " $(_daeda_services)" if one.service else ""
        words.append(f'    "{path}") known="{names}{services}" ;;')
    head = "autoload -U +X bashcompinit && bashcompinit\n" if zsh else ""
    shell = "zsh" if zsh else "bash"
    return _BASH.format(name=shell, zsh=head, paths="\n".join(paths), values="\n".join(values), words="\n".join(words))


_FISH = """\
# Completion of daeda for fish. Written by `daeda completion fish`.
function __daeda_services
    set -l folder $PWD
    while test -n "$folder"
        if test -d "$folder/feature_services"
            for file in $folder/feature_services/*.yaml $folder/feature_services/*.yml
                string replace -r '\\.ya?ml$' '' (basename $file)
            end
            return
        end
        set folder (string replace -r '/[^/]*$' '' $folder)
    end
end
function __daeda_at
    set -l words (commandline -opc)[2..]
    set -l commands
    for word in $words
        if not string match -q -- '-*' $word; and contains -- "$commands $word" $__daeda_paths
            set commands "$commands $word"
        end
    end
    test "$commands" = "$argv[1]"
end
complete -c daeda -f
"""


def _fish(known: list[Completed]) -> str:
    paths = ["".join(f" {name}" for name in one.path) for one in known]
    lines = [_FISH + "set -g __daeda_paths " + " ".join(shlex.quote(path) for path in paths if path)]
    for path, one in zip(paths, known, strict=True):
        begin = f"complete -c daeda -n {shlex.quote(f'__daeda_at {shlex.quote(path)}')}"
        lines += [f"{begin} -a {name} -d {_quoted(text)}" for name, text in one.commands]
        if one.service:
            lines.append(f"{begin} -a '(__daeda_services)'")
        allowed = dict(one.choices)
        for flag, text in one.flags:
            value = f" -x -a {_quoted(' '.join(allowed[flag]))}" if flag in allowed else ""
            value = " -r -F" if flag in one.files else value
            lines.append(f"{begin} -l {flag.removeprefix('--')} -d {_quoted(text)}{value}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text in single quotes, as fish reads it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

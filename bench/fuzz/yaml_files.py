"""YAML files: trees of the example projects are changed, and the project is compiled, explained or planned.

Entries are dropped, doubled, given another type, hostile values spliced in, texts damaged: aliases, tags, nesting,
bytes.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from bench.fuzz.findings import Findings, explore, run_command
from bench.fuzz.hostile import DAMAGE, HOSTILE

ROOT = Path(__file__).parents[2]
PROJECTS = {"household_ranking": ROOT / "examples/complete_journey", "dssm_ranking": ROOT}
FOLDERS = ("config", "feature_views", "feature_services")

ACTIONS = ("drop", "replace", "double", "wrap", "rename", "swap", "damage", "garble")
WORDS = (["compile", "--no-write"], ["explain"], ["explain", "--format", "mermaid"], ["explain", "--sql"], ["plan"])


@dataclass(frozen=True)
class Change:
    """One change: which file, where in it (0 to 1 of its entries), what, and with which value."""

    file: int
    place: float
    action: str
    value: int


changes = st.lists(
    st.builds(
        Change,
        st.integers(0, 30),
        st.integers(0, 9_999).map(lambda number: number / 10_000),
        st.sampled_from(ACTIONS),
        st.integers(0, 10_000),
    ),
    min_size=1,
    max_size=3,
)


class Project:
    """The YAML files of a project, as trees and as texts."""

    def __init__(self, service: str, root: Path) -> None:
        self.service = service
        paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.yaml"))
        self.texts = {
            str(path.relative_to(root)): path.read_text(encoding="utf-8")
            for path in paths
            if "pipelines" not in path.parts
        }
        self.trees = {name: yaml.safe_load(text) for name, text in self.texts.items()}

    def changed(self, wanted: Sequence[Change]) -> dict[str, bytes]:
        """The files after the changes."""
        names = list(self.texts)
        trees = {name: copy.deepcopy(self.trees[name]) for name in names}
        texts: dict[str, str] = {}
        for change in wanted:
            name = names[change.file % len(names)]
            if change.action in ("damage", "garble"):
                texts[name] = _damaged(texts.get(name, self.texts[name]), change)
            else:
                trees[name] = _changed(trees[name], change)
        for name in names:
            if trees[name] != self.trees[name] and name not in texts:
                texts[name] = yaml.safe_dump(trees[name], sort_keys=False, allow_unicode=True)
        return {name: text.encode("utf-8", "surrogatepass") for name, text in {**self.texts, **texts}.items()}


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += _places(value, (*path, key))
    return found


def _changed(tree: Any, change: Change) -> Any:
    places = _places(tree)
    if not places:
        return HOSTILE[change.value % len(HOSTILE)]
    *parents, last = places[int(change.place * len(places))]
    holder = tree
    for part in parents:
        holder = holder[part]
    hostile = copy.deepcopy(HOSTILE[change.value % len(HOSTILE)])
    match change.action:
        case "drop":
            del holder[last]
        case "replace":
            holder[last] = hostile
        case "double" if isinstance(holder, list):
            holder.insert(last, copy.deepcopy(holder[last]))
        case "wrap" | "double":
            holder[last] = [holder[last]] if change.value % 2 else {"name": holder[last]}
        case "rename" if isinstance(holder, dict):
            holder[str(hostile)] = holder.pop(last)
        case _:
            other = places[change.value % len(places)]
            value = tree
            for part in other:
                value = value[part] if isinstance(value, dict | list) else value
            holder[last] = copy.deepcopy(value)
    return tree


def _damaged(text: str, change: Change) -> str:
    lines = text.splitlines(keepends=True)
    at = int(change.place * (len(lines) + 1))
    if change.action == "damage":
        return "".join([*lines[:at], DAMAGE[change.value % len(DAMAGE)], *lines[at:]])
    letter = "\0\t:-[]{}&*!|>'\"%@`#,\u2028é\ud800"[change.value % 22]
    spot = int(change.place * (len(text) + 1))
    return text[:spot] + letter + text[spot + change.value % 3 :]


def check(project: Project, wanted: Sequence[Change], words: Sequence[str], root: Path, findings: Findings) -> None:
    """Write the changed project, run a command over it, and record how it ended; AssertionError when it ended badly."""
    for name, content in project.changed(wanted).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    command = ["pipeline", words[0], project.service, *words[1:]]
    ended = run_command([*command, "--runtime-config-path", str(root / "config/training/runtime.yaml")])
    findings.add(f"exit {ended.code}", [change.action for change in wanted], ended.seconds)


def run(service: str, examples: int, number: int, findings: Findings) -> None:
    """So many examples of one project; raises what the first finding raises, shrunk."""
    project = Project(service, PROJECTS[service])
    with tempfile.TemporaryDirectory(prefix="daeda-fuzz-") as root:
        explore(
            st.tuples(changes, st.sampled_from(WORDS)),
            examples,
            number,
            lambda chosen: check(project, *chosen, Path(root), findings),
        )

"""A fuzzer over the YAML files of a project: `python -m bench.fuzz --examples 5000`.

Trees of the example projects are changed (entries dropped, doubled, given another type, hostile values spliced in,
texts damaged: aliases, tags, nesting, bytes), and the project is compiled, explained or planned in this process.
Whatever the files hold, a command ends with 0, or with 2 and sentences; everything else is a finding, and hypothesis
shrinks it.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bench.hostile import DAMAGE, HOSTILE
from bench.machine import describe_machine
from daeda.cli.main import main as daeda

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench/results/fuzz.json"
PROJECTS = {"household_ranking": ROOT / "examples/complete_journey", "dssm_ranking": ROOT}
FOLDERS = ("config", "feature_views", "feature_services")

ACTIONS = ("drop", "replace", "double", "wrap", "rename", "swap", "damage", "garble")
WORDS = (["compile", "--no-write"], ["explain"], ["explain", "--format", "mermaid"], ["explain", "--sql"], ["plan"])


@dataclass
class Findings:
    """What the examples came to. `wrong` is what must not be."""

    examples: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


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
        for one in wanted:
            name = names[one.file % len(names)]
            if one.action in ("damage", "garble"):
                texts[name] = _damaged(texts.get(name, self.texts[name]), one)
            else:
                trees[name] = _changed(trees[name], one)
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


def _changed(tree: Any, one: Change) -> Any:
    places = _places(tree)
    if not places:
        return HOSTILE[one.value % len(HOSTILE)]
    *parents, last = places[int(one.place * len(places))]
    holder = tree
    for part in parents:
        holder = holder[part]
    hostile = copy.deepcopy(HOSTILE[one.value % len(HOSTILE)])
    match one.action:
        case "drop":
            del holder[last]
        case "replace":
            holder[last] = hostile
        case "double" if isinstance(holder, list):
            holder.insert(last, copy.deepcopy(holder[last]))
        case "wrap" | "double":
            holder[last] = [holder[last]] if one.value % 2 else {"name": holder[last]}
        case "rename" if isinstance(holder, dict):
            holder[str(hostile)] = holder.pop(last)
        case _:
            other = places[one.value % len(places)]
            value = tree
            for part in other:
                value = value[part] if isinstance(value, dict | list) else value
            holder[last] = copy.deepcopy(value)
    return tree


def _damaged(text: str, one: Change) -> str:
    lines = text.splitlines(keepends=True)
    at = int(one.place * (len(lines) + 1))
    if one.action == "damage":
        return "".join([*lines[:at], DAMAGE[one.value % len(DAMAGE)], *lines[at:]])
    letter = "\0\t:-[]{}&*!|>'\"%@`#,\u2028é\ud800"[one.value % 22]
    spot = int(one.place * (len(text) + 1))
    return text[:spot] + letter + text[spot + one.value % 3 :]


def check(project: Project, wanted: Sequence[Change], words: Sequence[str], root: Path, findings: Findings) -> None:
    """Write the changed project, run a command over it, and record how it ended; AssertionError when it ended badly."""
    for name, content in project.changed(wanted).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    out, err = io.StringIO(), io.StringIO()
    command = ["pipeline", words[0], project.service, *words[1:]]
    command += ["--runtime-config-path", str(root / "config/training/runtime.yaml")]
    started = time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = daeda(command)
    findings.slowest = max(findings.slowest, time.perf_counter() - started)
    findings.examples += 1
    findings.outcomes[f"exit {code}"] += 1
    findings.actions.update(one.action for one in wanted)
    said = err.getvalue()
    lines = [line for line in said.splitlines() if line]
    errors = [line for line in lines if line.startswith("error: ")]
    assert code in (0, 2), f"exit code {code}: {said[:500]}"
    assert "Traceback" not in said, said[:500]
    if code == 2:
        assert errors, "exit code 2 without a sentence"
        assert out.getvalue() == "", "a refused command wrote to stdout"
        assert all(line.startswith(("error: ", "warning: ", "from ")) for line in lines), said[:500]
        longest = max(lines, key=len)
        assert len(longest) < 5_000, f"a message of {len(longest)} characters: {longest[:300]}"


def run(
    project: Project, examples: int, number: int, findings: Findings, words: Sequence[Sequence[str]] = WORDS
) -> None:
    """So many examples of one project; raises what the first finding raises, shrunk."""
    root = Path(tempfile.mkdtemp(prefix="daeda-fuzz-"))

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(changes, st.sampled_from(WORDS))
    def one(wanted: list[Change], chosen: Sequence[str]) -> None:
        check(project, wanted, chosen, root, findings)

    try:
        one()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    """Fuzz the projects and write the result, which keeps what it has of others; returns 1 after a finding."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=1_000, metavar="N", help="examples of each project")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="decides which")
    parser.add_argument("--service", choices=list(PROJECTS), action="append", help="one project alone (default: all)")
    parser.add_argument("--result", type=Path, default=RESULT, metavar="FILE")
    given_words = parser.parse_args(arguments)
    path: Path = given_words.result
    before = json.loads(path.read_text(encoding="utf-8"))["projects"] if path.exists() else {}
    report: dict[str, Any] = {"workload": "fuzz", "machine": describe_machine(), "projects": before}
    wrong = 0
    for service in given_words.service or PROJECTS:
        findings = Findings()
        started = time.perf_counter()
        try:
            run(Project(service, PROJECTS[service]), given_words.examples, given_words.seed, findings)
        except Exception as error:  # noqa: BLE001 - whatever a command lets through is the finding
            findings.wrong.append(f"{type(error).__name__}: {str(error)[:500]}")
        wrong += len(findings.wrong)
        report["projects"][service] = {
            "seed": given_words.seed,
            "examples": findings.examples,
            "outcomes": dict(sorted(findings.outcomes.items())),
            "changes": dict(sorted(findings.actions.items())),
            "seconds": round(time.perf_counter() - started, 1),
            "slowest_seconds": round(findings.slowest, 2),
            "findings": findings.wrong,
        }
        say(f"{service}: {findings.examples} examples, {dict(findings.outcomes)}, {len(findings.wrong)} findings")
        for text in findings.wrong:
            say(text)
        # After each project: a run that is stopped leaves what it has done.
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

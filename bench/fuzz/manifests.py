"""Published days that somebody changed: a day that is skipped is, byte for byte, the day that was published."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import strategies as st

from bench.fuzz.built import ROWS, build, scratch, table_of, tiny_project, write_items
from bench.fuzz.findings import Findings, explore, run_command
from bench.fuzz.hostile import HOSTILE

PART = "part-0-0.parquet"


@dataclass(frozen=True)
class Change:
    """One change of the published day: what, where (0 to 1), and with which value."""

    action: str
    place: float
    value: int


ACTIONS = (
    "replace", "replace", "replace", "drop", "copy", "garble", "cut", "part bytes", "part size", "part gone",
    "foreign part", "foreign file", "foreign directory", "part link", "manifest link", "manifest fifo", "touch",
    "hidden file",
)  # fmt: skip
change = st.builds(
    Change, st.sampled_from(ACTIONS), st.integers(0, 9_999).map(lambda n: n / 10_000), st.integers(0, 10_000)
)


def run(examples: int, number: int, findings: Findings) -> None:
    """So many examples; raises what the first finding raises, shrunk."""
    with scratch() as root:
        project = tiny_project(root)
        write_items(root)
        path = root / "data/events/dt=2024-01-02/a.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table_of(ROWS), path)
        explore(st.lists(change, max_size=3), examples, number, lambda changes: check(project, changes, findings))


def check(project: Any, changes: Sequence[Change], findings: Findings) -> None:
    """Publish, change, plan and build a day again; AssertionError where what is skipped is not what was published."""
    directory = project.root / "output/ranking/skeleton/dt=2024-01-02"
    _clear(directory)
    rows = build(project)
    assert isinstance(rows, list), rows
    wanted = (directory / PART).read_bytes()
    for change in changes:
        _change(directory, change)
    words = ["pipeline", "plan", "ranking", "--runtime-config-path", str(project.runtime_path)]
    ended = run_command(words)
    verified = run_command([*words, "--verify"])
    outcome = next((word for word in ("skip", "rebuild", "blocked", "build") if word in ended.out), "refused")
    if "skip" in ended.out:
        # What a manifest says of its parts is held against their footers by --verify alone.
        edited = any(change.action in ("replace", "drop", "copy", "garble", "cut") for change in changes)
        assert edited or "skip" in verified.out, "a day that is skipped is stale when its parts are digested"
        visible = {path.name for path in directory.iterdir() if not path.name.startswith(("_", "."))}
        assert visible == {PART}, f"a day with {visible} is skipped"
        assert not (directory / PART).is_symlink()
        assert (directory / PART).read_bytes() == wanted, "a part with other bytes is skipped"
    elif outcome in ("rebuild", "build"):
        again = build(project)
        assert again == rows, f"built anew: {again}"
        assert (directory / PART).read_bytes() == wanted
    findings.add(outcome, [change.action for change in changes], ended.seconds)


def _clear(directory: Path) -> None:
    """Remove the day with whatever an example put there."""
    if directory.exists():
        for path in sorted(directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        directory.rmdir()


def _change(directory: Path, change: Change) -> None:
    manifest, part = directory / "_manifest.json", directory / PART
    plain = manifest.is_file() and not manifest.is_symlink()
    match change.action:
        case "replace" | "drop" | "copy" if plain:
            manifest.write_text(
                _other_tree(manifest.read_text(encoding="utf-8", errors="replace"), change), encoding="utf-8"
            )
        case "garble" | "cut" if plain:
            _garble(manifest, change)
        case "part bytes" | "part size" | "part gone" | "part link" | "touch" if (
            part.is_file() and not part.is_symlink()
        ):
            _change_part(part, change)
        case "foreign part":
            (directory / f"part-{change.value % 9 + 1}-0.parquet").write_bytes(b"of an older run")
        case "foreign file":
            (directory / ("x.parquet", "notes.txt", "part-x-0.parquet", "a\nb")[change.value % 4]).touch()
        case "foreign directory":
            name = ("country=NO", "part-5-0.parquet")[change.value % 2]
            if not os.path.lexists(directory / name):
                (directory / name / "a.parquet").mkdir(parents=True)
        case "hidden file":
            (directory / ("_SUCCESS", ".x", "_manifest.json.old")[change.value % 3]).touch()
        case "manifest link" | "manifest fifo" if plain:
            manifest.rename(directory / "_kept")
            manifest.symlink_to("_kept") if change.action == "manifest link" else os.mkfifo(manifest)
        case _:
            pass


def _other_tree(text: str, change: Change) -> str:
    try:
        tree = json.loads(text)
    except ValueError:
        return text
    spots = [spot for spot in _spots(tree) if spot]
    if not spots:
        return text
    *parents, last = spots[int(change.place * len(spots))]
    holder = tree
    for step in parents:
        holder = holder[step]
    match change.action:
        case "drop":
            del holder[last]
        case "copy":
            value = tree
            for step in spots[change.value % len(spots)]:
                value = value[step]
            holder[last] = copy.deepcopy(value)
        case _:
            holder[last] = HOSTILE[change.value % len(HOSTILE)]
    return json.dumps(tree, default=str, ensure_ascii=change.value % 2 == 0).encode("utf-8", "replace").decode()


def _spots(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(spot for key, value in items for spot in _spots(value, (*path, key)))]


def _garble(manifest: Path, change: Change) -> None:
    content = bytearray(manifest.read_bytes())
    at = int(change.place * len(content))
    if change.action == "cut":
        del content[at:]
    elif content:
        content[at] = change.value % 256
    manifest.write_bytes(content)


def _change_part(part: Path, change: Change) -> None:
    content = bytearray(part.read_bytes())
    before = part.stat()
    match change.action:
        case "part bytes" if content:
            content[int(change.place * len(content))] ^= 1 + change.value % 255
            part.write_bytes(content)
            os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
        case "part size":
            part.write_bytes(content[: int(change.place * len(content))])
        case "part gone":
            part.unlink()
        case "part link":
            part.rename(part.with_name("_part"))
            part.symlink_to("_part")
        case _:
            os.utime(part)

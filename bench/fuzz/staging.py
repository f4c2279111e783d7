"""What anybody may leave in `_staging` or at the place of a day: nothing outside of the output root is ever touched."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from bench.fuzz.built import scratch
from bench.fuzz.findings import Findings, explore
from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import Fingerprint, Manifest, Part
from daeda.dataset.publish.claims import claim_days
from daeda.dataset.publish.publish import prepare_day, publish_day
from daeda.dataset.publish.staging import open_staging
from daeda.dataset.published import look_at_days
from daeda.errors import DaedaError

DAY = dt.date(2024, 1, 2)
PLACES = (
    "_staging", "_staging/staging.lock", "_staging/run-1", "_staging/run-1/run.lock", "_staging/run-1/aside",
    "_staging/run-1/aside/skeleton", "_staging/run-1/aside/skeleton/dt=2024-01-02", "_staging/run-1/claims/skeleton",
    "_staging/run-1/aside/skeleton/dt=2024-01-05", "_staging/run-1/claims/skeleton/dt=2024-01-02", "_staging/x",
    "_staging/run-1/work/a", "_staging/run-1/ready/skeleton", "_staging/run-a\nb", "_staging/run-1/status/a.json",
    "skeleton/dt=2024-01-02", "skeleton/dt=2024-01-02/part-0-0.parquet", "skeleton/dt=2024-01-02/_manifest.json",
    "skeleton/dt=2024-01-02/part-1-0.parquet", "skeleton/dt=2024-01-02/notes", "skeleton",
)  # fmt: skip
KINDS = ("link", "link", "link to a file", "broken link", "directory", "file", "fifo", "full directory", "closed file")


@dataclass(frozen=True)
class Left:
    """Something that lies in the way."""

    place: str
    kind: str


left = st.builds(Left, st.sampled_from(PLACES), st.sampled_from(KINDS))


def run(examples: int, number: int, findings: Findings) -> None:
    """So many examples; raises what the first finding raises, shrunk."""
    explore(
        st.tuples(st.lists(left, max_size=4), st.booleans()), examples, number, lambda drawn: check(*drawn, findings)
    )


def check(things: Sequence[Left], published: bool, findings: Findings) -> None:
    """Publish a day over what lies there; AssertionError where something else changed, or the day is not right."""
    with scratch() as root:
        victim = root / "victim"
        for name in ("run.lock", "dt=2024-01-02/part-0-0.parquet", "dt=2024-01-05/rows", "skeleton/dt=2024-01-05/rows"):
            (victim / name).parent.mkdir(parents=True, exist_ok=True)
            (victim / name).write_text("of the user")
        before = _digest(victim)
        layout = Layout(root / "output/service")
        if published:
            _publish(layout, "old")
        for thing in things:
            _leave(root / "output/service" / thing.place, thing.kind, victim)
        notes = root / "output/service/skeleton/dt=2024-01-02/notes"
        kept = os.path.lexists(notes)
        try:
            _publish(layout, "new")
            outcome = "published"
        except DaedaError:
            outcome = "refused"
        assert _digest(victim) == before, "what a link leads to was changed"
        assert os.path.lexists(notes) or not kept, "what nobody published was deleted"
        if outcome == "published":
            found = look_at_days(layout, "skeleton", [DAY])[DAY]
            assert (found.damage, found.obstacles) == ((), ()), f"{found.damage} {found.obstacles}"
            assert (root / "output/service/skeleton/dt=2024-01-02" / part_name(0)).read_text() == "new"
        findings.add(outcome, [thing.kind for thing in things], 0.0)


def _publish(layout: Layout, content: str) -> None:
    with open_staging(layout) as staging:
        claim_days(staging, [("skeleton", DAY)], "fail", tell=lambda line: None)
        ready = prepare_day(staging, "skeleton", DAY, "a")
        (ready / part_name(0)).write_text(content)
        part = Part(part_name(0), 1, len(content), hashlib.sha256(content.encode()).hexdigest())
        fingerprint = Fingerprint({}, {}, {})
        manifest = Manifest("service", "skeleton", str(DAY), 1, (part,), (), fingerprint)
        publish_day(staging, "skeleton", DAY, ready, manifest)


def _leave(path: Path, kind: str, victim: Path) -> None:
    parents = [path.parent, *path.parent.parents]
    if os.path.lexists(path) or any(
        parent.is_symlink() or (parent.exists() and not parent.is_dir()) for parent in parents
    ):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "link":
            path.symlink_to(victim)
        case "link to a file":
            path.symlink_to(victim / "run.lock")
        case "broken link":
            path.symlink_to(victim / "nothing")
        case "directory":
            path.mkdir()
        case "full directory":
            path.mkdir()
            (path / "inner").write_text("something")
        case "fifo":
            os.mkfifo(path)
        case _:
            path.write_text("{}" if kind == "file" else "")


def _digest(directory: Path) -> str:
    entries = sorted(directory.rglob("*"))
    told = [f"{path} {path.read_text() if path.is_file() else ''}" for path in entries]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()

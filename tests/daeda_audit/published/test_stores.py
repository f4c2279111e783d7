"""A store under a published day: what `plan`, `train` and the audit say when it is moved, replaced or gone."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import lance
import pyarrow as pa
import pytest
import yaml

from daeda.cli.main import main
from daeda.dataset.fingerprint import enriched_fingerprint
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import ENRICHED_FORMAT_VERSION, read_manifest
from daeda_audit.command import main as audit_main
from enrich.preflight import identify_stores
from tests.daeda_audit.feed import DAYS, build, enrich, feed, words
from tests.projects import TinyProject


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both halves of both days, of version 1 of the store, which is tagged `live`; version 2 has other vectors."""
    made = feed(tmp_path_factory.mktemp("stores"))
    path = made.root / "config/training/runtime.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "rows_per_part": 50}))
    build(made)
    enrich(made)
    declare(made, version="live")
    store = lance.dataset(str(made.root / "data/vectors.lance"))
    store.tags.create("live", 1)
    project, dag = made.load(), made.compile()
    identities = identify_stores(project, dag)
    for day in DAYS:
        layout = Layout(project.service_dir)
        skeleton, manifest = (read_manifest(layout.day_dir(name, day)) for name in ("skeleton", "enriched"))
        assert skeleton is not None
        assert manifest is not None
        fingerprint = enriched_fingerprint(dag, skeleton.parts, identities)
        made_anew = dataclasses.replace(manifest, fingerprint=fingerprint, format_version=ENRICHED_FORMAT_VERSION)
        Path(str(layout.day_dir("enriched", day)), "_manifest.json").write_text(made_anew.to_json())
    store.update({"item_id": "item_id"}, where="item_id = 10")
    return made.root


@pytest.fixture
def made(built: Path, tmp_path: Path) -> TinyProject:
    shutil.copytree(built, tmp_path / "moved")
    return TinyProject(tmp_path / "moved")


def declare(made: TinyProject, **changes: object) -> None:
    path = made.root / "config/training/aggregations.yaml"
    aggregations = yaml.safe_load(path.read_text())
    aggregations["embedding_stores"][0].update(changes)
    path.write_text(yaml.safe_dump(aggregations))


def run(made: TinyProject, capfd: pytest.CaptureFixture[str], *command: str) -> tuple[int, str]:
    """Exit code and what was said, with `{root}` for the project."""
    code = main(["pipeline", command[0], *words(made, *command[1:])])
    told = capfd.readouterr()
    return code, (told.out + told.err).replace(str(made.root), "{root}")


def skips(made: TinyProject, capfd: pytest.CaptureFixture[str]) -> None:
    """Both days are fresh, and `train` has nothing to do."""
    code, told = run(made, capfd, "plan")
    rows = [line for line in told.splitlines() if "2024-01-0" in line]
    assert (code, len(rows)) == (0, 2), told
    assert all(row.count("skip") == 2 for row in rows), told
    assert run(made, capfd, "train")[0] == 0


def is_stale(made: TinyProject, capfd: pytest.CaptureFixture[str], reasons: Sequence[str]) -> None:
    """Every enriched day is to be built again; `--on-stale` says what becomes of it."""
    code, told = run(made, capfd, "train", "--on-stale", "fail")
    days = ", ".join(f"{day} (enriched)" for day in DAYS)
    assert (code, told.splitlines()[-1]) == (
        1,
        f"error: stale: {days}; the first because {', '.join(reasons)}; build what is stale anew with --on-stale "
        "rebuild",
    )
    code, told = run(made, capfd, "train", "--on-stale", "keep")
    assert (code, told.splitlines()[0]) == (0, "{root}/output/ranking/enriched")


@pytest.mark.cases
def test_a_store_that_was_copied_or_moved_changes_nothing(made: TinyProject, capfd: pytest.CaptureFixture[str]) -> None:
    """The whole project was copied for the test; then the store moves within it."""
    skips(made, capfd)
    (made.root / "data/vectors.lance").rename(made.root / "data/model [a].lance")
    declare(made, path="model [a].lance", version=1)
    skips(made, capfd)


def write_anew(made: TinyProject) -> None:
    """Version 1 once more, of other rows."""
    path = str(made.root / "data/vectors.lance")
    shutil.rmtree(path)
    vectors = pa.array([[1.0, 2.0, 3.0]] * 7, pa.list_(pa.float32(), 3))
    lance.write_dataset(pa.table({"item_id": pa.array(range(10, 17), pa.int64()), "vector": vectors}), path)
    lance.dataset(path).tags.create("live", 1)


def beside(made: TinyProject) -> None:
    """Another store, of version 1 too, under another path."""
    kept = made.root / "data/kept.lance"
    (made.root / "data/vectors.lance").rename(kept)
    kept.mkdir(exist_ok=True)
    shutil.copytree(kept, made.root / "data/vectors.lance")
    write_anew(made)
    (made.root / "data/vectors.lance").rename(made.root / "data/model_b.lance")
    kept.rename(made.root / "data/vectors.lance")
    declare(made, path="model_b.lance", version=1)


STALE: dict[str, tuple[Callable[[TinyProject], None], list[str]]] = {
    "written anew": (write_anew, ["input of store vectors changed"]),
    "another one under the same number": (beside, ["input of store vectors changed"]),
    "the tag moved": (
        lambda made: lance.dataset(str(made.root / "data/vectors.lance")).tags.update("live", 2),
        ["input of store vectors changed", "setting version of store vectors changed"],
    ),
    "another number": (
        lambda made: declare(made, version=2),
        ["input of store vectors changed", "setting version of store vectors changed"],
    ),
}


@pytest.mark.some(1, cases=3)
@pytest.mark.parametrize("case", STALE)
def test_another_store_makes_days_stale(made: TinyProject, capfd: pytest.CaptureFixture[str], case: str) -> None:
    change, reasons = STALE[case]
    change(made)
    is_stale(made, capfd, reasons)


GONE: dict[str, tuple[Callable[[TinyProject], None], str]] = {
    "the tag": (
        lambda made: lance.dataset(str(made.root / "data/vectors.lance")).tags.delete("live"),
        "{root}/data/vectors.lance has no tag 'live'; none exists",
    ),
    "the version": (
        lambda made: declare(made, version=7), "{root}/data/vectors.lance has no version 7; newest first it has 2, 1"
    ),
    "the store": (
        lambda made: shutil.rmtree(made.root / "data/vectors.lance"),
        "{root}/data/vectors.lance does not exist: correct the path or data_root, or put the data there",
    ),
}  # fmt: skip


@pytest.mark.some(1, cases=3)
@pytest.mark.parametrize("case", GONE)
def test_a_store_that_is_gone_is_told_though_every_day_is_there(
    made: TinyProject, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    """Whether the days are fresh cannot be known."""
    change, sentence = GONE[case]
    change(made)
    before = sorted(made.root.glob("output/**/*"))
    for command in (["plan"], ["train"], ["train", "--on-stale", "keep"]):
        code, told = run(made, capfd, *command)
        assert (code, told.splitlines()[-1]) == (2, f"error: embedding store 'vectors': {sentence}"), command
    assert sorted(made.root.glob("output/**/*")) == before
    assert run(made, capfd, "train", "--skeleton-only")[0] == 0


def audited(made: TinyProject, capfd: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = audit_main(words(made, "--probe", "recompute", "--rows", "10", "--days", "2024-01-03"))
    told = capfd.readouterr().err.replace(str(made.root), "{root}")
    return code, [line for line in told.splitlines() if line.startswith(("warning:", "error:"))]


def test_the_audit_reads_the_version_that_the_day_read(made: TinyProject, capfd: pytest.CaptureFixture[str]) -> None:
    tail = ": mismatches may come from that; build the day again"
    head = "warning: 2024-01-03 was built from embedding store 'vectors'"
    assert audited(made, capfd) == (0, [])
    path = str(made.root / "data/vectors.lance")
    lance.dataset(path).tags.update("live", 2)
    assert audited(made, capfd) == (0, [f"{head}: version 1, and 'live' is 2 now{tail}"])
    lance.dataset(path).tags.delete("live")
    assert audited(made, capfd) == (0, [f"{head}, whose version live cannot be opened now{tail}"])
    write_anew(made)
    assert audited(made, capfd) == (1, [f"{head}: its version 1 was another one{tail}"])


def test_the_audit_names_a_vector_that_is_null_in_part(made: TinyProject, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(made.root / "data/vectors.lance")
    shutil.rmtree(path)
    vectors = pa.array([[1.0, None, 3.0]] * 7, pa.list_(pa.float32(), 3))
    lance.write_dataset(pa.table({"item_id": pa.array(range(10, 17), pa.int64()), "vector": vectors}), path)
    declare(made, version=1)
    code, told = audited(made, capfd)
    assert code == 2
    assert told[-1].startswith("error: embedding store 'vectors': the vector of id 1")
    assert told[-1].endswith(" has elements that are NULL: write a number for each, or NULL for the whole vector")

"""SQL and paths in every string that YAML can hold: refused with a sentence, or kept as a value, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from daeda.cli.main import main
from tests.daeda.cli.test_bad_input import everything_below
from tests.projects import TinyProject

CANARY = "the canary sings"
TREES = ("runtime", "base", "aggregations", "views", "service")
# `{canary}` is a file that nobody may read, `{owned}` one that nobody may make.
SQL = "(SELECT content FROM read_text('{canary}'))); COPY (SELECT 1) TO '{owned}'; --"


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of the texts."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if isinstance(value, str):
            yield (*path, key)
        yield from leaves(value, (*path, key))


def with_every_string(root: Path) -> TinyProject:
    """A project in which every key whose value is a text has one."""
    made = TinyProject(root).without("item_vector")
    made.service |= {"owner": "us", "description": "what it is for"}
    made.service["spine"]["filters"] = [
        {"where": "amount > 0"},
        {"session": {"key": ["user_id"], "having": "count(*) > 0"}},
        {"covered_by": {"view": "items", "column": "item_id"}},
    ]
    made.service["columns"].append(
        {"name": "twice", "kind": "derived", "dtype": "double", "expression": "amount * 2", "description": "double"}
    )
    made.runtime["output_columns"].append("twice")
    made.runtime |= {"compute": {"engine": "duckdb", "duckdb_config": {"memory_limit": "1GiB"}}}
    made.views["events"] |= {"description": "events", "field_mapping": {"amount": "amount"}}
    made.views["events"]["fields"][3]["description"] = "paid"
    made.aggregations["aggregation_specs"][0] |= {"where": "amount > 0", "description": "how many"}
    made.aggregations["aggregation_specs"][1]["history"] = {"view": "events", "attributes": ["prices:price"]}
    return made


def places() -> list[tuple[Any, ...]]:
    made = with_every_string(Path("unused"))
    paths = [(name, *path) for name in TREES for path in leaves(getattr(made, name))]
    # One of each key: what differs by its place in a list alone is read by the same code.
    return list({tuple("any" if isinstance(part, int) else part for part in path): path for path in paths}.values())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("strings")
    with_every_string(root).write().write_data()
    return root


def test_sql_in_any_string_is_refused_or_stays_a_text(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary, owned = tmp_path / "canary.txt", tmp_path / "owned.txt"
    canary.write_text(CANARY)
    evil = SQL.format(canary=canary, owned=owned)
    kept = set()
    before = everything_below(data)
    for where in places():
        made = with_every_string(data)
        *parents, last = where[1:]
        holder = getattr(made, where[0])
        for part in parents:
            holder = holder[part]
        holder[last] = evil
        texts = {path: path.read_bytes() for path in data.rglob("*.yaml")}
        write_trees(made)
        code = main(["pipeline", "explain", "ranking", "--sql", "--runtime-config-path", str(made.runtime_path)])
        told = capsys.readouterr()
        for path, content in texts.items():
            path.write_bytes(content)
        assert code in (0, 2), where
        assert CANARY not in told.out + told.err, where
        assert (code == 0) == (not told.err.startswith("error: ")), where
        if code == 0:
            kept.add(where[-1])
    assert not owned.exists()
    assert everything_below(data) == before
    # A text that stays one: descriptions, the owner, the default of a text column. Paths, and columns and version
    # of a store, are looked for when a day is planned.
    looked_for_later = {"path", "output_root", "data_root", "version", "id_column", "vector_column"}
    assert kept <= {"owner", "description", "default", *looked_for_later}


def write_trees(made: TinyProject) -> None:
    """Write the YAML files in place, under the names that they had."""
    files = {"config/base.yaml": made.base, "config/training/runtime.yaml": made.runtime}
    files |= {"config/training/aggregations.yaml": made.aggregations, "feature_services/ranking.yaml": made.service}
    files |= {f"feature_views/{name}.yaml": view for name, view in made.views.items()}
    for name, value in files.items():
        (made.root / name).write_text(yaml.safe_dump(copy.deepcopy(value), sort_keys=False), encoding="utf-8")


TRAVERSALS = ("../evil", "/etc/evil", "a/b", "..", ".", "a\\b", "dt=2024-01-01", "a b", "a\u2215b", "C:evil", "~evil")
NAMED = {
    "service of runtime": ("runtime", "service"),
    "service": ("service", "name"),
    "view": ("views", "items", "name"),
    "entity": ("views", "items", "entity"),
    "field": ("views", "items", "fields", 1, "name"),
    "column": ("service", "columns", 3, "name"),
    "output column": ("runtime", "output_columns", 3),
    "aggregation": ("aggregations", "aggregation_specs", 0, "name"),
    "enrichment": ("aggregations", "enrichment_specs", 0, "name"),
    "store": ("aggregations", "embedding_stores", 0, "name"),
}  # fmt: skip


@pytest.mark.parametrize("place", NAMED.values(), ids=list(NAMED))
def test_no_name_leads_out_of_its_directory(
    place: tuple[Any, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "project"
    for name in TRAVERSALS:
        made = TinyProject(root)
        *parents, last = place[1:]
        holder = getattr(made, place[0])
        for part in parents:
            holder = holder[part]
        holder[last] = name
        made.write()
        before = everything_below(tmp_path)
        code = main(["pipeline", "train", "ranking", "--runtime-config-path", str(made.runtime_path)])
        told = capsys.readouterr().err
        assert code == 2
        assert f"'{name}' is not a name: use letters, digits and '_', and begin with a letter or '_'" in told
        assert everything_below(tmp_path) == before


@pytest.mark.parametrize("day", ["../2024-01-02", "2024-01-02/../../x", "20240102", "2024-W01-2", "２０２４-01-02"])
def test_no_date_leads_out_of_its_directory(day: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = TinyProject(tmp_path).write().write_data()
    before = everything_below(tmp_path)
    words = ["pipeline", "train", "ranking", "--target-date", day, "--runtime-config-path", str(made.runtime_path)]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"error: --target-date '{day}' is not a day: write YYYY-MM-DD, ")
    assert everything_below(tmp_path) == before

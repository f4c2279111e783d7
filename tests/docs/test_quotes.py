"""What pages quote is so: lines of files, settings, sentences of the product, figures of other pages."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from daeda.catalog.view import FeatureView
from daeda.process.host import Host
from daeda.settings.runtime import RayEnvelope
from enrich.ray.limits import GIB, Node, clamp, on_cluster
from tests.docs.walking import DOCS, ROOT, blocks
from tests.packages import PACKAGES
from tests.projects import TinyProject

QUOTING = ("docs/ptransforms.md", "docs/serving-skew.md", "docs/which-kind.md")


@pytest.mark.parametrize("page", QUOTING)
def test_lines_that_are_quoted_stand_in_the_file_that_is_named(page: str) -> None:
    quoted = [block.text for block in blocks(page) if block.language != "sh"]
    assert quoted
    for text in quoted:
        head, _, body = text.partition("\n")
        whole = (ROOT / head.removeprefix("# ")).read_text(encoding="utf-8")
        indents = [textwrap.indent(body, " " * width).rstrip("\n") for width in (0, 4)]
        assert any(f"\n{shown}" in f"\n{whole}" for shown in indents), text


def test_settings_of_storage_are_settings(tmp_path: Path) -> None:
    base, runtime, *views = [yaml.safe_load(block.text) for block in blocks("docs/storage.md")]
    project = TinyProject(tmp_path).without_enrichment()
    project.base |= base
    project.runtime |= runtime
    loaded = project.write().load()
    assert str(loaded.data_root) == base["lake"]
    assert str(loaded.runtime.output_root) == runtime["output_root"]
    assert [next(iter(view["source"])) for view in views] == ["postgres", "ducklake"]
    for view in views:
        source = FeatureView.model_validate(project.views["prices"] | view).source
        assert source.model_dump(exclude_unset=True) == view["source"]


def test_sentences_about_the_envelope_are_said_so() -> None:
    one_host, cluster = [block.text.rstrip() for block in blocks("docs/resources.md") if block.language == "text"]
    assert clamp(RayEnvelope(), Host(2, 47 * GIB // 2, None, isolation=False)).sentence() == one_host
    nodes = [Node("a", "10.0.0.1", 64, 200 * GIB, 50 * GIB), Node("b", "10.0.0.2", 2, 5 * GIB, 3 * GIB)]
    assert on_cluster(RayEnvelope(), nodes)[1] == cluster


def test_figures_about_others_are_those_of_the_page_that_compares() -> None:
    rows = [line.split("|")[3:-1] for line in (DOCS / "peers.md").read_text().splitlines() if line.startswith("| ")][1:]
    daeda, pandas, polars, feast, feast_default = (
        sum(row[place].strip() == "equal" for row in rows) for place in range(5)
    )
    first = " ".join((ROOT / "README.md").read_text().split())
    said = (
        f"Of {len(rows)} cases of a point-in-time join daeda is right in {daeda}, pandas and Polars by their own as-of "
        f"joins in {pandas} and {polars}, Feast in {feast} with one store and in {feast_default} with another"
    )
    assert said in first
    text = (DOCS / "why.md").read_text()
    assert f"[right in {daeda} of {len(rows)} cases](peers.md)" in text
    assert (
        f"[its DuckDB store is right in {feast} of {len(rows)} cases, its default store in {feast_default}](peers.md)"
        in text
    )


def test_messages_that_are_explained_are_said() -> None:
    said = "\n".join(path.read_text() for path in sorted((ROOT / "tests/daeda/cli/bad_input").glob("*.yaml")))
    text = (DOCS / "troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \| ", text[: text.index("## A run stops")], re.MULTILINE)
    assert len(messages) > 18
    for message in messages:
        pattern = r"[^\n]*".join(re.escape(piece) for piece in message.split("…"))
        assert re.search(pattern, said), message


def test_messages_of_runs_stand_in_the_code_that_says_them_or_in_a_test_of_it() -> None:
    # A message that names something stands whole in its test alone.
    files = [path for folder in (*PACKAGES, "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
    code = "\n".join(path.read_text() for path in files if path.parent != Path(__file__).parent)
    whole = re.sub(r'"\s*\n\s*f?"', "", code)
    runners = (DOCS / "runners.md").read_text().partition("## When nothing happens")[2]
    stopped = (DOCS / "troubleshooting.md").read_text().partition("## A run stops")[2]
    first_cells = re.findall(r"^\| (.*?) \|", runners + stopped, re.MULTILINE)
    messages = [message for cell in first_cells for message in re.findall(r"`([^`]+)`", cell)]
    assert len(messages) > 15
    for message in messages:
        pattern = r"[^\n]*".join(re.escape(piece) for piece in message.split("…"))
        assert re.search(pattern, whole), message


def test_the_ten_lines_of_the_first_page_stand_in_the_example() -> None:
    (lines,) = [yaml.safe_load(block.text) for block in blocks("README.md") if block.language == "yaml"]
    config = ROOT / "examples/complete_journey/config"
    declared = yaml.safe_load((config / "training/aggregations.yaml").read_text())
    # The example gives a name to the list, which the first page writes out.
    windows = yaml.safe_load((config / "base.yaml").read_text())["activity_windows"]
    for spec in declared["aggregation_specs"]:
        if spec.get("windows") == "activity_windows":
            spec["windows"] = windows
    assert list(lines) == ["aggregation_specs", "label_specs"]
    for section, specs in lines.items():
        assert all(spec in declared[section] for spec in specs)

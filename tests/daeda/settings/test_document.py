from __future__ import annotations

from pathlib import Path

import pytest

from daeda.catalog import project as project_module
from daeda.catalog.service import FeatureService
from daeda.errors import ConfigurationError
from daeda.settings import document as document_module
from daeda.settings.document import Document, Mistakes, load_document
from daeda.settings.validation import parse_model
from tests.projects import TinyProject

REPOSITORY = Path(__file__).parents[3]


def load(tmp_path: Path, text: str | bytes) -> tuple[Document | None, list[str]]:
    path = tmp_path / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    mistakes = Mistakes()
    return load_document(path, tmp_path, mistakes), mistakes.lines


def test_every_entry_knows_its_line(tmp_path: Path) -> None:
    document, _ = load(tmp_path, "a: 1\n\n# a comment\nb:\n  - c: 2\n  -\n    d: 3\n")
    assert document is not None
    assert document.data == {"a": 1, "b": [{"c": 2}, {"d": 3}]}
    assert document.where(("a",)) == "file.yaml:1"
    assert document.where(("b", 0, "c")) == "file.yaml:5"
    assert document.where(("b", 1, "d")) == "file.yaml:7"


def test_an_entry_that_is_not_there_is_at_the_line_of_the_one_above_it(tmp_path: Path) -> None:
    document, _ = load(tmp_path, "a: 1\nb:\n  c: 2\n")
    assert document is not None
    assert document.where(("b", "missing", "deeper")) == "file.yaml:2"


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    document, mistakes = load(tmp_path, "# nothing yet\n")
    assert document is not None
    assert (document.data, mistakes) == ({}, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "file.yaml:2: is not valid YAML: the key 'a' stands twice: keep one"),
        ("a:\n  b: 1\n  b: 2\n", "file.yaml:3: is not valid YAML: the key 'b' stands twice: keep one"),
        ("- 1\n", "file.yaml:1: must hold a mapping of keys to values"),
        ("text", "file.yaml:1: must hold a mapping of keys to values"),
        ("a: [1\nb: 2\n", "file.yaml:2: is not valid YAML: expected ',' or ']', but got ':'"),
        ("a: 1\n\tb: 2\n", "file.yaml:2: is not valid YAML: found character '\\t' that cannot start any token"),
        ("? [a]\n: 1\n", "file.yaml:1: is not valid YAML: a key must be plain text"),
        ("a: 2024-02-30\n", "file.yaml:1: is not valid YAML: '2024-02-30' of 'a' is no value: day is out of "
             "range for month"),
        ("a: !!python/object:os.system x\n",
         "file.yaml:1: is not valid YAML: the tag '!!python/object:os.system' makes more than a plain value of what "
         "follows: remove it"),
        ("a: " + "[" * 50 + "]" * 50, "file.yaml:1: is not valid YAML: nested deeper than 40 levels"),
        ("[" * 50_010, "file.yaml:1: is not valid YAML: nested deeper than 40 levels"),
        ("a:\n" + "- " * 50_010, "file.yaml:2: is not valid YAML: nested deeper than 40 levels"),
        ("a: &a\n  b: *a\n", "file.yaml:1: is not valid YAML: nested deeper than 40 levels"),
        ('a: 1\nb: "x\\0y"\n',
         "file.yaml:2: is not valid YAML: 'x\\0y' has the character NUL, which no text of SQL and no path can hold"),
        (b"a: \xff\n", "file.yaml: is not UTF-8: byte 3 cannot be decoded"),
        (b"#" * (2**20 + 1), "file.yaml: has 1,048,577 bytes, and a configuration file at most 1,048,576: split it"),
        ("a:\n" + "- x\n" * 50_000,
         "file.yaml:49999: is not valid YAML: has more than 50,000 keys and values: split it"),
        ('a: "\\ud800"\n',
         "file.yaml:1: is not valid YAML: '\ud800' is no text: half of a character stands alone in it"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_names_file_and_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert load(tmp_path, text) == (None, [message])


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    mistakes = Mistakes()
    assert load_document(tmp_path / "no.yaml", tmp_path, mistakes) is None
    assert mistakes.lines == ["no.yaml: cannot be read: No such file or directory"]


def test_the_same_sentence_is_told_once() -> None:
    mistakes = Mistakes()
    mistakes.add("a.yaml:1", "is wrong")
    mistakes.add("a.yaml:1", "is wrong")
    with pytest.raises(ConfigurationError) as raised:
        mistakes.raise_if_any()
    assert str(raised.value) == "a.yaml:1: is wrong"


def test_an_unknown_key_names_what_its_own_level_knows(tmp_path: Path) -> None:
    text = (
        "name: x\nversion: 1\ngrain: a\nspine:\n  view: v\n  filters:\n    - wher: a > 1\n    - covered_by: {vew: b}\n"
    )
    document, _ = load(tmp_path, text + "columns: [{name: a, kind: key, dtype: int64}]\n")
    assert document is not None
    mistakes = Mistakes()
    assert parse_model(FeatureService, document, mistakes) is None
    assert mistakes.lines == [
        "file.yaml:7: unknown key 'wher': did you mean 'where'? Known: covered_by, sample, session, where",
        "file.yaml:8: 'spine.filters.1.covered_by.column' is missing",
        "file.yaml:8: unknown key 'vew': did you mean 'view'? Known: column, view",
    ]


def test_mistakes_of_several_files_are_reported_at_once(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.runtime["rows_per_part"] = 0
    project.views["prices"]["ttl"] = "soon"
    project.views["items"]["source"]["pth"] = "x"
    project.aggregations["aggregation_specs"][1]["max_length"] = "histori_len"
    project.service["columns"][0]["dtype"] = "int46"
    with pytest.raises(ConfigurationError) as raised:
        project.write().load()
    assert str(raised.value).splitlines() == [
        "config/training/runtime.yaml:20: rows_per_part: 0 is too small: write at least 1",
        "config/training/aggregations.yaml:16: aggregation_specs.1.max_length: 'histori_len' is neither a value nor a "
        "name of config/base.yaml: did you mean 'history_len'? Known: history_len, vector_dim",
        "feature_views/items.yaml:5: unknown key 'pth': did you mean 'path'? Known: available, created_field, "
        "ducklake, first_day, missing_partitions, null_timestamps, partition_slack, path, postgres, query, snapshot, "
        "table and 2 more",
        "feature_views/prices.yaml:3: ttl: 'soon' is not a duration: write a whole number above 0 and a unit (ns, us, "
        "ms, s, m, h, d, w), like 7d, or 'unbounded'",
        "feature_services/ranking.yaml:11: columns.0.dtype: unknown type 'int46': did you mean 'int64'? Known: bool, "
        "date, decimal(p, s), double, float, halffloat, int16, int32, int64, int8, list<...>, string, timestamp[ms], "
        "timestamp[ns], timestamp[us, UTC], timestamp[us], uint16, uint32, uint64, uint8",
    ]


def test_a_document_within_its_limits_is_read_and_one_beyond_is_not_composed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_module, "_MAX_NODES", 10)
    assert load(tmp_path, "a: [1, 2, 3, 4, 5, 6, 7]\n")[1] == []
    composed: list[str] = []
    monkeypatch.setattr(document_module.yaml, "compose", lambda text, Loader: composed.append(text))
    assert load(tmp_path, "a: [1, 2, 3, 4, 5, 6, 7, 8]\n")[1] == [
        "file.yaml:1: is not valid YAML: has more than 10 keys and values: split it"
    ]
    assert not composed


def test_brackets_that_are_never_closed_are_not_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[str] = []
    monkeypatch.setattr(document_module.yaml, "compose", lambda text, Loader: composed.append(text))
    for text in ("[" * 50_010, "a: \n" + "- " * 50_010, "{a: " * 50_010):
        assert load(tmp_path, text)[1][0].endswith(": is not valid YAML: nested deeper than 40 levels")
    assert not composed


@pytest.mark.parametrize(("levels", "mistakes"), [(40, 0), (41, 1)])
@pytest.mark.parametrize("libyaml", [True, False])
def test_the_deepest_level_is_the_same_with_libyaml_and_without(
    levels: int, mistakes: int, libyaml: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not libyaml:
        monkeypatch.delattr(document_module.yaml, "CSafeLoader", raising=False)
    assert len(load(tmp_path, "a: " + "[" * levels + "]" * levels)[1]) == mistakes


def test_the_nodes_are_counted_without_libyaml_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_module, "_MAX_NODES", 10)
    monkeypatch.delattr(document_module.yaml, "CSafeLoader", raising=False)
    assert load(tmp_path, "a:\n" + "- x\n" * 9)[1] == [
        "file.yaml:9: is not valid YAML: has more than 10 keys and values: split it"
    ]


def test_a_directory_of_more_files_than_a_project_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_module, "_MOST_FILES", 2)
    project = TinyProject(tmp_path)
    with pytest.raises(ConfigurationError) as raised:
        project.write().load()
    assert str(raised.value) == (
        f"{tmp_path / 'feature_views'}: holds 3 feature views, and a project at most 2: split it"
    )


def test_a_directory_of_more_bytes_than_a_project_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = TinyProject(tmp_path).write()
    views = sorted((tmp_path / "feature_views").glob("*.yaml"))
    with views[0].open("a") as file:
        file.write("#" * 1000)
    size = sum(path.stat().st_size for path in views)
    monkeypatch.setattr(project_module, "_MOST_BYTES", size)
    project.load()
    with views[0].open("a") as file:
        file.write("#")
    with pytest.raises(ConfigurationError) as raised:
        project.load()
    assert str(raised.value).splitlines()[0] == (
        f"{tmp_path / 'feature_views'}: holds feature views of {size + 1:,} bytes, and a project at most {size:,}: "
        "split it"
    )


def test_a_document_is_the_same_with_libyaml_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of the repository, and texts of which one reader takes what the other refuses."""
    odd = [
        "a:\t1\n",
        "{a?b: 1}\n",
        "\ufeffa: 1\n",
        "a: '\ufeff'\n",
        "a: b\x07\n",
        "a: [1, 2\n",
        "a: !x 1\n",
        "a: 1\n...\n",
    ]
    files = [file for folder in ("config", "feature_views", "tests") for file in (REPOSITORY / folder).rglob("*.yaml")]
    assert len(files) > 100
    texts = [*odd, *(file.read_text(encoding="utf-8") for file in files)]
    quickly = [load(tmp_path, text) for text in texts]
    monkeypatch.delattr("yaml.CSafeLoader")
    for text, (document, mistakes) in zip(texts, quickly, strict=True):
        slowly, same_mistakes = load(tmp_path, text)
        assert mistakes == same_mistakes, text
        assert document == slowly, text

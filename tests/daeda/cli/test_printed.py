"""What is printed is harmless: controls are escapes, no value begins a line, secrets are masked, streams may end."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from daeda.cli.main import main
from daeda.compiler.pipeline_file import pipeline_text
from daeda.durations import seconds_since
from daeda.errors import ConfigurationError, DaedaError, InputError, first_line
from daeda.planning.explain_sql import explain_sql
from daeda.process.console import HarmlessConsole
from daeda.process.messages import run_command
from daeda.process.printable import HarmlessFormatter, harmless, printable
from daeda.storage.access import without_secrets
from tests.clocks import set_clock
from tests.packages import PACKAGES
from tests.projects import TinyProject

REPOSITORY = Path(__file__).parents[3]
# A line break of each kind, what a terminal obeys, what is not seen, and what turns the order of letters round.
HARMFUL = [*(chr(code) for code in range(32)), "\x7f", *(chr(code) for code in range(0x80, 0xA0)), *"\u2028\u2029"]
HARMFUL += [
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u200b\u200c\u200d\u2060\ufeff\xad"
]
HARMFUL += ["\ud800", "\udcff", "\U000e0041"]


@pytest.mark.parametrize("letter", HARMFUL, ids=lambda letter: f"U+{ord(letter):04X}")
def test_no_character_that_acts_reaches_the_terminal(letter: str, capsys: pytest.CaptureFixture[str]) -> None:
    def command(arguments: Sequence[str]) -> int:
        raise InputError(f"view 'a{letter}error: all days are there': no such view")

    assert run_command(command, []) == 2
    told = capsys.readouterr().err
    assert re.fullmatch(r"error: view 'a\\[\w]+error: all days are there': no such view\n", told, re.ASCII)


def test_text_of_every_language_is_left_as_it_is() -> None:
    text = "Übergrößen, цена, 价格, السعر, e\u0301, 🙂, a\u00a0b, `x` \\n"
    assert harmless(text) == text


def test_each_sentence_of_an_error_is_a_line_and_no_value_is(capsys: pytest.CaptureFixture[str]) -> None:
    def command(arguments: Sequence[str]) -> int:
        raise ConfigurationError("a.yaml:1: 'x\nerror: b.yaml'", "c.yaml:2: too")

    assert run_command(command, []) == 2
    assert capsys.readouterr().err == "error: a.yaml:1: 'x\\nerror: b.yaml'\nerror: c.yaml:2: too\n"
    assert str(ConfigurationError("a", "b")) == "a\nb"


def test_sentences_are_never_joined_before_they_are_raised() -> None:
    """A joined text would be taken for one sentence that quotes a line break."""
    joined = re.compile(r"(?:Error|NotBuiltYet|kind)\(\s*\"\\n\"\.join")
    files = [path for name in PACKAGES for path in (REPOSITORY / name).rglob("*.py")]
    assert len(files) > 100
    assert not [path for path in files if joined.search(path.read_text(encoding="utf-8"))]


def test_nothing_is_printed_past_what_makes_it_harmless() -> None:
    home = {"daeda/process/messages.py", "sample_data/generate.py"}
    # What this writes is JSON in ASCII, to the process that started them.
    home |= {"daeda/sources/exports/request.py"}
    # What the process says that tries a lock are four words, to the one that started it.
    home |= {"daeda/doctor/file_system.py"}
    # What the user's code prints goes through it on the way to stderr.
    home |= {"daeda/functions/interference.py"}
    past = re.compile(r"(?<![\w.])(?:print|Console)\(|stderr\.write|stdout\.write")
    printed = {
        str(path.relative_to(REPOSITORY))
        for name in (*PACKAGES, "sample_data")
        for path in (REPOSITORY / name).rglob("*.py")
        if past.search(path.read_text(encoding="utf-8"))
    }
    assert printed == home


def test_an_error_that_nobody_foresaw_keeps_its_traceback_and_forges_no_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command(arguments: Sequence[str]) -> int:
        raise ValueError("a\nerror: all is well\x1b[2J")

    assert run_command(command, []) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: a\\nerror: all is well\\x1b[2J"


def test_an_exception_whose_text_cannot_be_made_is_told_by_its_type() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert first_line(Silent()) == "Silent"
    assert first_line(ValueError("")) == "ValueError"


def test_tables_show_names_as_they_are() -> None:
    console = HarmlessConsole()
    console.file = io.StringIO()
    console.print("[red]a[/red] :smile: \x1b[31m\rb\nc")
    assert console.file.getvalue() == "[red]a[/red] :smile: \\x1b[31m\\rb\\nc\n"


def test_records_of_logging_are_harmless() -> None:
    import logging

    record = logging.LogRecord("ray", logging.ERROR, "", 0, "a\nerror: b %s", ("\x1b",), None)
    assert HarmlessFormatter("%(levelname)s %(message)s").format(record) == "ERROR a\\nerror: b \\x1b"


CONTROLS = "a\nerror: b\x1b[31m\u202e"


def with_controls(root: Path) -> TinyProject:
    """A project whose texts act on a terminal, wherever one may stand that is shown."""
    project = TinyProject(root).without("item_vector")
    project.service["spine"]["filters"] = [{"where": f"amount > 0\n AND user_id::VARCHAR <> '{CONTROLS}'"}]
    project.column("category")["default"] = CONTROLS
    project.service["columns"].append(
        {"name": "twice", "kind": "derived", "dtype": "string", "expression": f"concat(category, '{CONTROLS}')"}
    )
    project.runtime["output_columns"].append("twice")
    project.views["items"]["field_mapping"] = {CONTROLS: "category"}
    project.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    return project.write()


@pytest.mark.parametrize("words", ["explain", "explain --sql", "explain --format mermaid", "compile --no-write"])
def test_what_describes_a_pipeline_is_harmless(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = with_controls(tmp_path)
    command, *flags = words.split()
    assert main(["pipeline", command, "ranking", *flags, "--runtime-config-path", str(project.runtime_path)]) == 0
    told = capsys.readouterr().out
    assert harmless(told) == told.replace("\n", "\\n")
    assert not [line for line in told.splitlines() if line.lstrip().startswith("error")]
    assert "error: b" in told


def test_a_script_without_controls_is_the_same_statement(tmp_path: Path) -> None:
    import duckdb

    project = with_controls(tmp_path)
    script = explain_sql(project.compile().skeleton(), project.load().runtime.days[0], 10)
    match = re.search(r"WHERE\s+(amount > 0.*?);", script, re.DOTALL)
    assert match is not None
    rows = "(VALUES (1, ?), (1, 'x')) AS l(amount, user_id)"
    kept = duckdb.execute(f"SELECT user_id FROM {rows} WHERE {match[1]}", [CONTROLS]).fetchall()
    assert kept == [("x",)]


def test_a_compiled_pipeline_reads_back_as_it_was(tmp_path: Path) -> None:
    text = pipeline_text(with_controls(tmp_path).compile().to_model())
    assert text.isascii()
    operators = {operator["name"]: operator for operator in yaml.safe_load(text)["operators"]}
    assert operators["filter_spine_1"]["predicate"].endswith(f"<> '{CONTROLS}'")
    assert CONTROLS in [column.get("default") for column in operators["assemble"]["columns"]]


@pytest.mark.parametrize(("command", "code"), [("plan", 0), ("train", 2)])
def test_what_a_run_says_of_such_texts_is_harmless(command: str, code: int, tmp_path: Path) -> None:
    with_controls(tmp_path).write_data()
    done = run(["pipeline", command, "ranking"], cwd=tmp_path, env=environment())
    told = (done.stderr + done.stdout).decode()
    assert done.returncode == code
    assert harmless(told) == told.replace("\n", "\\n")
    if command == "train":
        assert "has no column 'a\\nerror: b\\x1b[31m\\u202e' (field 'category'): " in told


@pytest.mark.parametrize(
    "path", ["s3://key:secret@lake/x", "s3://lake/x?s3_secret_access_key=abcd", "https://tok@host/x"]
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = TinyProject(tmp_path)
    project.views["items"]["source"]["path"] = path
    project.write()
    assert main(["pipeline", "plan", "ranking", "--runtime-config-path", str(project.runtime_path)]) == 2
    assert capsys.readouterr().err == (
        "error: feature_views/items.yaml:4: source.path: the address has a password or a key in it: credentials stay "
        "outside, see docs/storage.md\n"
    )


SECRETS = {
    "postgres://me:p%40ss/w@rd@host:5432/db?sslmode=off": "postgres://me:***@host:5432/db?sslmode=off",
    "ducklake:postgres:host=h password=hunter2 user=u": "ducklake:postgres:host=h password=*** user=u",
    "host=h password='it''s a secret' user=u": "host=h password='***' user=u",
    "connection \"host=h password = x y\"": "connection \"host=h password = *** y\"",
    "s3://b/k?X-Amz-Credential=AK/1&X-Amz-Signature=abc&part=1": "s3://b/k?X-Amz-Credential=***&X-Amz-Signature=***&part=1",
    "s3://b/k?s3_access_key_id=AK&s3_secret_access_key=SK": "s3://b/k?s3_access_key_id=***&s3_secret_access_key=***",
    "https://ghp_token@host/x": "https://***@host/x",
    "https://a.blob/c?sv=1&sig=abc%3D": "https://a.blob/c?sv=1&sig=***",
    "AccountKey=abc==;EndpointSuffix=x": "AccountKey=***;EndpointSuffix=x",
    "found {'password': 'a b', 'host': 'c'}": "found {'password': '***', 'host': 'c'}",
    "dbname=x password=ab,cd host=h": "dbname=x password=*** host=h",
    "dbname=x password=ab;c)d]e'f\"g&h host=h": "dbname=x password=*** host=h",
    "PGPASSWORD=abc}def": "PGPASSWORD=***",
    "(host=h password=a,b), then": "(host=h password=***), then",
    "'host=h password=ab' and \"password=cd\": no": "'host=h password=***' and \"password=***\": no",
    "password='a b'c d' host=h": "password='***'",
    "no host in password='ab cd": "no host in password='***'",
    '{"dsn":"host=h password=a,b","port":1}': '{"dsn":"host=h password=***","port":1}',
    "postgres://h/d?password=abc,def&a=1": "postgres://h/d?password=***&a=1",
    "postgres://u:pa ss@h/d": "postgres://u:***@h/d",
    "postgres://u:p\"w@h/d": "postgres://u:***@h/d",
    "SECRET (TYPE s3, KEY_ID 'AK', SECRET 'hunter2hunter2')": "SECRET (TYPE s3, KEY_ID '***', SECRET '***')",
    '{"password": 12345678, "a": 1}': '{"password": ***, "a": 1}',
    "Password: hunter2": "Password: ***",
}  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SECRETS.items(), ids=range(len(SECRETS)))
def test_secrets_of_addresses_are_masked(text: str, shown: str) -> None:
    assert without_secrets(text, {}) == shown
    assert without_secrets(shown, {}) == shown


@pytest.mark.parametrize(
    "text",
    [
        "view 'password': path /data/token/secret does not exist",
        "postgres://environment/shop.prices, s3://lake/a:b@c, head.example:6379, me@host",
        "tokens=5, the column 'token' is int64, and the view declares string: correct the view",
        "ducklake://meta.ducklake/main.prices@3",
        "views.yaml:4: fields.password: input should be a text, secret of 'x', the key 'secret' is unknown",
        "redis://head.example:6379 'is not reached', nor me@host",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text, {}) == text


@pytest.mark.parametrize(
    "form", ["p@ss'w&rd", "p%40ss%27w%26rd", "p%40ss%27w%26rd".lower(), "p@ss''w&rd", "p@ss\\'w&rd"]
)
def test_known_secrets_are_masked_however_they_are_quoted(form: str) -> None:
    environ = {"PGPASSWORD": "p@ss'w&rd", "AWS_SECRET_ACCESS_KEY": "0123456789abcdef", "MY_API_KEY": "fedcba9876543210"}
    assert without_secrets(f"said {form} and 0123456789abcdef, fedcba9876543210", environ) == "said *** and ***, ***"


def test_a_message_is_masked_and_then_escaped() -> None:
    assert printable("postgres://me:pass@host\n") == "postgres://me:***@host\\n"


def run(words: Sequence[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "daeda", *words], capture_output=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "", **more}


@pytest.mark.parametrize(
    "encoding", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_an_encoding_without_a_letter_ends_no_command(encoding: dict[str, str], tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.column("category")["default"] = "größer 价格"
    project.write()
    done = run(["pipeline", "explain", "ranking"], cwd=tmp_path, env=environment(**encoding))
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"'gr\\xf6\\xdfer \\u4ef7\\u683c' where NULL" in done.stdout


def test_a_reader_that_goes_away_ends_a_command_quietly(tmp_path: Path) -> None:
    TinyProject(tmp_path).write()
    script = f"{sys.executable} -m daeda pipeline explain ranking --sql | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_word_and_a_directory_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    done = run([b"pipeline", b"plan", b"ranking", b"--output-root", b"/tmp/\xff"], cwd=tmp_path, env=environment())  # type: ignore[list-item]
    assert done.returncode == 2
    assert done.stderr == (
        b"error: '/tmp/\\udcff' is not UTF-8, and names of files are read as UTF-8: rename it, or write it in UTF-8\n"
    )
    there = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(there)  # noqa: PTH102 - no Path holds these bytes
    done = run(["pipeline", "plan", "ranking"], cwd=there, env=environment())
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: the working directory '")
    assert b"\\udcff' is not UTF-8" in done.stderr


def test_a_working_directory_that_is_gone_is_refused(tmp_path: Path) -> None:
    script = f"mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -P -m daeda pipeline plan ranking"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        b"error: the working directory cannot be read (No such file or directory): go to another one\n"
    )


def test_an_error_of_daeda_is_pickled_with_its_sentences() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(DaedaError("a", "b")))
    assert error.sentences == ("a", "b")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("x.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_process_without_memory_says_so(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def command(arguments: Sequence[str]) -> int:
        raise error

    assert run_command(command, []) == 1
    assert capsys.readouterr().err == (
        "error: this process got no more memory: give it more (ulimit -v, ulimit -u, the limit of its container), or "
        "less to do at once\n"
    )


def test_a_clock_that_is_set_back_makes_no_negative_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([100.0, 40.0, 41.5])
    set_clock(monkeypatch, "daeda.durations", perf_counter=lambda: next(readings))
    started = next(readings)
    assert seconds_since(started) == 0.0
    assert seconds_since(40.0) == 1.5


def test_seconds_are_taken_in_one_way() -> None:
    """What is shown of a duration comes from `seconds_since`, which is never negative."""
    taken = re.compile(r"perf_counter\(\) - ")
    files = {
        str(path.relative_to(REPOSITORY))
        for name in ("daeda", "beam_pipeline", "enrich")
        for path in (REPOSITORY / name).rglob("*.py")
        if taken.search(path.read_text(encoding="utf-8"))
    }
    assert files == {"daeda/durations.py"}

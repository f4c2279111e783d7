"""Odd inputs: each row is written or kept aside, or the import ends with code 2 and a sentence, and no traceback."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from daeda.cli.main import main

HEAD = "user,at,price\n"
LINES = "".join(f"{at},2024-01-0{1 + at % 3} 10:00:0{at},{at}.5\n" for at in range(6))
TEXT = (HEAD + LINES).encode()

# Rows of the file, None where it is refused.
FILES: dict[str, tuple[bytes, int | None]] = {
    "cut.csv.gz": (gzip.compress(TEXT)[:-12], None),
    "members.csv.gz": (gzip.compress(HEAD.encode()) + gzip.compress(LINES.encode()), 6),
    "zeros.csv.gz": (gzip.compress(TEXT) + bytes(512), 6),
    "nothing.csv": (b"", None),
    "header.csv": (HEAD.encode(), None),
    "cr.csv": (TEXT.replace(b"\n", b"\r"), 6),
    "alike.csv": (TEXT.replace(b"price", b"USER"), None),
    "day.csv": (TEXT.replace(b"price", b"day"), 6),
    "utf16.csv": (TEXT.decode().encode("utf-16"), 6),
    "utf16le.csv": (TEXT.decode().encode("utf-16-le"), None),
    "newline.csv": (b'user,at,price\n"a\nb",2024-01-01,1\n', 1),
    "open.csv": (b'user,at,price\n1,2024-01-01,"2\n3,2024-01-01,4\n', 2),
    "leap.csv": (b"user,at\n1,2016-12-31 23:59:60\n", None),
    "zones.csv": (b"user,at\n1,2024-01-01 00:00Z\n2,2024-01-01 00:00\n3,2024-01-01 00:00+05:00\n", 3),
    "torn.jsonl": (b'{"user":1,"at":"2024-01-01"}\n{"user":1,"at":"20', 2),
    "text.parquet": (TEXT, None),
}


def looked_at(tmp_path: Path, path: Path, rows: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "out"
    code = main(["import", str(path), "--to", str(to), "--timestamp-field", "at", "--json"])
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    if rows is None:
        assert code == 2
        assert told.err.startswith("error: ")
        return
    found = json.loads(told.out)["files"][0]
    aside = [len(one.read_text().splitlines()) for one in to.glob("_rejected/*")]
    written = [pq.read_metadata(one).num_rows for one in to.glob("dt=*/*.parquet")]
    assert (sum(written), sum(aside)) == (found["rows"], found["rejected"])
    assert (sum(written) + sum(aside), code) == (rows, 1 if aside else 0)


@pytest.mark.parametrize("name", FILES)
def test_each_row_is_written_or_kept_aside_or_the_file_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, rows = FILES[name]
    path = tmp_path / name
    path.write_bytes(data)
    looked_at(tmp_path, path, rows, capsys)


@pytest.mark.parametrize("name", ["_staging", "_rejected", "dt=2024-01-01", "_import.json"])
def test_what_stands_in_the_way_is_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("x")
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT + b"7,never,x\n")
    code = main(["import", str(path), "--to", str(tmp_path / "out"), "--timestamp-field", "at", "--dtype",
                 "at=timestamp[us]"])  # fmt: skip
    told = capsys.readouterr().err
    assert code == 2
    assert f"/out/{name}" in told
    assert "Traceback" not in told

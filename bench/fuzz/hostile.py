"""Values and texts that YAML can hold and nobody means: what the fuzzer splices in."""

# ruff: noqa: E501

from __future__ import annotations

import datetime as dt
from typing import Any

# What a tree can hold and nobody means: SQL, paths, numbers at the edges, texts of every kind.
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**300, 1.5, -0.0, float("nan"), float("inf"), 1e308,
    "", " ", ".", "..", "../../etc/passwd", "/", "/dev/zero", "~", "s3://", "s3://bucket", "file:///etc/passwd", "*", "**",
    "[", "{", "dt=2024-01-01", "a\0b", "a\nb", "\x1b[31m", "\ud7ff", "é", "İ", "名前", "👩‍👩‍👧", "٣d", "a" * 10_000, "x" * 300,
    "'; DROP TABLE x; --", "x' OR 1=1", 'a"b', "SELECT", "select", "order", "rowid", "__row", "user_id", "event_timestamp",
    "(SELECT 1)", "read_text('/etc/passwd')", "ATTACH 'x'", "COPY x TO 'y'", "SET threads=1", "count(*)", "1 +", "(" * 300,
    "x -> x", "NULL", "true", "a.b", "a;b", "unbounded", "0d", "7d", "1ns", "9" * 40 + "d", "list<int64>", "int64", "string",
    "list<list<list<int64>>>", "decimal(38, 38)", "decimal(0, 0)", "timestamp[us]", "halffloat", "count", "last_distinct",
    "point_in_time", "rolling", "derived", "2024-02-30", "0001-01-01", "9999-12-31", "2024-13", "10000-01-01", "64GiB",
    dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.datetime(2024, 1, 1, 12), b"bytes", [], {}, [[]], [None], {"": ""},
    {"name": "x"}, {"view": "x"}, [{"name": "x"}], ["user"] * 3, {"a": {"b": {"c": [1]}}},
)  # fmt: skip
# Damage to the text of a file, which no tree can hold.
DAMAGE: tuple[str, ...] = (
    "a: &a [*a]\n", "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b]\n",
    "x: *nothing\n", "<<: {name: x}\n", "? [a]\n: b\n", "name: twice\nname: twice\n", "---\nname: other\n", "\t\tx: 1\n",
    "x: !!python/object/apply:os.system ['true']\n", "x: !!binary aGk=\n", "x: !!set {a, b}\n", "x: !!omap [a: 1]\n",
    "x: !!int text\n", "x: !!timestamp never\n", "x: !!float ''\n", "!!str x: y\n", "%YAML 9.9\n", "x: " + "[" * 200 + "\n",
    "x: " + "{a: " * 60 + "1" + "}" * 60 + "\n", "- a list\n", "just text\n", "'unclosed\n", "x: |\n  block\n y: 1\n", "\0\n",
    "\ufeffx: 1\n", "x: 0x\n", "x: 0b2\n", "x: 1_\n", "x: 12:99:99\n", "x: 2024-99-99\n", "x: .nan\n", "x: ._\n", "x: 0o9\n",
    "x: +-1\n", "x: 1e999\n", "#" * 5000 + "\n", "{}\n",
)  # fmt: skip

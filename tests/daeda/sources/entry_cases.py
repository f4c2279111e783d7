"""Trees of files behind a view, and what of them is data: the same on disks, on object storage, and in the audit."""

from __future__ import annotations

from dataclasses import dataclass

_ONLY_DAYS = "the view has dt=YYYY-MM-DD directories, and reads those alone"
_DIRECTLY = "a partition holds files .parquet directly"
_FLAT = "the view reads files .parquet directly in its directory"
_TABLE = (
    ", which says what files are rows, and daeda does not read it: export the table to plain Parquet files, and scan "
    "those"
)


@dataclass(frozen=True)
class EntryCase:
    """Files (empty directories end with a slash) below `v`, the view's path, and the files read or the refusal.

    In a refusal `{v}` stands for what the view's directory is called.
    """

    files: tuple[str, ...]
    read: tuple[str, ...] = ()
    refused: str = ""
    path: str = "v"


def left_out(entry: str, rule: str) -> str:
    """The sentence about an entry that may be data."""
    return (
        f"{{v}}/{entry} would not be read: {rule}; move or rename it (a name that begins with _ or . is known to be no "
        "data)"
    )


A = "dt=2024-01-01/a.parquet"
CASES = {
    "hidden": EntryCase(
        (
            A, "dt=2024-01-01/_SUCCESS", "dt=2024-01-01/.a.parquet.crc", "dt=2024-01-01/_b.parquet",
            "dt=2024-01-01/.c.parquet", "dt=2024-01-01/_temporary/0/task/part-1.parquet", "_metadata", "_SUCCESS",
            "dt=2024-01-01/.ipynb_checkpoints/a-checkpoint.parquet", ".staging/dt=2024-01-01/x.parquet",
        ),
        (A,),
    ),
    "hidden, flat": EntryCase(
        ("a.parquet", "_b.parquet", ".c.parquet", "_common_metadata", "_x/y/z.parquet"), ("a.parquet",)
    ),
    "empty directories": EntryCase((A, "x/", "dt=2024-01-01/y/_temporary/z.parquet", "dt=2024-01-01/w/"), (A,)),
    "an empty day": EntryCase((A, "dt=2024-01-02/"), (A,)),
    "below the day": EntryCase(
        (A, "dt=2024-01-01/country=NO/b.parquet"),
        refused=left_out("dt=2024-01-01/country=NO/b.parquet", _DIRECTLY),
    ),
    "only below the day": EntryCase(
        ("dt=2024-01-01/hour=01/a.parquet",), refused=left_out("dt=2024-01-01/hour=01/a.parquet", _DIRECTLY)
    ),
    "above the day": EntryCase(("country=NO/" + A,), refused=left_out("country=NO/" + A, _FLAT)),
    "above and beside the day": EntryCase((A, "country=NO/" + A), refused=left_out("country=NO/" + A, _ONLY_DAYS)),
    "in capitals": EntryCase(("DT=2024-01-01/a.parquet",), refused=left_out("DT=2024-01-01/a.parquet", _FLAT)),
    "in capitals beside": EntryCase(
        (A, "DT=2024-01-02/a.parquet"), refused=left_out("DT=2024-01-02/a.parquet", _ONLY_DAYS)
    ),
    "no day": EntryCase(
        (A, "dt=__HIVE_DEFAULT_PARTITION__/b.parquet"),
        refused="{v}/dt=__HIVE_DEFAULT_PARTITION__ is not a day: a partition is named dt=YYYY-MM-DD, so rename or "
        "remove it",
    ),
    "a short day": EntryCase(
        ("dt=2024-1-1/b.parquet",),
        refused="{v}/dt=2024-1-1 is not a day: a partition is named dt=YYYY-MM-DD, so rename or remove it",
    ),
    "a file beside days": EntryCase((A, "b.parquet"), refused=left_out("b.parquet", _ONLY_DAYS)),
    "a file like a day": EntryCase((A, "dt=2024-01-02"), refused=left_out("dt=2024-01-02", _ONLY_DAYS)),
    "a file like a day, alone": EntryCase(("dt=2024-01-02",), refused=left_out("dt=2024-01-02", _FLAT)),
    "text beside days": EntryCase((A, "README.md"), refused=left_out("README.md", _ONLY_DAYS)),
    "a directory like a file": EntryCase(
        (A, "dt=2024-01-01/b.parquet/part-0.parquet"),
        refused=left_out("dt=2024-01-01/b.parquet/part-0.parquet", _DIRECTLY),
    ),
    "a directory like a file, flat": EntryCase(
        ("a.parquet", "b.parquet/part-0.parquet"), refused=left_out("b.parquet/part-0.parquet", _FLAT)
    ),
    "a sub-directory, flat": EntryCase(("a.parquet", "old/b.parquet"), refused=left_out("old/b.parquet", _FLAT)),
    "being copied": EntryCase(
        (A, "dt=2024-01-01/b.parquet._COPYING_"), refused=left_out("dt=2024-01-01/b.parquet._COPYING_", _DIRECTLY)
    ),
    "a partition that Spark reads and pyarrow does not": EntryCase(
        (A, "_region=x/b.parquet"), refused=left_out("_region=x/b.parquet", "names that begin with _ are left out")
    ),
    "Delta": EntryCase(
        (A, "_delta_log/00000000000000000000.json"), refused="{v}/_delta_log is the log of a Delta table" + _TABLE
    ),
    "Delta, flat": EntryCase(
        ("a.parquet", "_delta_log/0.json"), refused="{v}/_delta_log is the log of a Delta table" + _TABLE
    ),
    "Delta, one level down": EntryCase(
        ("t/a.parquet", "t/_delta_log/0.json"), refused="{v}/t/_delta_log is the log of a Delta table" + _TABLE
    ),
    "Delta, by a pattern": EntryCase(
        ("a.parquet", "_delta_log/1.checkpoint.parquet"),
        refused="{v}/_delta_log is the log of a Delta table" + _TABLE, path="v/**/*.parquet",
    ),
    "Delta, one file": EntryCase(
        ("a.parquet", "_delta_log/0.json"), refused="{v}/_delta_log is the log of a Delta table" + _TABLE,
        path="v/a.parquet",
    ),
    "Delta, one day": EntryCase(
        (A, "_delta_log/0.json"), refused="{v}/_delta_log is the log of a Delta table" + _TABLE, path="v/dt=2024-01-01"
    ),
    "Hudi": EntryCase((A, ".hoodie/hoodie.properties"), refused="{v}/.hoodie is the timeline of a Hudi table" + _TABLE),
    "Iceberg": EntryCase(
        ("data/" + A, "metadata/v1.metadata.json"),
        refused="{v}/metadata/v1.metadata.json is the metadata of an Iceberg table" + _TABLE,
    ),
    "Iceberg, its data": EntryCase(
        ("data/" + A, "metadata/v1.metadata.json"),
        refused="{v}/metadata/v1.metadata.json is the metadata of an Iceberg table" + _TABLE, path="v/data",
    ),
    "a pattern and hidden names": EntryCase(
        ("a.parquet", "_b.parquet", ".c.parquet", "x/d.parquet", "_x/e.parquet"), ("a.parquet", "x/d.parquet"),
        path="v/**/*.parquet",
    ),
    "a pattern of everything": EntryCase(("a.parquet", "x/d", "_x/e"), ("a.parquet", "x/d"), path="v/**"),
    "a pattern of files of any name": EntryCase(("part-0", "part-1", "_SUCCESS"), ("part-0", "part-1"), path="v/*"),
    "a pattern of hidden names": EntryCase(("_b.parquet", "c.parquet"), ("_b.parquet",), path="v/_*.parquet"),
    "a pattern of one letter": EntryCase(
        ("a.parquet", "ab.parquet", "b.parquet"), ("b.parquet",), path="v/[!a].parquet"
    ),
    "a pattern over days": EntryCase(
        (A, "dt=2024-01-02/b.parquet"), (A, "dt=2024-01-02/b.parquet"), path="v/dt=*/*.parquet"
    ),
    "a pattern of directories": EntryCase(
        (A,), path="v/dt=*",
        refused=left_out(A, "'dt=*' matches {v}/dt=2024-01-01, which is a directory"),
    ),
    "a pattern that matches a directory": EntryCase(
        ("a.parquet", "b.parquet/part-0"), path="v/*.parquet",
        refused=left_out("b.parquet/part-0", "'*.parquet' matches {v}/b.parquet, which is a directory"),
    ),
    "a pattern that matches nothing": EntryCase(("a.parquet",), path="v/*.pq", refused="{v}/*.pq matches no {file}: "),
    "one file": EntryCase(("a.parquet", "b.parquet"), ("a.parquet",), path="v/a.parquet"),
    "one file of any name": EntryCase(("part-0", "part-1"), ("part-0",), path="v/part-0"),
    "one file with a hidden name": EntryCase(("_a.parquet",), ("_a.parquet",), path="v/_a.parquet"),
    "a directory with a file's name": EntryCase(
        ("t.parquet/part-0.parquet", "t.parquet/_SUCCESS"), ("t.parquet/part-0.parquet",), path="v/t.parquet"
    ),
}  # fmt: skip
for _name in ("part-00000", "b.parq", "c.PARQUET", "d.parquet.gzip", "e.pq", "f.csv", "g.parquet.crc", "h.parquet~"):
    CASES[f"another extension, {_name}"] = EntryCase(
        (A, f"dt=2024-01-01/{_name}"), refused=left_out(f"dt=2024-01-01/{_name}", _DIRECTLY)
    )
    CASES[f"another extension, {_name}, flat"] = EntryCase(("a.parquet", _name), refused=left_out(_name, _FLAT))

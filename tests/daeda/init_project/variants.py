"""Small files as they come: delimiters, encodings, line ends, formats of times, odd numbers, broken lines, odd names.

Each of them is a file and how many rows it has, of which none may get lost.
"""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import json
import lzma
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 120
_START = dt.datetime(2024, 3, 1)


@dataclass(frozen=True)
class Variant:
    """A file, the rows that it has, and how many of them at least must be kept aside.

    `refused` says that a sentence is as good as a project; without it there must be a project.
    """

    name: str
    content: bytes
    rows: int
    aside: int = 0
    refused: bool = False

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.name
        path.write_bytes(self.content)
        return path


def moments(
    step: dt.timedelta = dt.timedelta(hours=2), number: int = ROWS, start: dt.datetime = _START
) -> list[dt.datetime]:
    return [start + step * at for at in range(number)]


def seconds(at: dt.datetime) -> int:
    return int(at.replace(tzinfo=dt.UTC).timestamp())


Rows = Sequence[Mapping[str, Any]]


def written_by(form: str) -> Callable[[dt.datetime], str]:
    return lambda at: at.strftime(form)


def since_1970(factor: int) -> Callable[[dt.datetime], int]:
    return lambda at: seconds(at) * factor


def one_of(values: Sequence[str]) -> Callable[[int], str]:
    return lambda number: values[number % len(values)]


def now_and_then(word: str) -> Callable[[int], Any]:
    return lambda number: number if number % 5 else word


def seldom(word: str) -> Callable[[int], str]:
    return lambda number: word if number in (50, 77) else str(_START + dt.timedelta(hours=2 * number + 3))


def rows(time: Callable[[dt.datetime], Any] = str, number: int = ROWS, **more: Callable[[int], Any]) -> Rows:
    return [
        {
            "user_id": f"u{at % 7}",
            "at": time(moment),
            "value": at % 11,
            **{name: make(at) for name, make in more.items()},
        }
        for at, moment in enumerate(moments(number=number))
    ]


def csv_text(
    found: Rows, delimiter: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL, names: Sequence[str] = ()
) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(names or list(found[0]))
    writer.writerows(list(one.values()) for one in found)
    return out.getvalue()


def of_csv(found: Rows, name: str = "events.csv", encoding: str = "utf-8", **how: Any) -> bytes:
    return csv_text(found, **how).encode(encoding)


def of_json(found: Iterable[Any]) -> bytes:
    return "".join(f"{json.dumps(one)}\n" for one in found).encode()


def of_parquet(table: pa.Table, **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **how)
    return out.getvalue()


def lines(found: Rows, *more: str, at: int = 60, end: str = "\n") -> bytes:
    """CSV with lines put in as they are."""
    written = csv_text(found, end="\n").splitlines()
    return (end.join([*written[:at], *more, *written[at:]]) + end).encode()


VARIANTS: dict[str, Variant] = {}


def add(
    name: str, content: bytes, number: int = ROWS, file: str = "events.csv", aside: int = 0, refused: bool = False
) -> None:
    assert name not in VARIANTS
    VARIANTS[name] = Variant(file, content, number, aside, refused)


plain = rows()
# How a text is written.
for word, sign in (("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|")):
    add(f"csv {word}", of_csv(plain, delimiter=sign))
add("csv tsv", of_csv(plain, delimiter="\t"), file="events.tsv")
for word, end in (("crlf", "\r\n"), ("lf", "\n"), ("cr", "\r")):
    add(f"csv {word}", of_csv(plain, end=end))
mixed = csv_text(plain).splitlines()
add("csv mixed lf crlf", "".join(f"{line}{chr(13) if n % 3 else ''}\n" for n, line in enumerate(mixed)).encode())
add("csv mixed all", "".join(line + ("\r\n", "\n", "\r")[n % 3] for n, line in enumerate(mixed)).encode())
add("csv crlf header, lf rows", (mixed[0] + "\r\n" + "\n".join(mixed[1:]) + "\n").encode())
add("csv lf header, crlf rows", (mixed[0] + "\n" + "\r\n".join(mixed[1:]) + "\r\n").encode())
add(
    "csv mixed with broken",
    "".join(
        f"{line}{chr(13) if n % 2 else ''}\n" for n, line in enumerate([*mixed[:60], "u1,x", *mixed[60:]])
    ).encode(),
    ROWS + 1,
    aside=1,
)
add("csv no last end", csv_text(plain).rstrip("\n").encode())
add("csv blank lines", lines(plain, "", "", ""))
add("csv bom", of_csv(plain, encoding="utf-8-sig"))
add("csv bom quoted", of_csv(plain, encoding="utf-8-sig", quoting=csv.QUOTE_ALL))
add("csv quoted", of_csv(plain, quoting=csv.QUOTE_ALL))
add("csv latin-1", of_csv(rows(town=lambda n: "Zürich"), encoding="latin-1"), refused=True)
add("csv utf-16", of_csv(plain, encoding="utf-16"), refused=True)
add(
    "csv one bad byte",
    lines(plain, "u1,2024-03-01 00:00:00,5").replace(b"u1,2024-03-01 00:00:00,5", b"u\xff,2024-03-01 00:00:00,5"),
    ROWS + 1,
    refused=True,
)
add("csv zero byte", lines(plain, "u1\0,2024-03-01 00:00:00,5", at=110), ROWS + 1, refused=True)
for word, pack, ending in (
    ("gz", gzip.compress, "gz"),
    ("bz2", bz2.compress, "bz2"),
    ("xz", lzma.compress, "xz"),
    ("zst", lambda text: pa.compress(text, codec="zstd", asbytes=True), "zst"),
):
    add(f"csv {word}", pack(of_csv(plain)), file=f"events.csv.{ending}", refused=ending in ("bz2", "xz"))
    add(f"jsonl {word}", pack(of_json(plain)), file=f"events.jsonl.{ending}", refused=ending in ("bz2", "xz"))
    add(f"parquet {word}", pack(of_parquet(pa.table({"user_id": [1]}))), 1, f"events.parquet.{ending}", refused=True)
add("csv gz by another name", gzip.compress(of_csv(plain)), refused=True)
add("csv cut gz", gzip.compress(of_csv(plain))[:-20], file="events.csv.gz", refused=True)
# Quotes and lines.
add("csv lines in cells", of_csv(rows(note=lambda n: f"a\nb{n}" if n % 5 == 0 else "c")))
add("csv lines in cells crlf", of_csv(rows(note=lambda n: f"a\r\nb{n}" if n % 5 == 0 else "c"), end="\r\n"))
add("csv lines in cells lf, crlf ends", of_csv(rows(note=lambda n: f"a\nb{n}" if n % 5 == 0 else "c"), end="\r\n"))
add("csv quotes in cells", of_csv(rows(note=lambda n: f'say "{n}"')))
add("csv delimiters in cells", of_csv(rows(note=lambda n: f"a,{n}")))
add("csv quote in the middle", lines(plain, 'u1,2024-03-01 "00:00",5'), ROWS + 1)
add("csv quote never closed", lines(plain, '"u1,2024-03-01 00:00:00,5'), ROWS + 1, aside=1)
add("csv quote text behind", lines(plain, '"u1"x,2024-03-01 00:00:00,5'), ROWS + 1, aside=1)
add("csv too few cells", lines(plain, "u1"), ROWS + 1, aside=1)
add("csv too many cells", lines(plain, "u1,2024-03-01 00:00:00,5,6"), ROWS + 1, aside=1)
add("csv names again", lines(plain, "user_id,at,value"), ROWS + 1, aside=1)
add("csv trailing delimiter", csv_text(plain).replace("\n", ",\n").encode())
add("csv blanks", csv_text(plain).replace(",", ", ").encode())
add("csv comment first", ("# made by a tool\n" + csv_text(plain)).encode(), refused=True)
add("csv separator line", ("sep=;\n" + csv_text(plain, delimiter=";")).encode(), refused=True)
# Names.
add("csv name twice", of_csv(rows(b=lambda n: n), names=["user_id", "at", "value", "value"]), refused=True)
add("csv name without", of_csv(rows(b=lambda n: n), names=["user_id", "at", "value", ""]))
add("csv name case", of_csv(rows(b=lambda n: n), names=["user_id", "at", "value", "Value"]), refused=True)
odd = [
    "user id",
    "Zeit/at",
    "värde (€)",
    "a.b",
    "select",
    "a'b",
    'c"d',
    "100%",
    "日本",
    "x\ty",
    "null",
    "-",
    "e{f}",
    "g:h",
]
add(
    "csv odd names",
    of_csv(
        [
            dict(zip(odd, [f"u{n % 7}", at, *[n % (k + 3) for k in range(len(odd) - 2)]], strict=True))
            for n, at in enumerate(moments())
        ]
    ),
)
add(
    "jsonl odd names",
    of_json(
        [
            dict(zip(odd, [f"u{n % 7}", str(at), *[n % (k + 3) for k in range(len(odd) - 2)]], strict=True))
            for n, at in enumerate(moments())
        ]
    ),
    file="events.jsonl",
)
add("csv line end in name", of_csv(plain, names=["user_id", "at", "va\nlue"]), refused=True)
add("csv reserved name", of_csv(plain, names=["user_id", "at", "dt"]))
add("csv internal name", of_csv(plain, names=["user_id", "at", "__raw value"]))
add(
    "csv c0",
    of_csv(
        rows(c0=lambda n: n * 2, c1=lambda n: "x"),
    ),
)
# Few rows and columns.
add("csv one row", of_csv(rows(number=1)), 1, refused=True)
add("csv two rows", of_csv(rows(number=2)), 2, refused=True)
add("csv no row", b"user_id,at,value\n", 0, refused=True)
add("csv header without end", b"user_id,at,value", 0, refused=True)
add("csv empty", b"", 0, refused=True)
add("csv only blank", b"\n\n\n", 0, refused=True)
add("csv empty column", of_csv(rows(nothing=lambda n: "")))
add("csv no header", csv_text(plain).partition("\n")[2].encode(), refused=True)
add("csv one column", of_csv([{"at": at} for at in moments()]), refused=True)
add("csv no time", of_csv([{"user_id": f"u{n % 7}", "value": n} for n in range(ROWS)]), refused=True)
add("csv constant user", of_csv([{**one, "user_id": "u"} for one in plain]))
add("csv users once", of_csv([{**one, "user_id": f"u{n}"} for n, one in enumerate(plain)]))
add("csv one day", of_csv([{**one, "at": f"2024-03-01 10:{n // 2:02}:00"} for n, one in enumerate(plain)]))
# Times.
for form in (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%d.%m.%Y %H:%M:%S",
    "%Y%m%d",
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S+02:00",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%d %b %Y",
    "%d/%b/%Y:%H:%M:%S +0000",
    "%Y-%m-%d %H:%M",
    "%d-%m-%y",
    "%b %d, %Y",
):
    add(f"csv time {form}", of_csv(rows(written_by(form))))
add(
    "csv time ambiguous",
    of_csv([{"user_id": f"u{n % 4}", "at": f"0{n % 9 + 1}/0{n // 9 % 9 + 1}/2024", "n": n} for n in range(81)]),
    81,
)
add(
    "csv time mixed offsets",
    of_csv(rows(lambda at: f"{at.isoformat()}{['Z', '+01:00', '-05:30'][at.hour // 2 % 3]}")),
)
add("csv time some zoned", of_csv(rows(lambda at: f"{at.isoformat()}{['Z', ''][at.hour // 2 % 2]}")), refused=True)
add("csv time blanks around", of_csv(rows(lambda at: f" {at} ")))
add(
    "csv time 24:00",
    of_csv(rows(lambda at: f"{at:%Y-%m-%d} 24:00" if at.hour == 0 else f"{at:%Y-%m-%d %H:%M}")),
    refused=True,
)
for word in ("never", "n/a", "-", "", "NULL", "0000-00-00 00:00:00", "unknown", "infinity", "0"):
    add(
        f"csv time with '{word}'",
        of_csv([{**one, "at": word if n in (50, 77) else one["at"]} for n, one in enumerate(plain)]),
        aside=2,
    )
    add(
        f"csv second time with '{word}'",
        of_csv(rows(seen=seldom(word))),
    )
add(
    "csv time nearly all never",
    of_csv(rows(last_seen=lambda n: "never" if n % 3 else str(_START + dt.timedelta(hours=n)))),
)
add(
    "csv first time never",
    of_csv([{**one, "at": "never" if n == 0 else one["at"]} for n, one in enumerate(plain)]),
    aside=1,
)
for word, factor in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
    add(f"csv epoch {word}", of_csv(rows(since_1970(factor))))
    add(f"jsonl epoch {word}", of_json(rows(since_1970(factor))), file="events.jsonl")
add("csv epoch decimals", of_csv(rows(lambda at: f"{seconds(at)}.25")))
add("csv epoch exponent", of_csv(rows(lambda at: f"{seconds(at):.9e}")), refused=True)
add("csv epoch with gaps", of_csv(rows(lambda at: "" if at.hour == 4 else f"{seconds(at)}.0")), aside=10)
add("csv before 1970", of_csv(rows(lambda at: at.replace(year=1964))))
add("csv around 1970", of_csv(rows(lambda at: at - (dt.datetime(2024, 3, 6) - dt.datetime(1970, 1, 1)))))
add(
    "csv before 1970 with fractions",
    of_csv(rows(lambda at: (at - dt.timedelta(days=22000)).isoformat() + ".250001")),
)
add(
    "csv parts before 1970",
    of_csv(
        [
            {
                "user_id": f"u{n % 7}",
                "date": f"{at - dt.timedelta(days=22000):%Y-%m-%d}",
                "hhmm": f"{at:%H%M}",
                "value": n,
            }
            for n, at in enumerate(moments())
        ]
    ),
)
add("csv epoch negative", of_csv(rows(lambda at: seconds(at) - seconds(_START) - 400_000)), refused=True)
add("csv year 9999", of_csv(rows(valid_to=lambda n: "9999-12-31" if n % 3 else "2024-05-01")))
add(
    "csv year 9999 with clock",
    of_csv(rows(valid_to=lambda n: "9999-12-31 23:59:59" if n % 3 else "2024-05-01 10:00:00")),
)
add(
    "csv scd2",
    of_csv(
        [
            {
                "user_id": f"u{n % 7}",
                "valid_from": str(at),
                "valid_to": "9999-12-31 00:00:00" if n > 112 else str(at + dt.timedelta(hours=14)),
                "plan": "ab"[n % 2],
            }
            for n, at in enumerate(moments())
        ]
    ),
)
add(
    "csv valid_to alone",
    of_csv(
        [
            {"user_id": f"u{n % 7}", "valid_to": "9999-12-31" if n % 2 else str(at.date()), "plan": "ab"[n % 2]}
            for n, at in enumerate(moments())
        ]
    ),
    refused=True,
)
add(
    "csv some rows at 9999",
    of_csv([{**one, "at": "9999-12-31 00:00:00" if n in (50, 77) else one["at"]} for n, one in enumerate(plain)]),
    refused=True,
)
add(
    "csv some rows at 1900",
    of_csv([{**one, "at": "1900-01-01 00:00:00" if n in (50, 77) else one["at"]} for n, one in enumerate(plain)]),
)
add(
    "csv feb 30",
    of_csv([{**one, "at": "2024-02-30 10:00:00" if n == 50 else one["at"]} for n, one in enumerate(plain)]),
    aside=1,
)
# Numbers.
add("csv whole with empty", of_csv(rows(count=lambda n: "" if n % 5 == 0 else n)))
add("csv whole as doubles", of_csv(rows(count=lambda n: "" if n % 5 == 0 else f"{n}.0")))
add("csv huge", of_csv(rows(big=lambda n: 2**53 + n)))
add("csv huge with empty", of_csv(rows(big=lambda n: "" if n % 5 == 0 else 2**53 + n)))
add("csv huge beyond", of_csv(rows(big=lambda n: 10**25 + n)))
add("csv huge as doubles", of_csv(rows(big=lambda n: f"{2**53 + n}.0")))
add("csv one not whole", of_csv(rows(count=lambda n: "1.5" if n == 50 else n)))
add("csv mixed text", of_csv(rows(count=lambda n: "many" if n == 50 else n)))
add("csv exponents", of_csv(rows(x=lambda n: f"{n}e3")))
add("csv infinities", of_csv(rows(x=lambda n: ["inf", "nan", "-inf", "1.5"][n % 4])))
add("csv beyond double", of_csv(rows(x=lambda n: "1e400" if n == 50 else f"{n}.5")))
add("csv codes", of_csv(rows(code=lambda n: f"{n % 9:05}")))
add("csv plus", of_csv(rows(x=lambda n: f"+{n}")))
add("csv blanks in numbers", of_csv(rows(x=lambda n: f" {n}")))
add("csv decimal comma", of_csv(rows(price=lambda n: f"{n},25"), delimiter=";"))
add("csv comma and point", of_csv(rows(price=lambda n: f"{n},25", other=lambda n: f"{n}.5"), delimiter=";"))
add("csv comma thousands", of_csv(rows(price=lambda n: f"{n + 1}.234,56"), delimiter=";"))
add(
    "csv comma some thousands",
    of_csv(rows(price=lambda n: f"1.{n + 100},56" if n % 4 == 0 else f"{n},56"), delimiter=";"),
)
add("csv point thousands", of_csv(rows(price=lambda n: f"{n + 1},234.56"), delimiter=";"))
add("csv comma with whole", of_csv(rows(price=lambda n: f"{n},25" if n % 2 else n), delimiter=";"))
add("csv comma with empty", of_csv(rows(price=lambda n: f"{n},25" if n % 2 else ""), delimiter=";"))
add("csv comma quoted", of_csv(rows(price=lambda n: f"{n},25")))
add("csv currency", of_csv(rows(price=lambda n: f"${n}.25")))
add("csv percent", of_csv(rows(part=lambda n: f"{n}%")))
add("csv decimals", of_csv(rows(price=lambda n: f"{n}.123456789012345678901")))
for word, pair in {
    "true": ("true", "false"),
    "TRUE": ("TRUE", "FALSE"),
    "yes": ("yes", "no"),
    "t": ("t", "f"),
    "Y": ("Y", "N"),
    "1": ("1", "0"),
    "True ": ("True ", "False "),
}.items():
    add(f"csv bool {word}", of_csv(rows(flag=one_of(pair))))
# NULL.
for word in ("NA", "N/A", "null", "None", "\\N", "NaN", "-", "?"):
    add(f"csv null {word}", of_csv(rows(x=now_and_then(word))))
add("csv Namibia", of_csv(rows(country=lambda n: ["NA", "DE", "FR"][n % 3], x=lambda n: "NA" if n % 5 == 0 else n)))
add(
    "csv key NA",
    of_csv(
        [
            {**one, "user_id": "NA" if n % 9 == 0 else one["user_id"], "x": "NA" if n % 5 == 0 else n}
            for n, one in enumerate(plain)
        ]
    ),
)
add("csv unicode", of_csv(rows(name=lambda n: ["Zoë", "日本", "👩\u200d🚀", "e\u0301", "\u202eab"][n % 5])))
# JSON.
add("jsonl", of_json(plain), file="events.jsonl")
add("jsonl crlf", of_json(plain).replace(b"\n", b"\r\n"), file="events.jsonl")
add("jsonl bom", b"\xef\xbb\xbf" + of_json(plain), file="events.jsonl")
add("jsonl blank lines", of_json(plain).replace(b"\n", b"\n\n", 5), file="events.jsonl")
add("json list", json.dumps(plain).encode(), file="events.json", refused=True)
add(
    "json pretty",
    "".join(json.dumps(one, indent=1) + "\n" for one in plain).encode(),
    file="events.json",
    refused=True,
)
add("json one document", json.dumps({"rows": plain}).encode(), 1, file="events.json", refused=True)


def broken(text: str, found: Rows = plain) -> bytes:
    written = of_json(found).decode().splitlines()
    return "\n".join([*written[:60], text, *written[60:]]).encode() + b"\n"


nested = rows(page=lambda n: {"id": n % 9, "seen": str(_START + dt.timedelta(hours=n))})
for word, text in {
    "cut": '{"user_id": "u1", "at": "2024-0',
    "text": "oops",
    "number": "17",
    "list": "[1, 2]",
    "null": "null",
    "two": '{"user_id": "u1"} {"user_id": "u2"}',
    "comma": '{"user_id": "u1", "at": "2024-03-01 00:00:00",}',
    "single": "{'user_id': 'u1'}",
}.items():
    add(f"jsonl broken {word}", broken(text), ROWS + 1, "events.jsonl", aside=1)
    add(f"jsonl nested broken {word}", broken(text, nested), ROWS + 1, "events.jsonl", aside=1)
add("jsonl broken first", b"oops\n" + of_json(plain), ROWS + 1, "events.jsonl", aside=1)
add("jsonl broken last", of_json(plain) + b'{"user_id": "u1", "at": "20', ROWS + 1, "events.jsonl", aside=1)
add("jsonl nested broken last", of_json(nested) + b'{"user_id": "u1", "at": "20', ROWS + 1, "events.jsonl", aside=1)
add("jsonl no time", broken('{"user_id": "u1"}'), ROWS + 1, "events.jsonl", aside=1)
add("jsonl nested no time", broken('{"user_id": "u1"}', nested), ROWS + 1, "events.jsonl", aside=1)
add(
    "jsonl name twice",
    broken('{"user_id": "u1", "user_id": "u2", "at": "2024-03-01 00:00:00"}'),
    ROWS + 1,
    "events.jsonl",
)
add("jsonl nested", of_json(nested), file="events.jsonl")
add("jsonl deep", of_json(rows(a=lambda n: {"b": {"c": {"d": n}}})), file="events.jsonl")
add("jsonl case", of_json(rows(User_Id=lambda n: n)), file="events.jsonl", refused=True)
add(
    "jsonl case in another line",
    of_json([*plain, {"User_Id": "u1", "at": "2024-03-01 00:00:00"}]),
    ROWS + 1,
    file="events.jsonl",
    refused=True,
)
add("jsonl nested case", of_json(rows(page=lambda n: {"id": n % 9, "Id": n % 5})), file="events.jsonl", refused=True)
add(
    "jsonl nested case deep",
    of_json(rows(page=lambda n: {"x": {"id": n % 9, "Id": n % 5}})),
    file="events.jsonl",
    refused=True,
)
add("jsonl object or text", of_json(rows(page=lambda n: {"id": n} if n % 2 else "none")), file="events.jsonl")
add(
    "jsonl object sometimes",
    of_json([{**one, **({"page": {"id": n}} if n % 2 else {})} for n, one in enumerate(plain)]),
    file="events.jsonl",
)
add("jsonl lists", of_json(rows(tags=lambda n: ["a", "b"][: n % 3])), file="events.jsonl")
add("jsonl lists of numbers", of_json(rows(ids=lambda n: [n, n + 1])), file="events.jsonl")
add("jsonl lists mixed", of_json(rows(ids=lambda n: [n, "x"])), file="events.jsonl")
add("jsonl lists of lists", of_json(rows(ids=lambda n: [[n], [n + 1]])), file="events.jsonl")
add("jsonl lists of objects", of_json(rows(ids=lambda n: [{"a": n}])), file="events.jsonl")
add("jsonl empty objects", of_json(rows(more=lambda n: {})), file="events.jsonl")
add("jsonl all null", of_json(rows(more=lambda n: None)), file="events.jsonl")
add("jsonl bools", of_json(rows(flag=lambda n: n % 2 == 0)), file="events.jsonl")
add("jsonl bool or number", of_json(rows(flag=lambda n: n % 2 == 0 if n % 3 else n)), file="events.jsonl")
add("jsonl number or text", of_json(rows(x=lambda n: n if n % 3 else f"{n}")), file="events.jsonl")
add("jsonl whole as doubles", of_json(rows(x=lambda n: float(n))), file="events.jsonl")
add("jsonl whole with one half", of_json(rows(x=lambda n: n + 0.5 if n == 50 else n)), file="events.jsonl")
add("jsonl huge", of_json(rows(x=lambda n: 2**53 + n)), file="events.jsonl")
add("jsonl huge beyond", of_json(rows(x=lambda n: 10**25 + n)), file="events.jsonl")
add(
    "jsonl huge doubles",
    of_json(rows()).replace(b'"value": 3}', b'"value": 9007199254740993.0}'),
    file="events.jsonl",
)
add("jsonl nan", of_json(rows(x=lambda n: float("nan") if n == 5 else n)), file="events.jsonl")
add("jsonl nested nan", of_json(rows(p=lambda n: {"x": float("nan") if n == 5 else n})), file="events.jsonl")
add("jsonl half a letter", of_json(rows(name=lambda n: "\ud800" if n == 50 else "a")), file="events.jsonl")
add(
    "jsonl nested half a letter",
    of_json(rows(p=lambda n: {"name": "\ud800" if n == 50 else "a"})),
    file="events.jsonl",
)
add(
    "jsonl nested never",
    of_json(rows(p=lambda n: {"seen": "never" if n == 50 else str(_START + dt.timedelta(hours=n))})),
    file="events.jsonl",
)
add(
    "jsonl time never",
    of_json([{**one, "at": "never" if n in (50, 77) else one["at"]} for n, one in enumerate(plain)]),
    file="events.jsonl",
    aside=2,
)
add(
    "jsonl nested time",
    of_json([{"id": n, "user": {"id": f"u{n % 7}"}, "meta": {"at": str(at)}} for n, at in enumerate(moments())]),
    file="events.jsonl",
)
add("jsonl empty name", of_json([{**one, "": 1} for one in plain]), file="events.jsonl", refused=True)
add("jsonl empty", b"", 0, file="events.jsonl", refused=True)
add("jsonl one row", of_json(rows(number=1)), 1, file="events.jsonl", refused=True)
add("jsonl unicode", of_json(rows(größe=lambda n: "👩\u200d🚀")), file="events.jsonl")
# Parquet.
base = {"user_id": [f"u{n % 7}" for n in range(ROWS)], "at": pa.array(moments(), pa.timestamp("us"))}


def parquet(kind: str, /, *, refused: bool = False, aside: int = 0, number: int = ROWS, **columns: Any) -> None:
    add(f"parquet {kind}", of_parquet(pa.table({**base, **columns})), number, "events.parquet", aside, refused)


count = list(range(ROWS))
parquet("plain", value=count)
for unit in ("s", "ms", "us", "ns"):
    parquet(f"time {unit}", at=pa.array(moments(), pa.timestamp(unit)), value=count)
    parquet(f"time {unit} zoned", at=pa.array(moments(), pa.timestamp(unit, "UTC")), value=count)
parquet("time other zone", at=pa.array(moments(), pa.timestamp("us", "Europe/Berlin")), value=count)
parquet("time text", at=[str(at) for at in moments()])
parquet("time text with never", at=["never" if n == 50 else str(at) for n, at in enumerate(moments())], aside=1)
parquet("time null", at=pa.array([None if n == 50 else at for n, at in enumerate(moments())], pa.timestamp("us")))
parquet("time double", at=[seconds(at) + 0.25 for at in moments()])
parquet("time double with null", at=[None if n == 50 else seconds(at) + 0.5 for n, at in enumerate(moments())], aside=1)
parquet("time date32", at=pa.array([at.date() for at in moments()], pa.date32()))
parquet("time date64", at=pa.array([at.date() for at in moments()], pa.date64()))
parquet("decimal", price=pa.array([Decimal(n) / 4 for n in count], pa.decimal128(10, 2)))
parquet("decimal 256", price=pa.array([Decimal(n) for n in count], pa.decimal256(50, 2)))
parquet("dictionary", town=pa.array(["a", "b"] * 60).dictionary_encode())
parquet("struct", page=[{"a": n} for n in count])
parquet("list", tags=[["a"]] * ROWS)
parquet("list of structs", tags=[[{"a": 1}]] * ROWS)
parquet("large", name=pa.array(["x"] * ROWS, pa.large_string()))
parquet("binary", name=[b"x"] * ROWS)
parquet("half", x=pa.array([1.0] * ROWS, pa.float16()))
parquet("null column", x=pa.nulls(ROWS))
parquet("duration", x=pa.array([dt.timedelta(seconds=n) for n in count]))
parquet("clock", x=pa.array([dt.time(n % 24) for n in count]))
parquet("uint64", x=pa.array([2**64 - 1 - n for n in count], pa.uint64()))
parquet("doubles as keys", order_id=[float(n) for n in count])
parquet("case", value=count, Value=count, refused=True)
odd_names = {"a b": count, "c'd": count, 'e"f': count, "": count, "日本": count, "g.h": count}
add("parquet odd names", of_parquet(pa.table({**base, **odd_names})), file="events.parquet")
parquet("before 1970", at=pa.array([at.replace(year=1964) for at in moments()], pa.timestamp("us")), value=count)
parquet("9999", valid_to=pa.array([dt.datetime(9999, 12, 31) if n % 3 else _START for n in count], pa.timestamp("us")))
add("parquet no row", of_parquet(pa.table(base).slice(0, 0)), 0, "events.parquet", refused=True)
add("parquet one row", of_parquet(pa.table(base).slice(0, 1)), 1, "events.parquet", refused=True)
add("parquet cut", of_parquet(pa.table(base))[:-30], file="events.parquet", refused=True)
add("parquet is csv", of_csv(plain), file="events.parquet", refused=True)
add("parquet row groups", of_parquet(pa.table({**base, "value": count}), row_group_size=7), file="events.parquet")

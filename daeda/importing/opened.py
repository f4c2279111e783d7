"""Text of a file: unpacked and decoded while it is read, line by line, with what cannot be decoded kept."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from daeda.errors import InputError, first_line, refusal
from daeda.storage.regular import open_regular

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_MARKS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_LOOK = 1 << 16


class OpenText:
    """The text of a file, and how far it was read."""

    def __init__(self, text: io.TextIOWrapper, raw: IO[bytes], size: int) -> None:
        self.text = text
        self._raw = raw
        self._size = size

    @property
    def share(self) -> float:
        """The share of the file that was read by now, from 0 to 1."""
        return min(1.0, self._raw.tell() / self._size) if self._size else 1.0


@contextmanager
def open_text(path: Path, encoding: str | None) -> Iterator[OpenText]:
    """Open a file, packed or not; InputError where it cannot be read, is cut off, or is not in the encoding.

    Without an encoding it is the one of its byte order mark, or UTF-8; bytes that are none are surrogates in the text.
    """
    try:
        with open_regular(path) as raw:
            size = path.stat().st_size
            stream = _unpacked(raw)
            first = stream.peek(_LOOK)[:_LOOK]
            chosen = encoding or next((name for mark, name in _BOMS if first.startswith(mark)), None)
            if chosen is not None and codecs.lookup(chosen).name == "utf-8":
                chosen = "utf-8-sig"
            if chosen is None:
                _check_utf8(path, first)
            # newline="" leaves line ends as they are, which a quoted cell may hold.
            text = io.TextIOWrapper(stream, chosen or "utf-8", errors="surrogateescape", newline="")
            yield OpenText(text, raw, size)
    except (EOFError, lzma.LZMAError, zlib.error, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    except UnicodeError as error:
        raise InputError(
            f"{path}: it is not {encoding or 'UTF-8'} ({first_line(error)}): give another --encoding"
        ) from error
    except OSError as error:
        # One of the system has a number, and one of what unpacks has none.
        raise (_damaged(path, error) if error.errno is None else InputError(refusal(error))) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: it is packed, and cut off or damaged ({first_line(error)}): fetch it again")


def _unpacked(raw: io.BufferedReader) -> io.BufferedReader:
    """The unpacked stream, chosen by the first bytes: names do not tell whether a server packed a file."""
    first = raw.peek(8)
    packed = next((how for mark, how in _MARKS.items() if first.startswith(mark)), "")
    match packed:
        case "gzip":
            return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)), _LOOK * 4)
        case "bz2":
            return io.BufferedReader(_Members(raw, bz2.BZ2Decompressor), _LOOK * 4)
        case "xz":
            return io.BufferedReader(_Members(raw, lzma.LZMADecompressor), _LOOK * 4)
        case "zstd":
            return io.BufferedReader(_Zstandard(raw), _LOOK * 4)
        case _:
            return raw


class _Members(io.RawIOBase):
    """Members of bz2 or xz, one behind another. Python's own readers pass over what is none, and over all behind it."""

    def __init__(self, raw: IO[bytes], make: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        self._raw = raw
        self._make = make
        self._member = make()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while True:
            packed = b""
            if self._member.eof:
                packed = self._next_member()
                if not packed:
                    return 0
                self._member = self._make()
            elif self._member.needs_input:
                packed = self._raw.read(_LOOK)
                if not packed:
                    raise EOFError("it ends in the middle of a member")
            data = self._member.decompress(packed, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)

    def _next_member(self) -> bytes:
        """What is behind a member, without the zeros that fill up a block."""
        packed = self._member.unused_data.lstrip(b"\0")
        while not packed and (more := self._raw.read(_LOOK)):
            packed = more.lstrip(b"\0")
        return packed


class _Zstandard(io.RawIOBase):
    """Arrow's reader of Zstandard, which Python before 3.14 has not, as a raw stream."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _check_utf8(path: Path, first: bytes) -> None:
    """Refuse a file that is in another encoding altogether; later lines that are not UTF-8 are kept aside."""
    if b"\0" in first[:1024]:
        raise InputError(
            f"{path}: it has zero bytes, as UTF-16 has and files that are no text: give its --encoding, or its --format"
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError as error:
        line = first.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}: line {line} is not UTF-8: give its encoding, like --encoding cp1252 (Windows in the west) or "
            "latin-1; with --encoding utf-8 such lines are kept aside"
        ) from error

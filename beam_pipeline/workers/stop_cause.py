"""Why a run stops, in a file that all of its processes see: the first cause stays.

stop.json       the cause
stop.reserve    room for it on a disk that gets full: a cause overwrites it, and it is renamed
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import traceback
import uuid
from pathlib import Path

from daeda.errors import DaedaError, cut, deserialised, is_full, serialised
from daeda.storage.regular import read_regular

_RESERVE = "stop.reserve"
_RESERVED_BYTES = 8192


class Unforeseen(Exception):
    """What went wrong in another process and is not an error of daeda; its text is the traceback from there."""


def reserve_room(path: Path) -> None:
    """Reserve room for the cause that `path` will have."""
    # JSON may have spaces behind it.
    path.with_name(_RESERVE).write_bytes(b" " * _RESERVED_BYTES)


def write_cause(path: Path, cause: BaseException) -> bool:
    """Write why the run stops; whether it was the first to say so."""
    if isinstance(cause, DaedaError):
        record = serialised(cause)
    else:
        record = {"kind": None, "message": "".join(traceback.format_exception(cause))}
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        fresh.write_text(json.dumps(record), "utf-8")
        # A link, unlike a rename, fails where the name is taken.
        os.link(fresh, path)
    except FileExistsError:
        return False
    except OSError as error:
        if not is_full(error):
            raise
        return _write_reserved(path, record)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
    return True


def _write_reserved(path: Path, record: dict[str, str | None]) -> bool:
    """Write why the run stops where its room is reserved; whether it was the first to say so."""
    reserve = path.with_name(_RESERVE)
    try:
        descriptor = os.open(reserve, os.O_RDWR)
    except FileNotFoundError:
        if path.exists():
            return False
        raise
    try:
        # One at a time; whoever comes second finds the room renamed.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return False
        os.pwrite(descriptor, _fitting(record).ljust(_RESERVED_BYTES), 0)
        reserve.rename(path)
    finally:
        os.close(descriptor)
    return True


def _fitting(record: dict[str, str | None]) -> bytes:
    """The record as JSON that has room in what is reserved, its message cut where it must be."""
    text = json.dumps(record)
    if len(text) > _RESERVED_BYTES:
        # A character takes up to twelve bytes of JSON.
        text = json.dumps({**record, "message": f"{str(record['message'])[: _RESERVED_BYTES // 16]}..."})
    return text.encode()


def read_cause(path: Path) -> BaseException | None:
    """Why the run stops, None while it does not."""
    try:
        text = read_regular(path).decode(errors="replace")
    except FileNotFoundError:
        return None
    try:
        record = json.loads(text)
        return Unforeseen(str(record["message"])) if record["kind"] is None else deserialised(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Unforeseen(f"{path} was written by something else: {cut(text)}")

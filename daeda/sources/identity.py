"""What tells the files that were read from others: the digest of a local file, the ETag of an object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

from daeda.errors import DayError, InputError, refusal, shortened
from daeda.sources.files import SourceFiles
from daeda.storage.location import is_object, object_path
from daeda.storage.objects import client
from daeda.storage.regular import file_digest
from daeda.storage.state import FileState, InputFile, state_of

# Servers answer late: a few threads wait for several at once.
_THREADS = 8


class Identities:
    """Content digests of files, each computed once per process while the state of the file stays the same.

    Objects have the version that the server gives them instead: nothing is read to know it.
    """

    def __init__(self, known: Iterable[InputFile] = ()) -> None:
        self._lock = Lock()
        self._digests: dict[tuple[str, FileState], str] = {}
        self.learn(known)

    def learn(self, known: Iterable[InputFile]) -> None:
        """Take the digests of files that were identified before: a file in the same state has the same content."""
        with self._lock:
            self._digests |= {(file.path, file.state): file.sha256 for file in known if not file.etag}

    def of(self, operator: str, path: str, files: SourceFiles | None = None) -> InputFile:
        """The identity of a file as it is now, or as it was when `files` were listed; InputError if unreadable."""
        if is_object(path):
            return _object_identity(operator, path, files)
        try:
            return self._of(operator, path)
        except OSError as error:
            raise InputError(f"operator '{operator}' cannot read {refusal(error)}") from error

    def _of(self, operator: str, path: str) -> InputFile:
        state = state_of(path)
        with self._lock:
            # A manifest that is older than the record of ctime has none.
            digest = self._digests.get((path, state)) or self._digests.get((path, replace(state, ctime_ns=0)))
        if digest is None:
            digest = file_digest(path)
            if state_of(path) != state:
                raise InputError(f"{path} changed while it was read: run again when it is complete")
            with self._lock:
                self._digests[path, state] = digest
        return InputFile(operator, path, state.size, state.mtime_ns, digest, ctime_ns=state.ctime_ns)


def _object_identity(operator: str, path: str, files: SourceFiles | None) -> InputFile:
    listed = files.versions.get(path) if files is not None else None
    state = listed or _object_state(path)
    if state is None:
        raise DayError(f"{path} is gone: run again when it is complete")
    return InputFile(operator, path, state.size, state.mtime_ns, "", state.etag)


def check_unchanged(files: Iterable[InputFile], meanwhile: str = "while the day was built") -> None:
    """Raise DayError when a file is not in the state in which it was identified, every time that it was."""
    known: dict[str, set[FileState]] = {}
    for file in files:
        known.setdefault(file.path, set()).add(file.state)
    now = {path: None if is_object(path) else state_of(path) for path in known}
    objects = [path for path in known if is_object(path)]
    if objects:
        with ThreadPoolExecutor(_THREADS) as pool:
            now |= dict(zip(objects, pool.map(_object_state, objects), strict=True))
    changed = [path for path, states in known.items() if any(not _is_same(state, now[path]) for state in states)]
    if changed:
        raise DayError(f"{shortened(changed, 3)} changed {meanwhile}: run again when it is complete")


def _object_state(path: str) -> FileState | None:
    stored = client().look(object_path(path))
    return None if stored is None else stored.state


def _is_same(before: FileState, now: FileState | None) -> bool:
    if now is not None and before.etag and not (before.mtime_ns and now.mtime_ns):
        # The server does not say when an object was put, or not every time.
        return (before.size, before.etag) == (now.size, now.etag)
    return before == now


def combined_digest(files: Iterable[InputFile]) -> str:
    """One digest of a set of files: of their contents, whatever their names and order."""
    joined = "\n".join(sorted(file.version for file in files))
    return hashlib.sha256(joined.encode()).hexdigest()

"""The lock of the tags of a service: one process at a time makes or removes them."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator

from daeda.dataset.layout import TAGS, Layout
from daeda.dataset.publish.objects import held_lease
from daeda.dataset.publish.staging import opened_lock, refuse_stranger
from daeda.errors import TransientError
from daeda.process.locks import holder_of
from daeda.storage.location import ObjectPath
from daeda.storage.objects import client

_LOCK = "_lock"


@contextlib.contextmanager
def tags_locked(layout: Layout) -> Iterator[Callable[[], None]]:
    """Keep everybody else from making or removing tags of the service; gives what shows that the holder lives."""
    if isinstance(layout.service_dir, ObjectPath):
        path = layout.service_dir / "_staging" / "publish-tags.json"
        with held_lease(client(), path) as lease:
            yield lease.renew
        return
    directory = layout.service_dir / TAGS
    refuse_stranger(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with opened_lock(directory / _LOCK) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(
                f"{layout.service}: a tag is made or removed by {holder_of(lock)}: run again when it is done"
            ) from None
        yield lambda: None

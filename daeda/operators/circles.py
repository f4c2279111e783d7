"""Things that read each other in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def first_circle(read: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The first circle among names and what each of them reads, its first name at both ends; empty where there is none.

    >>> first_circle({"a": ["b"], "b": ["c", "a"], "c": []})
    ('a', 'b', 'a')
    """
    done: set[str] = set()
    for start in read:
        path = [start]
        waiting = [iter(read[start])]
        while waiting:
            name = next(waiting[-1], None)
            if name is None:
                done.add(path.pop())
                waiting.pop()
            elif name in path:
                return (*path[path.index(name) :], name)
            elif name not in done:
                path.append(name)
                waiting.append(iter(read.get(name, ())))
    return ()

"""A call of a user's function, up to a text of what it has raised: that text is code of the user, too.

So both are made inside of whatever limits the time of the call.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from daeda.functions.loading import Function, raised_in
from daeda.functions.threads import failed_threads


class Raised(Exception):
    """A function has raised something, which is the cause of this; its text is `raised_in` of it."""


class ThreadRaised(Raised):
    """It was a thread that the function had started."""


def called(function: Function, arrays: Sequence[pa.Array]) -> object:
    """What the function returns. Raises Raised."""
    try:
        with failed_threads(_file_of(function)) as failed:
            returned = function.call(*arrays)
    except BaseException as error:
        raise Raised(raised_in(error)) from error
    if failed:
        raise ThreadRaised(raised_in(failed[0])) from failed[0]
    return returned


def _file_of(function: Function) -> str:
    """The source file of a function; empty for one that has none."""
    return str(getattr(getattr(function.call, "__code__", None), "co_filename", ""))

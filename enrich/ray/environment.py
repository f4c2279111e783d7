"""What the environment of the user may say to Ray: to a Ray of the run's own nothing, to a cluster who may come in.

Ray reads some hundred variables `RAY_...` when it is imported. One of them names a cluster to join, others start a hook
or change how data are read. A run joins a cluster by ray.address alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import MutableMapping

from daeda.errors import shortened

# Tokens and certificates of a cluster that is joined.
_OF_A_CLUSTER = ("RAY_AUTH_", "RAY_TLS_", "RAY_USE_TLS")
# Ray's C++ side writes on stderr past Python, among it a warning for every actor that can be restarted; it announces
# nothing to anybody; and it takes this host to be one without a network, so that each of its servers is bound to
# 127.0.0.1, where the name of the variable has only other systems in mind. The run tells what a part raises; Ray would
# log besides what nobody waits for any more, whenever it comes.
_QUIET = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_USAGE_STATS_ENABLED": "0", "RAY_IGNORE_UNHANDLED_ERRORS": "1"}
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
# Ray runs its workers at niceness 15: beside other busy processes they would get a thirtieth of a processor, and a day
# would not be done in its time. The actors do the work of the run, so that they count as much as the run itself.
_PRIORITY = {"RAY_worker_niceness": "0"}
# Ray sets it in every driver, and a new variable has to be there before threads of native code are; its value is Ray's.
_BREAKPOINT = {"PYTHONBREAKPOINT": "ray.util.rpdb._driver_set_trace"}
# What a process that has imported Ray leaves to those that it starts; nobody has meant anything by it.
_SET_BY_RAY = frozenset({*_QUIET, *_LOOPBACK, *_PRIORITY, "RAY_CLIENT_MODE", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"})
# Ray reads the token once in the life of a process.
_TOKEN = secrets.token_hex(32)


def clean(environment: MutableMapping[str, str], address: str | None) -> str | None:
    """Take out what Ray would obey, before it is imported; returns a sentence about it, or None."""
    kept = _OF_A_CLUSTER if address is not None else ()
    names = sorted(name for name in environment if name.startswith("RAY_") and not name.startswith(kept))
    for name in names:
        del environment[name]
    removed = [name for name in names if name not in _SET_BY_RAY]
    if not removed:
        return None
    advice = "a run joins a cluster by --ray-address alone" if address is None else f"the cluster is {address}"
    return f"not passed on to Ray: {shortened(removed)} of the environment; {advice}"


def prepare(address: str | None) -> None:
    """Set what Ray and its processes read: quiet, and one of the run's own on the loopback alone with its own token.

    Called while nothing is asked of Lance, whose threads read the whole environment when they open a store: a variable
    that is new gives the memory of the table of all of them back, under the eyes of who reads it. One that is there
    can be given the same value at any time.
    """
    os.environ.update({**_QUIET, **_BREAKPOINT})
    if address is None:
        os.environ.update({**_LOOPBACK, **_PRIORITY, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _TOKEN})
        os.environ.pop("RAY_AUTH_TOKEN_PATH", None)

"""Logging of the skeleton's process, set up before Beam is imported."""

from __future__ import annotations

import logging
import threading

from daeda.process.log import NarrativeFormatter
from daeda.process.messages import tell_unforeseen


def quiet_logging() -> None:
    """Let errors through, and of Beam's runner nothing: what fails is told once, by its root cause.

    Importing Beam warns through the root logger about a client that is not needed, its in-memory mode warns that it
    does not run in parallel, which it does, and its portable runner repeats the tracebacks of workers through the root
    logger.
    """
    logging.basicConfig(level=logging.ERROR, force=True)
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_not_repeated)
        handler.setFormatter(NarrativeFormatter("%(levelname)s %(name)s: %(message)s"))


def quiet_portable_runner() -> None:
    """Keep the portable runner from printing past logging; called once Beam is imported, before the runner starts.

    Its workers in this process (LOOPBACK) print the traceback of each day that fails, and threads of Beam and of gRPC
    end with one when the job service goes away.
    """
    from apache_beam.runners.worker import sdk_worker

    # A name of the module hides the built-in one there, and nowhere else.
    sdk_worker.print = _say_nothing
    threading.excepthook = _tell_of_thread


def _tell_of_thread(failed: threading.ExceptHookArgs) -> None:
    trace = failed.exc_traceback
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised_in = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__"))
    if raised_in.partition(".")[0] not in ("apache_beam", "grpc"):
        tell_unforeseen(failed.exc_value or failed.exc_type())


def _is_not_repeated(record: logging.LogRecord) -> bool:
    return record.module != "portable_runner"


def _say_nothing(*words: object, **options: object) -> None:
    """Stand in for `print`."""

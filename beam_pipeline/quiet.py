"""Logging of the skeleton's process, set up before Beam is imported."""

from __future__ import annotations

import logging


def quiet_logging() -> None:
    """Let errors through, and of Beam's runner nothing: what fails is told once, by its root cause.

    Importing Beam warns through the root logger about a client that is not needed, and its in-memory mode warns that it
    does not run in parallel, which it does.
    """
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)

"""`python -m enrich`."""

import signal


def _enrich() -> int:
    # Until the supervisor has handlers for them, so that an interrupt never meets an import.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    from enrich.command import main

    return main()


raise SystemExit(_enrich())

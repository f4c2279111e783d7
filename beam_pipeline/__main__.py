"""`python -m beam_pipeline`."""

import signal


def _build() -> int:
    # Until the supervisor has handlers for them, so that an interrupt never meets an import.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    from beam_pipeline.command import main

    return main()


raise SystemExit(_build())

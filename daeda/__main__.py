"""`python -m daeda`, and the command `daeda`."""

import signal


def main() -> int:
    """Run the command that the process was started for; returns its exit code."""
    # Until the supervisor has handlers for them, so that an interrupt never meets an import.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    from daeda.cli.main import main as command

    return command()


if __name__ == "__main__":
    raise SystemExit(main())

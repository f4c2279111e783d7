"""`python -m daeda_audit`."""

import sys

from daeda.process.supervision import supervised


def _audit() -> int:
    # Only in the process that audits: its libraries start threads, and a process that forks has none.
    from daeda_audit.command import main

    return main(sys.argv[1:])


raise SystemExit(supervised("daeda_audit", _audit))

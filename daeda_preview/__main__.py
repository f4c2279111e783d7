"""`python -m daeda_preview`."""

import sys

from daeda.process.supervision import supervised


def _preview() -> int:
    from daeda_preview.command import main

    return main(sys.argv[1:], alone=True)


raise SystemExit(supervised("daeda_preview", _preview))

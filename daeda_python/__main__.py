"""`python -m daeda_python`: a command of `daeda`, or features of a frame, for a process that waits for the answer."""

import sys

from daeda.process.supervision import supervised


def _command() -> int:
    from daeda.process.parent_watch import watch_parent

    watch_parent()
    words = sys.argv[1:]
    if words[:1] == ["features"]:
        from daeda_python.worker import main

        return main(words[1:])
    from daeda.cli.main import main as command

    return command(words)


raise SystemExit(supervised("daeda", _command))

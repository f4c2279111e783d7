"""`python -m daeda_report`."""

from daeda.process.supervision import supervised
from daeda_report.command import main

raise SystemExit(supervised("daeda_report", main))

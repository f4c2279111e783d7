"""What the day has found behind a Scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles
from daeda.storage.input_file import InputFile


@dataclass(frozen=True)
class Scanned:
    """What a Scan of the day reads: the files of its view, and those of them that the day has found and identified."""

    scan: Scan
    files: SourceFiles
    found: Mapping[str, InputFile]

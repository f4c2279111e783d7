"""A chunk of history, and how much of the memory the work on it takes."""

from __future__ import annotations

from dataclasses import dataclass

from beam_pipeline.windows.contract import History


@dataclass(frozen=True)
class Chunk:
    """Whole entities. The engine's work on it takes a `share` of the memory that there is for such work.

    Chunks are worked on beside each other as long as their shares come to 1 together; one of 1 and more is alone.
    """

    history: History
    share: float

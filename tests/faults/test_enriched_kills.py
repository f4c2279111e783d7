"""The enrichment is killed while it extends days that keep their vectors."""

from __future__ import annotations

import signal

import pytest

from tests.faults.enriched_scene import EnrichedScene
from tests.faults.fault import Fault
from tests.faults.warm import Warm

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PLACES = 4

# The days of the scene take longer than all kills.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def enriched_scene(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> EnrichedScene:
    return EnrichedScene.make(tmp_path_factory.mktemp("enriched"), warm)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("place", range(PLACES))
def test_killed_while_vectors_are_copied_or_published(
    enriched_scene: EnrichedScene, number: signal.Signals, place: int
) -> None:
    strikes = PLACES * len(SIGNALS)
    at = 1 + (enriched_scene.steps - 1) * (place * len(SIGNALS) + SIGNALS.index(number)) // (strikes - 1)
    output = enriched_scene.output()
    child = enriched_scene.start(output, Fault(at, "signal", str(int(number)), extending=True))
    code = child.wait()
    assert code == -9 if number == signal.SIGKILL else code in (0, 130), (code, child.stderr)
    assert "Traceback" not in child.stderr
    enriched_scene.check_after_fault(output)
    enriched_scene.check_after_rerun(output)

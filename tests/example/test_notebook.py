"""The notebook of the example is stored with what it prints, and nothing in it has failed; `make notebooks` runs it."""

from __future__ import annotations

import json
from pathlib import Path

NOTEBOOK = Path(__file__).parents[2] / "examples" / "complete_journey" / "notebook.ipynb"


def test_every_cell_is_executed_in_order_and_one_shows_a_picture() -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"execute_result", "display_data"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    # A path of the machine that ran it belongs into no output.
    assert str(Path.home()) not in json.dumps(outputs)


def test_the_leaked_model_is_better_offline_and_worse_when_replayed() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    [table] = [
        "".join(output["data"]["text/plain"])
        for cell in cells
        for output in cell.get("outputs", ())
        if "replayed" in "".join(output.get("data", {}).get("text/plain", ()))
    ]
    rows = [line.strip("│").split("┆") for line in table.splitlines() if "┆" in line][-2:]
    honest, leaked = ((name.strip(), float(offline), float(replayed)) for name, offline, replayed in rows)
    assert (honest[0], leaked[0]) == ("honest", "leaked")
    assert leaked[1] > honest[1] + 0.1
    assert leaked[2] < honest[2] - 0.05

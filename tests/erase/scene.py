"""Days that hold people: rows of users, and for each item the users who came to it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from beam_pipeline.day.execution import run_operator
from beam_pipeline.public_run import open_run
from beam_pipeline.session.registry import begin, session_of
from beam_pipeline.session.timed import timed
from beam_pipeline.workers.context import DayHandle
from daeda.cli.main import main
from tests.projects import TinyProject, moment

DAYS = (dt.date(2024, 1, 2), dt.date(2024, 1, 3))
EVENTS = [
    (1, 10, moment("01 12:00"), 1.0),
    (42, 10, moment("01 13:00"), 2.0),
    (1, 10, moment("02 09:00"), 3.0),
    (2, 42, moment("02 10:00"), 4.0),
    (42, 11, moment("03 08:00"), 5.0),
    (1, 11, moment("03 12:00"), 6.0),
]


def scene(root: Path) -> TinyProject:
    """User 42 has a row on the third, and is in a list of each day; the item 42 is another thing."""
    made = TinyProject(root).without("item_vector", "price")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.aggregations["aggregation_specs"].append(
        {
            "name": "visitors", "entity": "item", "history": {"view": "events"}, "column": "user_id",
            "kind": "last_distinct", "window": "1d", "max_length": 5,
        }
    )  # fmt: skip
    made.service["columns"].append({"name": "visitors", "kind": "rolling", "dtype": "list<int64>", "nullable": False})
    made.runtime["output_columns"].append("visitors")
    made.base = {"history_len": 3}
    made.data["events"] = list(EVENTS)
    return made.write().write_data()


def build(made: TinyProject) -> None:
    """Publish the days of the project's version in this process."""
    project, dag = made.load(), made.compile().skeleton()
    with open_run(
        str(project.service_dir.parent), "ranking", data_root=project.data_root, staging_root=made.root / "staging",
        threads=1, memory_bytes=2**30, version=project.service.version,
    ) as context:  # fmt: skip
        for day in DAYS:
            handle = begin(context, DayHandle(day))
            session = session_of(handle)
            for operator in dag.operators:
                with timed(session, operator.name):
                    handle = run_operator(session, operator, handle)  # type: ignore[arg-type]
            session.close()


def erase(made: TinyProject, *words: str, key: str = "user_id=42") -> int:
    return main(["erase", "ranking", "--key", key, *words, "--runtime-config-path", str(made.runtime_path)])


def forget_user(made: TinyProject) -> None:
    """The user goes from the source."""
    made.data["events"] = [row for row in EVENTS if row[0] != 42]
    made.write_data()

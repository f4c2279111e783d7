"""Cases in one of Feast's offline stores; runs in the environment of Feast, and knows nothing of this project.

    python feast_cases.py STORE DIRECTORY      STORE is duckdb or default

Each case is a directory with case.json (keys, key_type, ttl, created), spine.parquet and view.parquet. Beside them
comes feast_STORE.json: {"rows": [[rid, value], ...]} or {"error": text}.
"""

import json
import logging
import os
import sys
import warnings
from datetime import timedelta
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
os.environ["FEAST_USAGE"] = "False"

import pandas as pd  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType  # noqa: E402
from feast.types import Int64, String  # noqa: E402


def answer(store: str, directory: Path) -> dict:
    case = json.loads((directory / "case.json").read_text())
    repository = directory / f"feast_{store}"
    (repository / "data").mkdir(parents=True)
    offline = "" if store == "default" else f"offline_store: {{type: {store}}}\n"
    (repository / "feature_store.yaml").write_text(
        "project: cases\nregistry: data/registry.db\nprovider: local\nentity_key_serialization_version: 3\n"
        f"online_store: {{type: sqlite, path: data/online.db}}\n{offline}"
    )
    feature_store = FeatureStore(repo_path=str(repository))
    text = case["key_type"] == "string"
    entities = [
        Entity(name=key, join_keys=[key], value_type=ValueType.STRING if text else ValueType.INT64)
        for key in case["keys"]
    ]
    view = FeatureView(
        name="view",
        entities=entities,
        ttl=timedelta(seconds=case["ttl"] or 10 * 365 * 86_400),
        online=False,
        schema=[
            *(Field(name=key, dtype=String if text else Int64) for key in case["keys"]),
            Field(name="value", dtype=Int64),
        ],
        source=FileSource(
            path=str(directory / "view.parquet"),
            timestamp_field="ts",
            created_timestamp_column="created" if case["created"] else "",
        ),
    )
    feature_store.apply([*entities, view])
    spine = pd.read_parquet(directory / "spine.parquet").rename(columns={"ts": "event_timestamp"})
    # Since 0.66: only what was created by then. Without it, a created time does no more than break ties.
    known = {"filter_by_created_timestamp": True} if case["created"] else {}
    frame = feature_store.get_historical_features(entity_df=spine, features=["view:value"], **known).to_df()
    values = [None if pd.isna(value) else int(value) for value in frame["value"]]
    return {"rows": list(zip((int(rid) for rid in frame["rid"]), values, strict=True))}


def main(store: str, root: str) -> None:
    for directory in sorted(path.parent for path in Path(root).glob("*/case.json")):
        try:
            found = answer(store, directory)
        except Exception as error:  # noqa: BLE001 - what a store cannot do is what this is about
            found = {
                "error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            }
        (directory / f"feast_{store}.json").write_text(json.dumps(found))


main(*sys.argv[1:])

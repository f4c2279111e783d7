"""A Dagster project whose assets are the days of daeda's services: `dagster dev -f definitions.py`.

    TRAINING_PROJECT   folder of the project of daeda; without it, the working directory
    TRAINING_COMMAND   the command, in an environment of its own; without it, `daeda`
    TRAINING_END       last day that is looked at, written like `--end`; without it, that of runtime.yaml

Everything is asked of the command, by `--json`: Dagster and daeda share no library. Annotations are read by Dagster
when the module is loaded, so that they are not put off.
"""

import datetime as dt
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

PROJECT = Path(os.environ.get("TRAINING_PROJECT", "."))
COMMAND = os.environ.get("TRAINING_COMMAND", "daeda")
END = os.environ.get("TRAINING_END")
TO_BUILD = {"build", "rebuild", "extend"}


def asked(*words: str) -> Any:
    """The document that a command answers with. A mistake, exit code 2, is not tried again."""
    done = subprocess.run([COMMAND, *words, "--json"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise dg.Failure(description=done.stderr.strip(), allow_retries=done.returncode != 2)
    return json.loads(done.stdout)


def planned(service: str, first: str, last: str) -> list[Any]:
    """What `train` would do with each day from `first` to `last`."""
    return list(asked("plan", service, "--start", first, "--end", last)["days"])


def reasons(day: Any, action: str) -> list[str]:
    """Why a day waits, or is blocked; empty where it does not."""
    chosen = [dataset for dataset in day["datasets"].values() if dataset["action"] == action]
    return [reason for dataset in chosen for reason in dataset["reasons"] or [action]]


def materialized(location: str, day: str, checks: list[Any]) -> dg.MaterializeResult:
    """A published day, as its manifest tells it. Equal data versions are equal bytes."""
    directory = Path(PROJECT, location, f"dt={day}")
    manifest = json.loads((directory / "_manifest.json").read_text(encoding="utf-8"))
    version = hashlib.sha256(json.dumps(manifest["fingerprint"], sort_keys=True).encode()).hexdigest()
    failed = [f"{check['check']}: {check['found']}" for check in checks if check["outcome"] == "failed"]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "dagster/row_count": manifest["rows"],
            "directory": dg.MetadataValue.path(str(directory)),
            "nulls": {column["name"]: column["nulls"] for column in manifest["columns"]},
            "checks that failed": failed,
        },
    )


def days_of(service: str, first: str, views: list[str]) -> dg.AssetsDefinition:
    """The asset of a service, with a partition for each day from `first` on."""

    @dg.asset(
        name=service,
        partitions_def=dg.DailyPartitionsDefinition(start_date=first),
        deps=[dg.AssetKey(["views", view]) for view in views],
        output_required=False,
        group_name="training_sets",
        kinds={"parquet"},
    )
    def days(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetObservation]:
        day = context.partition_key
        (plan,) = planned(service, day, day)
        if waiting := reasons(plan, "wait"):
            # A day whose labels are not known is no failure: its partition stays empty, and says why.
            metadata = {"state": "waiting", "until": "; ".join(waiting)}
            yield dg.AssetObservation(asset_key=service, partition=day, metadata=metadata)
            return
        if blocked := reasons(plan, "blocked"):
            raise dg.Failure(description=f"{day}: {'; '.join(blocked)}", allow_retries=False)
        answer = asked("train", service, "--start", day, "--end", day, "--yes")
        yield materialized(answer["location"], day, answer["days"][0]["checks"])

    return days


def to_build(services: dict[str, str]) -> dg.SensorDefinition:
    """Requests the days that are to be built, extended or built again, each at most once a day."""

    @dg.sensor(target=dg.AssetSelection.assets(*services), minimum_interval_seconds=3600)
    def days_to_build(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        waiting: list[str] = []
        requested = 0
        for service, first in services.items():
            words = ["plan", service, "--start", first, *(["--end", END] if END else [])]
            for day in asked(*words)["days"]:
                if any(dataset["action"] in TO_BUILD for dataset in day["datasets"].values()):
                    key = f"{service} {day['day']} {today}"
                    selection = [dg.AssetKey(service)]
                    yield dg.RunRequest(run_key=key, partition_key=day["day"], asset_selection=selection)
                    requested += 1
                waiting += [f"{service} {day['day']} {reason}" for reason in reasons(day, "wait")]
        if not requested:
            yield dg.SkipReason("; ".join(waiting) or "every day is built")

    return days_to_build


def definitions() -> dg.Definitions:
    """Services, views and the sensor, as the catalog of the project names them."""
    catalog = asked("catalog")
    first = {service["name"]: service["first_day"] for service in catalog["services"]}
    read = {name: [view["name"] for view in catalog["views"] if name in view["used_by"]] for name in first}
    views = [
        dg.AssetSpec(dg.AssetKey(["views", view["name"]]), description=view["description"], group_name="views")
        for view in catalog["views"]
    ]
    assets = [days_of(service, day, read[service]) for service, day in first.items()]
    return dg.Definitions(assets=[*views, *assets], sensors=[to_build(first)])


defs = definitions()

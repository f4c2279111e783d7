"""Run the definitions in Dagster and print what came out as JSON: `dagster_tried.py DEFINITIONS PROJECT`.

It is run by the environment that has Dagster, which has nothing of daeda.
"""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import dagster as dg

SERVICE = dg.AssetKey("next_purchase")


def loaded(path):
    """The module of the definitions."""
    spec = importlib.util.spec_from_file_location("definitions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def version(result):
    """The data version of the one materialisation of a run."""
    (event,) = result.asset_materializations_for_node(SERVICE.path[-1])
    return event.tags["dagster/data_version"]


def main(definitions, project):
    """Everything the test asks about, in the order in which it happens."""
    module = loaded(definitions)
    graph = module.defs.resolve_asset_graph()
    days = module.defs.resolve_assets_def(SERVICE)
    instance = dg.DagsterInstance.ephemeral()
    said = {}

    def run(day):
        return dg.materialize([days], partition_key=day, instance=instance, raise_on_error=False)

    def sensed():
        data = module.defs.resolve_sensor_def("days_to_build")(dg.build_sensor_context(instance=instance))
        return list(data)

    keys = graph.get_all_asset_keys()
    said["assets"] = {
        key.to_user_string(): [parent.to_user_string() for parent in graph.get(key).parent_keys] for key in keys
    }
    said["requested"] = [request.partition_key for request in sensed()]
    first = run("2024-03-03")
    (event,) = first.asset_materializations_for_node("next_purchase")
    said["built"] = {
        "success": first.success,
        "rows": event.metadata["dagster/row_count"].value,
        "directory": str(Path(event.metadata["directory"].value).relative_to(project)),
        "version": version(first),
        "again": version(run("2024-03-03")),
    }
    waiting = run("2024-03-04")
    (observed,) = waiting.get_asset_observation_events()
    metadata = observed.event_specific_data.asset_observation.metadata
    said["waiting"] = {
        "success": waiting.success,
        "materialised": bool(waiting.get_asset_materialization_events()),
        "state": metadata["state"].value,
        "until": metadata["until"].value,
    }
    run("2024-03-02")
    (skip,) = sensed()
    said["skipped"] = skip.skip_message
    service = Path(project, "feature_services/next_purchase.yaml")
    text = service.read_text()
    doubled = "  - {name: doubled, kind: derived, dtype: double, expression: paid * 2}\n"
    service.write_text(text.rstrip("\n") + "\n" + doubled)
    said["built"]["after_another_definition"] = version(run("2024-03-03"))
    service.write_text(text)
    shutil.rmtree(Path(project, "data/purchases/dt=2024-03-03"))
    failed = run("2024-03-02")
    failure = failed.failure_data_for_node("next_purchase")
    said["missing"] = {"success": failed.success, "said": failure.error.message + str(failure.error.cause)}
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

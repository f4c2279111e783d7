"""What Ray starts for others: a Ray of the run's own starts without it.

A run asks neither the autoscaler, nor what reads the logs of workers, nor the API server; it gives Ray no environment
to set up for its workers, and nobody reads their metrics. All of them are Python processes that import much: together
they take most of the processor time in which Ray starts, and beside other busy processes the node gives up on itself
when an agent does not tell its ports within 15 seconds (`WaitForDashboardAgentPorts` in Ray's node_manager.cc).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ray._private.node
import ray._private.ray_constants
import ray._private.services

_OF_THE_HEAD = ("start_monitor", "start_log_monitor", "start_api_server")
# The node takes no empty command, and ends when an agent ends: what it starts lives as long as the node, and no longer.
STAND_IN = "while kill -0 $PPID 2> /dev/null; do sleep 1; done"
# A port that is given is not waited for; -1 is what an agent without a server tells.
_OF_THE_NODE = {
    "--dashboard_agent_command": f"sh -c '{STAND_IN}'",
    "--runtime_env_agent_command": f"sh -c '{STAND_IN}'",
    "--runtime_env_agent_port": "-1",
    "--metrics-agent-port": "-1",
    "--metrics_export_port": "-1",
    "--dashboard_agent_listen_port": "-1",
}


@contextlib.contextmanager
def without_idle_services() -> Iterator[None]:
    """A Ray that is started in the block has its metadata, its node and its workers, and nothing else."""
    node: Any = ray._private.node.Node
    originals = {name: getattr(node, name) for name in _OF_THE_HEAD}
    start_process = ray._private.services.start_ray_process

    def start(command: list[str], process_type: str, *rest: Any, **options: Any) -> Any:
        if process_type == ray._private.ray_constants.PROCESS_TYPE_RAYLET:
            command = _without_agents(command)
        return start_process(command, process_type, *rest, **options)

    for name in _OF_THE_HEAD:
        setattr(node, name, lambda self, **_options: None)
    ray._private.services.start_ray_process = start
    try:
        yield
    finally:
        ray._private.services.start_ray_process = start_process
        for name, original in originals.items():
            setattr(node, name, original)


def _without_agents(command: list[str]) -> list[str]:
    """The command of a node with stand-ins for its agents."""
    kept = [argument for argument in command if argument.partition("=")[0] not in _OF_THE_NODE]
    return [*kept, *(f"{flag}={value}" for flag, value in _OF_THE_NODE.items())]

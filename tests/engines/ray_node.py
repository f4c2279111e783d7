"""A node of a Ray cluster, as `ray start` makes one, in the foreground: it ends with this process, however that ends.

    python -m tests.engines.ray_node DIRECTORY ADDRESS                  a head, at 127.0.0.1
    python -m tests.engines.ray_node DIRECTORY ADDRESS 127.0.0.1:4711   another node, at ADDRESS

It prints the address of the head, its own id, and the pids of its processes by kind, once it is up. `ray start` starts
servers besides that nobody here needs.
"""

from __future__ import annotations

import json
import os
import sys
import time

STORE_BYTES = 100 * 2**20


def main() -> None:
    directory, address, *head = sys.argv[1:]
    # The hosts of the cluster are the addresses of the loopback, where nobody else reaches it.
    os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    # Else its workers, at niceness 15, get next to nothing beside the other tests.
    os.environ |= {"RAY_worker_niceness": "0"}
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    params = RayParams(
        node_ip_address=address,
        temp_dir=directory,
        num_cpus=int(os.environ.get("NODE_CPUS", "1")),
        object_store_memory=STORE_BYTES,
        memory=2**30,
        min_worker_port=0,
        max_worker_port=0,
        include_dashboard=False,
        include_log_monitor=False,
        no_monitor=True,
        gcs_address=head[0] if head else None,
        node_manager_port=0,
        dashboard_agent_listen_port=0,
    )
    node = Node(params, head=not head, shutdown_at_exit=True, spawn_reaper=True)
    pids = {kind: infos[0].process.pid for kind, infos in node.all_processes.items()}
    print(json.dumps({"address": node.gcs_address, "name": node.node_id, "pids": pids}), flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()

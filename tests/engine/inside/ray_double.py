# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster of two nodes on this machine, which vLLM's CPU platform can run on.

vLLM's ``CpuPlatform`` names no resource of Ray, so that its executor refuses a CPU. The
name is what is doubled: ``GPU``, of which each node is started with some. Ray counts
them and looks at no device. Nodes, actors and vLLM's RayExecutorV2 are the real ones.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NODES, SECOND = 2, "127.0.0.2"
# A busy machine of two cores takes longer than Ray waits for a node or a worker.
PATIENCE = {
    "RAY_health_check_initial_delay_ms": "120000",
    "RAY_health_check_timeout_ms": "120000",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_worker_niceness": "0",  # else behind all that runs on the machine
    # Each would import vLLM, and none is taken: an actor has an environment of its own.
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
}
_TRIES = 3
_FREE_WITHIN = 120.0
RESOURCE = "GPU"


def name_resource() -> None:
    """In every process of the cluster, before vLLM asks for its resource."""
    import data_double
    from vllm.platforms.cpu import CpuPlatform

    CpuPlatform.ray_device_key = RESOURCE
    data_double.install()


def far_apart() -> None:
    """The same, where ranks shall sum as those of two machines, by no shared memory."""
    from vllm.distributed.device_communicators.cpu_communicator import CpuCommunicator

    name_resource()
    CpuCommunicator._all_group_ranks_share_shm_group_name = lambda self: False


def head() -> str:
    """The address of this process's node."""
    import ray

    return str(ray.util.get_node_ip_address())


def free() -> None:
    """Give back what engines that have ended, or failed, still hold of the cluster."""
    import ray
    from ray.util import placement_group_table, remove_placement_group
    from ray.util.placement_group import PlacementGroup
    from vllm.v1.executor.ray_executor_v2 import RayExecutorV2

    # vLLM's finalizer holds an executor that failed until this process ends, and would
    # then start another Ray to end its actors.
    for each in gc.get_objects():
        if type(each) is RayExecutorV2:
            each.shutdown()
    for name, group in placement_group_table().items():
        if group["state"] != "REMOVED":
            remove_placement_group(PlacementGroup(_id(name)))
    until = time.monotonic() + _FREE_WITHIN
    while _count(ray.available_resources()) < _count(ray.cluster_resources()):
        if time.monotonic() > until:
            raise RuntimeError(f"not free after {_FREE_WITHIN:.0f} s")
        time.sleep(0.2)


def _count(resources: dict[str, float]) -> float:
    return resources.get(RESOURCE, 0)


def _id(name: str) -> Any:
    from ray import PlacementGroupID

    return PlacementGroupID(bytes.fromhex(name))


@dataclass(frozen=True)
class Nodes:
    """A cluster that runs.

    Attributes:
        address: What ``RAY_ADDRESS`` has to be to find it.
        logs: Where each node writes what its workers print, the head's first: below
            ``/tmp/ray`` on a machine of its own.
    """

    address: str
    logs: tuple[Path, ...]


@contextmanager
def cluster(each: int) -> Iterator[Nodes]:
    """Two nodes with ``each`` of the resource, to which this process is connected.

    They end with the block, and with this process however it ends: Ray has the kernel
    end what it started when who started it is gone.
    """
    os.environ.update(PATIENCE)
    import ray

    nodes = _started(
        {
            "num_cpus": each,
            "num_gpus": each,
            "object_store_memory": 100 << 20,
            "include_dashboard": False,
        }
    )
    logs = (nodes.head_node, *nodes.worker_nodes)
    try:
        find(nodes.address)
        ray.init()
        yield Nodes(nodes.address, tuple(Path(n.get_logs_dir_path()) for n in logs))
    finally:
        os.environ.pop("RAY_ADDRESS", None)
        ray.shutdown()
        nodes.shutdown()


def find(address: str) -> None:
    """Let ``ray.init()`` in this process find a cluster, and its workers the name."""
    os.environ["RAY_ADDRESS"] = address
    prepare(name_resource)


def prepare(hook: Callable[[], None]) -> None:
    """Let workers that this process asks Ray for begin with a function of here."""
    said = {"worker_process_setup_hook": f"{__name__}.{hook.__name__}"}
    os.environ["RAY_JOB_CONFIG_JSON_ENV_VAR"] = json.dumps({"runtime_env": said})


def _started(node: dict[str, Any]) -> Any:
    """The nodes; what did not come up in the 30 s that Ray gives it is tried again.

    Each has a folder and a log monitor of its own, as on a machine of its own.
    """
    from ray.cluster_utils import Cluster

    # Ray's own default for the head, which has to be there; all go with the job.
    folders = [Path(tempfile.gettempdir(), f"ray{n or ''}") for n in range(NODES)]
    folders[0].mkdir(exist_ok=True)
    for left in reversed(range(_TRIES)):
        nodes = Cluster()
        try:
            for number, folder in enumerate(folders):
                own = {"temp_dir": str(folder), "include_log_monitor": True}
                if number:
                    own["node_ip_address"] = SECOND
                nodes.add_node(**node, **own)
        except Exception:
            nodes.shutdown()
            if not left:
                raise
        else:
            return nodes
    raise AssertionError("unreachable")

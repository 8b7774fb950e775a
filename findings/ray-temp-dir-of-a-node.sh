#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: ray 2.56.1's Cluster.add_node(temp_dir=...) also writes into $TMPDIR/ray, and fails where that folder is not there
# Versions: ray 2.56.1
# Date: 2026-11-30
# Behaviour: The head of a cluster that is given a temp_dir puts its session there, and the address
#   of "the" cluster into ray_current_cluster of the default folder, $TMPDIR/ray. Nothing makes
#   that folder: on a machine where Ray never ran, or with a TMPDIR of one's own, the head ends
#   with FileNotFoundError. Once the folder is there, the same call starts the node.
# Output:
# > default folder is missing: FileNotFoundError ray_current_cluster
# > default folder is there:   a node, its session in temp_dir: True
# > address of it in the default folder: True
# Matters: A test that gives its cluster a folder, to leave nothing behind, works on a machine where
#   Ray was used and fails on a fresh one.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile --no-deps \
  ray==2.56.1 attrs==26.1.0 certifi==2026.10.18 charset-normalizer==3.5.3 click==8.5.1 \
  filelock==4.3.1 idna==3.20 jsonschema==4.26.0 jsonschema-specifications==2025.9.1 \
  msgpack==1.2.4 packaging==26.3 protobuf==7.36.2 pyyaml==6.0.4 referencing==0.37.0 \
  requests==2.34.2 rpds-py==2026.9.1 typing-extensions==4.16.0 urllib3==2.8.0; } >&2 || exit 2
seen=$(TMPDIR=$dir RAY_USAGE_STATS_ENABLED=0 v/bin/python -W ignore - << 'E'
import os
from pathlib import Path

from ray.cluster_utils import Cluster

default, own = Path(os.environ["TMPDIR"], "ray"), Path(os.environ["TMPDIR"], "own")


def start():
    cluster = Cluster()
    try:
        node = cluster.add_node(num_cpus=1, temp_dir=str(own), include_dashboard=False)
        session = Path(node.get_session_dir_path()).is_relative_to(own)
        return session, (default / "ray_current_cluster").is_file()
    finally:
        cluster.shutdown()


try:
    start()
    print("default folder is missing: it works")
except FileNotFoundError as e:
    print("default folder is missing: FileNotFoundError", Path(e.filename).name)
default.mkdir()
session, address = start()
print("default folder is there:   a node, its session in temp_dir:", session)
print("address of it in the default folder:", address)
E
)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2

# SPDX-License-Identifier: Apache-2.0
"""``python -I -S warm_client.py SOCKET ARGUMENT ...``: an interpreter that is warm.

What it is given runs in a fork of ``warm_python.py``; its exit code is that one's.
"""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    job = {
        "arguments": sys.argv[2:],
        "folder": os.getcwd(),  # noqa: PTH109
        "environment": dict(os.environ),
    }
    said = json.dumps(job).encode() + b"\n"
    sent = socket.send_fds(server, [said], [0, 1, 2])
    server.sendall(said[sent:])
    status = server.recv(64)
code = os.waitstatus_to_exitcode(int(status)) if status else 70
sys.exit(code if code >= 0 else 128 - code)

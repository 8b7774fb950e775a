# SPDX-License-Identifier: Apache-2.0
"""Run scripts as a new interpreter would, each in a fork of one that is warm.

``python warm_python.py SOCKET CODE`` runs the code, which imports what takes long, and
forgets what it imported of this repository. Then it answers ``warm_client.py``: a fork
takes its arguments, folder, environment and streams.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

# Read before torch is: no thread may run when the process forks.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
HERE = Path(__file__).resolve()
SITE = [p for p in sys.path if p not in ("", str(HERE.parent))]


def become(job: dict[str, Any]) -> None:
    """Take what a new interpreter reads at its start."""
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    ahead = [p for p in os.environ.get("PYTHONPATH", "").split(":") if p]
    # What a .pth file puts in front stays there.
    start = next(i for i, path in enumerate(SITE) if path.endswith(".zip"))
    sys.path[:] = ["", *SITE[:start], *ahead, *SITE[start:]]
    sys.orig_argv = [sys.executable, *job["arguments"]]
    # It found CUDA when it was imported, by the environment of then.
    extension = sys.modules.get("torch.utils.cpp_extension")
    if extension and sys.modules["torch"].cuda._is_compiled():
        extension.CUDA_HOME = extension._find_cuda_home()


def execute(arguments: list[str]) -> None:
    """Run a script or, after -c or -m, a text or a module, as ``__main__``."""
    first, *rest = arguments
    if first == "-c":
        code, *given = rest
        sys.argv = ["-c", *given]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), main.__dict__)
        return
    if first == "-m":
        name, *given = rest
        sys.path[0] = os.getcwd()  # noqa: PTH109
        sys.argv = ["-m", *given]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    sys.argv = arguments
    sys.path[0] = str(Path(first).resolve().parent)
    runpy.run_path(first, run_name="__main__")


def child(job: dict[str, Any]) -> int:
    """The exit status, as an interpreter ends."""
    try:
        become(job)
        execute(job["arguments"])
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve(connection: socket.socket) -> None:
    """One script's run; the answer is its wait status."""
    said, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while not said.endswith(b"\n"):
        said += connection.recv(1 << 20)
    if not (pid := os.fork()):
        for fd, stream in enumerate(streams):
            os.dup2(stream, fd)
        code = child(json.loads(said))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    ended = os.pidfd_open(pid)
    # Nothing more is sent: what can be read is the end of whoever asked.
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    with suppress(BrokenPipeError):
        connection.sendall(b"%d" % status)


def main() -> None:
    """Answer until stdin ends; then all forks end too."""
    sys.path[:] = SITE
    exec(sys.argv[2], {})
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "/")
        if any(file.is_relative_to(HERE.parents[2] / x) for x in ("scripts", "tests")):
            del sys.modules[name]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # The other end of stdin closes when the tests end, however they do.
    while 0 not in select.select([listener, 0], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            # One for each, so that nobody waits for another's.
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                serve(connection)
                os._exit(0)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()

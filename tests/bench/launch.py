# SPDX-License-Identifier: Apache-2.0
"""Run one command and say, as JSON on stdout, what it took.

A process of its own, started with -I -S and importing little: on Linux a child
inherits the peak memory of the process that starts it, so this one has to be
small for the figure to be the command's.

    python -I -S launch.py time|memory COMMAND [ARGUMENT ...]
"""

import json
import os
import sys
import time

_EVERY = 0.005  # seconds between two looks at the processes' memory


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208
                with open(f"/proc/{parent}/task/{task}/children") as f:  # noqa: PTH123
                    found += map(int, f.read().split())
        except OSError:  # it has just ended
            continue
    return found


def _resident(pid: int) -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for one in _tree(pid):
        try:
            with open(f"/proc/{one}/statm") as f:  # noqa: PTH123
                total += int(f.read().split()[1]) * page
        except OSError:
            continue
    return total


def main(kind: str, argv: list[str]) -> None:
    """Run `argv`, stdout thrown away; the result is one JSON object."""
    null = os.open(os.devnull, os.O_RDWR)
    files = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)]
    together = 0
    start = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=files)
    if kind == "time":
        _, status, usage = os.wait4(pid, 0)
    else:
        while True:
            together = max(together, _resident(pid))
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                break
            time.sleep(_EVERY)
    seconds = time.perf_counter() - start
    said = {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        # Of the command and of every child that it has waited for.
        "processor": usage.ru_utime + usage.ru_stime,
        # Linux counts KiB: the largest of the command and its children.
        "largest": usage.ru_maxrss * 1024,
        "together": together,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

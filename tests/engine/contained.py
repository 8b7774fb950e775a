# SPDX-License-Identifier: Apache-2.0
"""What a job starts and leaves, ended and removed however it ends.

vLLM's and Ray's processes make sessions of their own and write over their environment,
so that neither a process group nor a variable finds them again. The kernel does: what
loses its parent becomes a child of this process.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Finding

_SHARED = Path("/dev/shm")
# Of vLLM's CPU communicator, and of multiprocessing.
_LEFT = re.compile(r".*-cpushm_\d+$|psm_|sem\.mp-")
_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PATIENCE = 30.0


@contextmanager
def contained() -> Iterator[dict[str, str]]:
    """All processes that are started in the block end with it, and what they left goes.

    Yields:
        Variables for their environment: their folder for temporary files, and this
        process, below which all of them are.

    Raises:
        Finding: Some did not end.
    """
    _adopt(orphans=True)
    before, shared = _below(os.getpid()), set(_shared())
    # A path of a socket has at most 107 bytes, and Ray's names take 70 of them.
    with tempfile.TemporaryDirectory(
        prefix="sm12x-", ignore_cleanup_errors=True
    ) as folder:
        try:
            yield {"TMPDIR": folder, "SM12X_ENGINE_STARTER": str(os.getpid())}
        finally:
            _end(before)
            _remove(shared)
            _adopt(orphans=False)


def _adopt(*, orphans: bool) -> None:
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)


def _end(before: set[int]) -> None:
    until = time.monotonic() + _PATIENCE
    if names := [name for p in _below(os.getpid()) - before if (name := _alive(p))]:
        said = ", ".join(sorted(names))
        note(f"{len(names)} processes were left, which are ended: {said}")
    while left := _below(os.getpid()) - before:
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            with suppress(ChildProcessError):  # it may still have its own parent
                os.waitpid(process, os.WNOHANG)
        if time.monotonic() > until:
            raise Finding(
                "processes of the engine do not end",
                where=", ".join(map(str, sorted(left))),
                expected=f"to be gone {_PATIENCE:.0f} s after SIGKILL",
                next="see what they wait for: ps -o pid,stat,wchan,args",
            )
        time.sleep(0.05)


def _below(ancestor: int) -> set[int]:
    """Its children, and theirs; also those that have ended and wait to be reaped."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: set[int] = set()
    left = [ancestor]
    while left:
        new = children.get(left.pop(), [])
        found.update(new)
        left += new
    return found


def _alive(process: int) -> str:
    """Its name; nothing where it has ended."""
    with suppress(OSError):
        stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
        named, _, fields = stat.rpartition(")")
        if fields.split()[0] != "Z":
            return named.partition("(")[2]
    return ""


def _shared() -> list[str]:
    return [each.name for each in _SHARED.iterdir()] if _SHARED.is_dir() else []


def _remove(before: set[str]) -> None:
    """Remove what is new in shared memory and in nobody's use."""
    new = [each for each in _shared() if each not in before and _LEFT.match(each)]
    maps = ""
    for path in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):  # ended, or somebody else's, whose files these are not
            maps += path.read_text(errors="replace")
    for name in new:
        path = _SHARED / name
        if f"{path}\n" not in maps:
            with suppress(OSError):
                path.unlink()

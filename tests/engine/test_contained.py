# SPDX-License-Identifier: Apache-2.0
"""Nothing that a job starts or leaves outlives it, and nothing else is touched."""

from __future__ import annotations

import mmap
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.engine.contained import contained

SHARED = Path("/dev/shm")

# A process of a session of its own, whose parent has ended and which wrote over its
# environment, as Ray's and vLLM's are; it holds a file in shared memory.
ORPHAN = """
import os, signal, subprocess, sys, tempfile
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[1] == "first":
    subprocess.Popen(
        [sys.executable, sys.argv[0], "second", *sys.argv[2:]],
        start_new_session=True, env={},
    )
    raise SystemExit
open(sys.argv[2], "w").write("x")
open(sys.argv[3] + ".part", "w").write(str(os.getpid()))
os.rename(sys.argv[3] + ".part", sys.argv[3])
signal.pause()
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A name of vLLM's in shared memory."""
    path = SHARED / f"{uuid4().hex}-tp:0-[0-1]-cpushm_0"
    yield path
    path.unlink(missing_ok=True)


def orphan(folder: Path, shared: Path) -> Path:
    """Start it; the folder in /proc that it has while it lives."""
    (folder / "orphan.py").write_text(ORPHAN)
    told = folder / "pid"
    subprocess.run(
        [sys.executable, folder / "orphan.py", "first", shared, told], check=True
    )
    until = time.monotonic() + 60
    while not told.exists():
        assert time.monotonic() < until, "it did not start"
        time.sleep(0.02)
    return Path("/proc", told.read_text())


@pytest.mark.parametrize("how", [None, RuntimeError, KeyboardInterrupt])
def test_all_that_was_started_ends(
    tmp_path: Path,
    shared: Path,
    how: type[BaseException] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def job() -> None:
        with contained() as more:
            alive.append(orphan(tmp_path, shared))
            folders.append(Path(more["TMPDIR"]))
            assert alive[0].exists() and shared.exists() and folders[0].is_dir()
            if how is not None:
                raise how

    alive: list[Path] = []
    folders: list[Path] = []
    if how is None:
        job()
    else:
        with pytest.raises(how):
            job()
    assert not alive[0].exists()
    assert not shared.exists()
    assert not folders[0].exists()
    assert "1 processes were left, which are ended: python" in capsys.readouterr().err


def test_others_are_left_alone(tmp_path: Path) -> None:
    """Processes of before, and shared memory that they, or others, have."""
    names = [SHARED / f"{start}{uuid4().hex}" for start in ("psm_", "psm_", "mine_")]
    before, in_use, unknown = names
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        before.write_bytes(b"x")
        with contained():
            unknown.write_bytes(b"x")
            in_use.write_bytes(b"x")
            with in_use.open("r+b") as file:
                held = mmap.mmap(file.fileno(), 1)
        assert all(name.exists() for name in names)
        assert other.poll() is None
        held.close()
    finally:
        for name in names:
            name.unlink(missing_ok=True)
        other.communicate(b"\n")
    assert other.returncode == 0


def test_sockets_have_room() -> None:
    """Ray's deepest socket below its session, in 107 bytes."""
    with contained() as more:
        session = "session_2026-11-30_15-00-00_000000_1234567/sockets/plasma_store_1"
        added = len(more["TMPDIR"]) - len(tempfile.gettempdir())
        assert len("/tmp") + added + len(f"/{session}") <= 107

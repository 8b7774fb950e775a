# SPDX-License-Identifier: Apache-2.0
"""Fetching in other processes: killed, at once, without room, without rights."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.errors import Finding, Unusable
from scripts.upstream.cache import cache_dir, object_path
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Artifact
from tests.unit.package_index import Fault, Site
from tests.unit.upstream.fetched import DATA, NAME, kept_files

pytestmark = pytest.mark.usefixtures("machine")

SCRIPT = """\
import os, resource, sys
from pathlib import Path
from scripts.upstream import index
from scripts.base.errors import ForkError
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Artifact
import scripts.upstream.download
index.BACKOFF = 0.0
name, size, sha256, limit, user = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
if int(user):
    os.seteuid(int(user))
try:
    print(ascii(str(obtain(Artifact(name, int(size), sha256)))))
except ForkError as e:
    sys.stderr.write(str(e))
    sys.exit(e.exit_code)
"""


def start(
    artifact: Artifact, limit: int = 0, user: int = 0, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    args = (artifact.filename, artifact.size, artifact.sha256, limit, user)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, args)],
        cwd=ROOT,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def test_killed_run_is_resumed(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.HOLD]
    process = start(artifact)
    assert site.held.wait(30)
    part = cache_dir() / "parts" / artifact.sha256
    deadline = threading.Event()
    while not (part.exists() and part.stat().st_size):
        assert not deadline.wait(0.02) and process.poll() is None
    process.send_signal(signal.SIGKILL)
    end(process)
    have = part.stat().st_size
    assert 0 < have < len(DATA)
    site.release.set()
    assert obtain(artifact).read_bytes() == DATA
    assert site.fetched(NAME)[1].range == f"bytes={have}-"
    assert kept_files() == [NAME]


def test_two_runs_at_once_fetch_once(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.HOLD]
    first = start(artifact)
    assert site.held.wait(30)
    second = start(artifact)
    assert second.stderr is not None
    waiting = second.stderr.readline().decode()
    assert "waiting for another run: fetch vllm-1.2.3.tar.gz" in waiting
    # The held half ends in a cut; the same run goes on with the rest.
    site.release.set()
    for process in (first, second):
        code, out, err = end(process)
        assert (code, out.strip()) == (0, ascii(str(object_path(artifact)))), err
    assert [r.range for r in site.fetched(NAME)] == [None, "bytes=150000-"]
    assert object_path(artifact).read_bytes() == DATA


def test_full_disk(site: Site, artifact: Artifact) -> None:
    code, _, err = end(start(artifact, limit=100_000))
    assert code == Unusable.exit_code, err
    assert f"cannot write {NAME}" in err
    assert "SM12X_CACHE" in err
    assert "room for 300,001 bytes" in err
    assert not object_path(artifact).exists()
    assert obtain(artifact).read_bytes() == DATA


def test_cache_that_cannot_be_made(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(Unusable, match="cannot write to the cache") as caught:
        obtain(artifact)
    assert "SM12X_CACHE" in str(caught.value.next)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that nobody but its owner may write to."""
    # pytest's own folders cannot even be read by another user.
    with tempfile.TemporaryDirectory(prefix="sm12x-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        for p in (path, *path.rglob("*")):
            if p.is_dir():
                p.chmod(0o755)


def lock_up(folder: Path) -> None:
    for p in (folder, *folder.rglob("*")):
        p.chmod(0o555 if p.is_dir() else 0o444)


NOBODY = 65534 if os.geteuid() == 0 else 0


def test_read_only_cache_that_is_empty(artifact: Artifact, read_only: Path) -> None:
    lock_up(read_only)
    env = {"SM12X_CACHE": str(read_only)}
    code, _, err = end(start(artifact, user=NOBODY, env=env))
    assert code == Unusable.exit_code, err
    assert "cannot write to the cache" in err
    assert not list(read_only.iterdir())


def test_read_only_cache_that_is_full(
    site: Site, artifact: Artifact, read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM12X_CACHE", str(read_only))
    path = obtain(artifact)
    shutil.rmtree(read_only / "locks")
    lock_up(read_only)
    asked = len(site.requests)
    code, out, err = end(start(artifact, user=NOBODY))
    assert (code, out.strip()) == (0, ascii(str(path))), err
    assert len(site.requests) == asked


def test_damage_in_a_read_only_cache(
    artifact: Artifact, read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM12X_CACHE", str(read_only))
    path = obtain(artifact)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1])
    lock_up(read_only)
    code, _, err = end(start(artifact, user=NOBODY))
    assert code == Finding.exit_code, err
    assert f"{NAME} is not the file" in err


def test_locale_without_utf8(site: Site, artifact: Artifact, tmp_path: Path) -> None:
    env = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "SM12X_CACHE": str(tmp_path / "é ü"),
    }
    code, out, err = end(start(artifact, env=env))
    assert code == 0, err
    assert "\\udcc3" in out, "the locale reached the process"
    kept = list((tmp_path / "é ü").rglob(NAME))
    assert [p.read_bytes() for p in kept] == [DATA]
    kept[0].chmod(0o644)
    kept[0].write_bytes(b"")
    code, out, err = end(start(artifact, env=env | {"SM12X_OFFLINE": "1"}))
    assert code == Unusable.exit_code, err
    assert "removed from the cache" in err

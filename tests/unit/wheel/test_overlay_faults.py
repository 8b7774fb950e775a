# SPDX-License-Identifier: Apache-2.0
"""An overlay build without room or rights, or killed, leaves no half wheel."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.base.files import TEMP_MARK
from tests.unit.small import Small
from tests.unit.small_wheel import BUILT
from tests.unit.wheel.small_overlay import make


def test_full_disk(small: Small, base: Path, tmp_path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "out"
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1]))
    try:
        with pytest.raises(Unusable, match="cannot write"):
            make(small, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert not out.exists()
    assert make(small, out).is_file()


def test_folder_that_cannot_be_written(
    small: Small, base: Path, tmp_path: Path
) -> None:
    # A file in the way stops root too, whom no mode bit stops.
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(Unusable, match="cannot write"):
        make(small, tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder(small: Small, base: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o555)
    with pytest.raises(Unusable, match="cannot"):
        make(small, tmp_path / "out")


def test_killed_build_leaves_nothing_that_stays(
    small: Small, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a folder"
    make(small, out)
    whole = (out / BUILT).read_bytes()
    code = (
        "import sys, os, signal; from pathlib import Path;"
        "from tests.unit.small import Small;"
        "from scripts.wheel.zip import copier;"
        "import tests.unit.wheel.small_overlay as t;"
        "n = iter(range(99));"
        "kill = lambda e: os.kill(os.getpid(), signal.SIGKILL) if next(n) == 3 else "
        "(0, 33);"
        "put = copier.put_member;"
        "copier.put_member = lambda *a: (kill(0), put(*a))[1];"
        "t.make(Small(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(small.root), str(out)], cwd=ROOT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert any(TEMP_MARK in p.name for p in out.iterdir())
    other = out / f".vllm.tar.gz{TEMP_MARK}x"  # of a run that is still at work
    other.touch()
    assert (out / BUILT).read_bytes() == whole
    make(small, out)
    assert {p.name for p in out.iterdir()} == {BUILT, other.name}
    assert (out / BUILT).read_bytes() == whole

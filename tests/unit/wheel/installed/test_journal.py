# SPDX-License-Identifier: Apache-2.0
"""Patching an installed vLLM: safe to kill at every write, and repaired."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.wheel.installed import patch_installed
from scripts.wheel.installed.find import Installed
from tests.unit.small_files import VERSION
from tests.unit.small_installed import (
    INFO,
    contents,
    installed,
    new_byte_code,
    snapshot,
)

KILLED = 86
WRITES = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chmod"}
Do = Callable[[Installed], object]


@pytest.fixture
def at(venv_template: Path, tmp_path: Path) -> Installed:
    """An installed vLLM with byte code, as `find` gives it."""
    return installed(venv_template, tmp_path / "site")


def run_until(n: int, do: Do, at: Installed) -> bool:
    """Run `do` in a child that dies before its n-th write; whether it finished."""
    pid = os.fork()
    if pid == 0:
        left = n

        def watch(event: str, args: tuple[object, ...]) -> None:
            nonlocal left
            flags = args[2] if event == "open" else 0
            writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
            if event in WRITES or (isinstance(flags, int) and flags & writes):
                left -= 1
                if not left:
                    os._exit(KILLED)

        sys.addaudithook(watch)
        try:
            do(at)
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED)
    return code == 0


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote; only a power cut does."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def clone(at: Installed, to: Path) -> Installed:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(at.site, to, symlinks=True)
    return Installed(to, to / INFO, VERSION)


def test_kill_at_every_write_of_a_patch(
    at: Installed, series: tuple[Lock, list[Patch]], tmp_path: Path, no_fsync: None
) -> None:
    whole = clone(at, tmp_path / "whole")
    patch_installed.patch(whole, *series)
    patched = contents(whole.site)
    n, repaired, finished = 0, 0, False
    while not finished:
        n += 1
        again = clone(at, tmp_path / "again")
        before = snapshot(again.site)
        finished = run_until(n, lambda a: patch_installed.patch(a, *series), again)
        state = again.info / "sm12x"
        # Half a patch always shows as one.
        assert (
            (state / "journal.json").exists()
            or contents(again.site) == patched
            or (
                {k: v for k, v in snapshot(again.site).items() if "/sm12x" not in k}
                == before
            )
        )
        if n % 2:
            report = patch_installed.patch(again, *series)
            assert contents(again.site) == patched, n
            repaired += report.repaired
        patch_installed.unpatch(again)
        assert snapshot(again.site) == before, n
    assert n > 30 and repaired > 10


def test_kill_at_every_write_of_a_revert(
    at: Installed, series: tuple[Lock, list[Patch]], tmp_path: Path, no_fsync: None
) -> None:
    n, repaired, finished = 0, 0, False
    while not finished:
        n += 1
        again = clone(at, tmp_path / "again")
        before = snapshot(again.site)
        patch_installed.patch(again, *series)
        new_byte_code(again.site)
        finished = run_until(n, patch_installed.unpatch, again)
        # The repair may be killed as well.
        run_until(n // 2 + 1, patch_installed.unpatch, again)
        repaired += patch_installed.unpatch(again).repaired
        assert snapshot(again.site) == before, n
    assert n > 30 and repaired > 15

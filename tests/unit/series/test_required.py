# SPDX-License-Identifier: Apache-2.0
"""A companion that the series requires in another version than upstream pins."""

from __future__ import annotations

import json
import shlex
import tarfile
import zipfile
from dataclasses import replace
from email.parser import BytesParser
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.series.required import lock_values, required
from scripts.upstream import lock as lockfile
from scripts.upstream.lock import Lock, Own
from scripts.upstream.release_facts import REQUIREMENTS
from scripts.wheel import metadata, overlay
from scripts.wheel.install import installer
from scripts.wheel.installed import patch_installed
from scripts.wheel.verify import verify
from tests.unit.small import Small, message
from tests.unit.small_installed import INFO as INSTALLED
from tests.unit.small_installed import python_of, site_of, snapshot
from tests.unit.small_wheel import LOCAL, record, rewrite

OWN = Own("2.15.0", "0004-build-torch.patch", "The old one is wrong.")
PINS = "# new\nflashinfer-python==0.7\nnvidia-cutlass-dsl[cu13]==4\ntorch==2\n"


def moved(lock: Lock) -> Lock:
    """The lock after a series that requires another torch."""
    return replace(lock, own={"torch": OWN}, companions={"torch": OWN.version})


@pytest.fixture
def requiring(small: Small) -> list[Patch]:
    text = message("build: torch", "The old one is wrong. So there.")
    small.commit(text, {REQUIREMENTS: PINS})
    small.export()
    return folder.load(small.patches)


def test_what_moves_has_its_patch_and_its_reason(requiring: list[Patch]) -> None:
    found = required(PINS, PINS.replace("torch==2", "torch==2.15.0"), requiring)
    assert found == {"torch": OWN}
    assert required(PINS, PINS, requiring) == {}
    # A series that leaves the file alone is not asked to read it.
    assert required("", "", requiring[:-1]) == {}
    with pytest.raises(Finding, match="no one version of torch"):
        required(PINS, PINS.replace("torch==2", "torch>=2"), requiring)


def test_the_lock_is_told_and_forgets(small: Small) -> None:
    before = small.lock_path.read_bytes()
    for own in ({"torch": OWN}, {"torch": replace(OWN, version="2.16.0")}):
        lockfile.update(small.lock_path, lock_values(small.lock, own))
        lock = small.lock
        assert lock.own == own
        assert lock.companions == {"torch": own["torch"].version}
        assert lock.upstream_companions == {"torch": "2.14.0"}
        assert lock.moved == {"torch": ("2.14.0", own["torch"].version)}
        assert lock_values(lock, own) and not lockfile.update(
            small.lock_path, lock_values(lock, own)
        )
    lockfile.update(small.lock_path, lock_values(small.lock, {}))
    assert small.lock.own == {}
    assert small.lock_path.read_bytes().startswith(before.rstrip())


def test_the_wheel_says_so_everywhere(small: Small, base: Path, tmp_path: Path) -> None:
    lock, patches = moved(small.lock), folder.load(small.patches)
    wheel = overlay.build(lock, patches, base, tmp_path, sdist=lambda: small.sdist)
    with zipfile.ZipFile(wheel) as z:
        files = {n: z.read(n) for n in z.namelist()}
    head = BytesParser().parsebytes(files[f"{LOCAL}/METADATA"])
    assert head.get_all("Requires-Dist") == ["torch==2.15.0"]
    notice = files[f"{LOCAL}/licenses/NOTICE.sm12x"].decode()
    assert "requires torch 2.15.0, where upstream's requires 2.14.0" in notice
    bill = json.loads(files[f"{LOCAL}/sboms/vllm-sm12x.cdx.json"])
    assert [(c["name"], c["version"]) for c in bill["components"]] == [
        ("torch", "2.15.0")
    ]
    assert verify(wheel, lock, patches, base, small.sdist).ok
    report = verify(wheel, small.lock, patches, base, small.sdist)
    assert "'+Requires-Dist: torch==2.15.0'" in str(report)
    # And a wheel that forgot it is not this one.
    name = f"{LOCAL}/METADATA"
    files[name] = files[name].replace(b"torch==2.15.0", b"torch==2.14.0")
    del files[f"{LOCAL}/RECORD"]
    change = {name: files[name], f"{LOCAL}/RECORD": record(files, LOCAL)}
    (tmp_path / "copy").mkdir()
    forgot = rewrite(wheel, change, tmp_path / "copy" / wheel.name)
    report = verify(forgot, lock, patches, base, small.sdist)
    assert "'-Requires-Dist: torch==2.14.0'" in str(report)


def test_the_installed_vllm_requires_it_and_forgets(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    lock, patches = series
    python, at = python_of(venv), site_of(venv) / INSTALLED / "METADATA"
    head, _, body = at.read_bytes().partition(b"\n\n")
    at.write_bytes(head + b"\nRequires-Dist: torch[cu13]==2.14.0\n\n" + body)
    before = snapshot(site_of(venv))
    report = patch_installed.patch_installed(python, moved(lock), patches)
    assert b"\nRequires-Dist: torch[cu13]==2.15.0\n" in at.read_bytes()
    pip = shlex.join(installer(Path(python)))
    assert f"it requires now: {pip} torch==2.15.0\n" in f"{report}\n"
    # What upstream's requires is not put back with the files.
    back = patch_installed.revert(python)
    assert f"it requires now: {pip} torch==2.14.0\n" in f"{back}\n"
    assert (
        snapshot(site_of(venv))[f"{INSTALLED}/METADATA"]
        == (before[f"{INSTALLED}/METADATA"])
    )


def test_another_builders_requirement_is_refused(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    lock, patches = series
    python, at = python_of(venv), site_of(venv) / INSTALLED / "METADATA"
    at.write_bytes(at.read_bytes() + b"Requires-Dist: torch>=2\n")
    before = snapshot(site_of(venv))
    with pytest.raises(Finding, match="not required as upstream requires it"):
        patch_installed.patch_installed(python, moved(lock), patches)
    assert snapshot(site_of(venv)) == before


def test_other_lines_stay() -> None:
    text = (
        b'Requires-Dist: torch==2.14.0\nRequires-Dist: torch==2.14.0; extra == "x"\n'
        b"Requires-Dist: torchaudio==2.14.0\n"
    )
    found = metadata.requires(text, {"torch": ("2.14.0", "3")})
    assert found == text.replace(b"torch==2.14.0\n", b"torch==3\n", 1)
    for data in (b"", text + text):
        with pytest.raises(Finding):
            metadata.requires(data, {"torch": ("2.14.0", "3")})


@pytest.mark.upstream
def test_the_series_requires_a_whole_flashinfer(tmp_path: Path) -> None:
    from scripts.upstream import fetch
    from scripts.wheel import patched_sdist

    lock = lockfile.load()
    assert lock.moved.keys() == {"flashinfer-python"}
    old, new = lock.moved["flashinfer-python"]
    path = patched_sdist.build(lock, folder.load(), fetch.obtain(lock.sdist), tmp_path)
    with tarfile.open(path) as tar:
        top = path.name.removesuffix(".tar.gz")
        for name in ("PKG-INFO", "vllm.egg-info/requires.txt", REQUIREMENTS):
            member = tar.extractfile(f"{top}/{name}")
            assert member is not None
            text = member.read().decode()
            assert f"flashinfer-python=={new}\n" in text, name
            assert f"flashinfer-python=={old}\n" not in text, name

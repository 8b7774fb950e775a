# SPDX-License-Identifier: Apache-2.0
"""The overlay wheel, on a hand-made upstream and on the real one."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import time
import zipfile
from email.parser import BytesParser
from importlib import import_module
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.files import digest as file_digest
from scripts.series import folder
from scripts.upstream import fetch
from scripts.upstream.lock import Lock
from scripts.upstream.lock import load as load_lock
from scripts.wheel import metadata, overlay
from scripts.wheel.verify import verify
from scripts.wheel.zip import reader
from tests.unit.small import Small, message
from tests.unit.small_files import SPDX
from tests.unit.small_wheel import BUILT, CONFIG, INFO, LOCAL, SO, wheel_files
from tests.unit.wheel.small_overlay import make


def contents(path: Path) -> dict[str, bytes]:
    """Members by name, CRCs checked by zipfile."""
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        return {n: z.read(n) for n in z.namelist()}


def raw(path: Path, name: str) -> bytes:
    """The packed bytes of a member."""
    (m,) = (m for m in reader.read(path).members if m.name == name)
    return path.read_bytes()[m.data_at : m.end]


def test_name_and_versions(small: Small, base: Path, tmp_path: Path) -> None:
    wheel = make(small, tmp_path / "out")
    assert wheel.name == BUILT
    files = contents(wheel)
    scope: dict[str, object] = {}
    exec(files["vllm/_version.py"], scope)
    assert scope["__version__"] == "1.2.3+sm12x.1"
    assert scope["version_tuple"] == (1, 2, 3, "sm12x.1")
    assert scope["commit_id"] == "g0123456ab"
    head = BytesParser().parsebytes(files[f"{LOCAL}/METADATA"])
    assert head["Version"] == "1.2.3+sm12x.1"
    assert head["Requires-Dist"] == "torch==2.14.0"
    assert head.get_all("License-File") == ["LICENSE", "NOTICE.sm12x"]
    assert str(head.get_payload()).startswith("Version: 1.2.3\n")
    assert not any(n.startswith(INFO + "/") for n in files)
    assert files[f"{LOCAL}/WHEEL"] == wheel_files()[f"{INFO}/WHEEL"]


def test_payload_is_the_patched_tree_without_tests(
    small: Small, base: Path, tmp_path: Path
) -> None:
    files = contents(make(small, tmp_path))
    for path in ("vllm/config/kernel.py", "vllm/utils/flashinfer.py"):
        assert files[path] == (small.repo / path).read_bytes()
        assert files[path] != wheel_files()[path]
    assert not any(n.startswith("tests/") for n in files)
    same = {*wheel_files()} - {"vllm/config/kernel.py", "vllm/utils/flashinfer.py"}
    for name in same - {"vllm/_version.py", f"{INFO}/METADATA"}:
        assert files[name.replace(INFO, LOCAL)] == wheel_files()[name]


def test_unchanged_members_are_not_recompressed(
    small: Small, base: Path, tmp_path: Path
) -> None:
    wheel = make(small, tmp_path)
    for name in (SO, CONFIG, "vllm/__init__.py"):
        assert raw(wheel, name) == raw(base, name)
    assert raw(wheel, f"{LOCAL}/WHEEL") == raw(base, f"{INFO}/WHEEL")
    assert len(raw(base, SO)) < len(wheel_files()[SO])  # it was deflated at all


def test_record_is_complete_ordered_and_right(
    small: Small, base: Path, tmp_path: Path
) -> None:
    files = contents(make(small, tmp_path))
    rows = list(csv.reader(io.StringIO(files[f"{LOCAL}/RECORD"].decode())))
    assert sorted(r[0] for r in rows) == sorted(files)
    assert rows[-1] == [f"{LOCAL}/RECORD", "", ""]
    for name, hashed, size in rows[:-1]:
        assert int(size) == len(files[name])
        assert hashed == metadata.row(name, files[name]).hash
    before = list(csv.reader(io.StringIO(contents(base)[f"{INFO}/RECORD"].decode())))
    stayed = [r[0].replace(INFO, LOCAL) for r in before]
    assert [r[0] for r in rows if r[0] in stayed] == stayed
    assert list(files)[-1] == f"{LOCAL}/RECORD"


def test_new_and_deleted_files(small: Small, base: Path, tmp_path: Path) -> None:
    small.commit(
        message("kernels: add a package and drop another"),
        {
            "vllm/sm12x/__init__.py": SPDX,
            "vllm/sm12x/configs/E=1,N=4.json": "{}\n",
            "vllm/utils/__init__.py": None,
        },
    )
    small.export()
    wheel = make(small, tmp_path)
    files = contents(wheel)
    assert files["vllm/sm12x/configs/E=1,N=4.json"] == b"{}\n"
    assert "vllm/utils/__init__.py" not in files
    names = list(files)
    info = min(i for i, n in enumerate(names) if n.startswith(LOCAL))
    assert names[info - 1].startswith("vllm/sm12x/")
    assert (
        b"vllm/utils/__init__.py (removed by 0004)"
        in files[f"{LOCAL}/licenses/NOTICE.sm12x"]
    )
    report = verify(wheel, small.lock, folder.load(small.patches), base, small.sdist)
    assert report.ok, str(report)
    assert report.removed == 1


def test_two_builds_are_one_file(small: Small, base: Path, tmp_path: Path) -> None:
    first = make(small, tmp_path / "a")
    os.utime(base, (1, 1))
    time.sleep(2.1)  # more than a DOS time stamp can hide
    code = (
        "import sys; from pathlib import Path; from tests.unit.small import Small;"
        "from tests.unit.wheel.small_overlay import make;"
        "print(make(Small(Path(sys.argv[1])), Path(sys.argv[2])))"
    )
    env = os.environ | {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    other = tmp_path / "a folder"
    subprocess.run(
        [sys.executable, "-c", code, str(small.root), str(other)],
        check=True,
        cwd=ROOT,
        env=env,
    )
    assert first.read_bytes() == (other / BUILT).read_bytes()


def test_pip_installs_it(small: Small, base: Path, tmp_path: Path) -> None:
    wheel = make(small, tmp_path / "with a space")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    site = tmp_path / "site"
    subprocess.run(
        [*pip, "install", "-q", "--no-index", "--no-deps", "--target", site, wheel],
        check=True,
    )
    found = PathDistribution(site / LOCAL)
    assert found.version == "1.2.3+sm12x.1"
    files = found.files or []
    for f in files:
        if f.hash is not None:
            data = Path(str(f.locate())).read_bytes()
            assert f.size == len(data)
            assert f"sha256={f.hash.value}" == metadata.row("x", data).hash
    with zipfile.ZipFile(wheel) as z:
        assert {*z.namelist()} <= {str(f) for f in files}


def test_the_wheel_tool_accepts_it(small: Small, base: Path, tmp_path: Path) -> None:
    """`wheel unpack` checks every hash of RECORD while it reads."""
    wheelfile = import_module("wheel.wheelfile")
    with wheelfile.WheelFile(make(small, tmp_path)) as w:
        for name in w.namelist():
            w.read(name)
        assert w.dist_info_path == LOCAL


@pytest.fixture(scope="module")
def pin() -> Lock:
    return load_lock()


@pytest.mark.upstream
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_real_wheel(pin: Lock, arch: str, tmp_path: Path) -> None:
    patches = folder.load()
    base, sdist = fetch.obtain(pin.wheel(arch)), fetch.obtain(pin.sdist)
    wheel = overlay.build(pin, patches, base, tmp_path / "a", sdist=lambda: sdist)
    report = verify(wheel, pin, patches, base, sdist)
    assert report.ok, str(report)
    assert report.compiled >= 13
    assert report.patched + report.untouched + 5 == report.members
    again = overlay.build(pin, patches, base, tmp_path / "b", sdist=lambda: sdist)
    assert file_digest(wheel) == file_digest(again)

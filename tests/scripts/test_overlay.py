# SPDX-License-Identifier: Apache-2.0
"""The overlay wheel, on a hand-made upstream and on the real one."""

from __future__ import annotations

import csv
import io
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from email.parser import BytesParser
from importlib import import_module
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from scripts import ROOT, fetch
from scripts.errors import Finding, Unusable
from scripts.files import TEMP_MARK
from scripts.files import digest as file_digest
from scripts.lock import Lock
from scripts.lock import load as load_lock
from scripts.series import folder
from scripts.wheel import metadata, overlay, zipread
from scripts.wheel.verify import verify
from tests.scripts.small import SPDX, VERSION, Small, message
from tests.scripts.small_wheel import (
    BUILT,
    CONFIG,
    INFO,
    LOCAL,
    NAME,
    SO,
    add_wheel,
    wheel_files,
)


@pytest.fixture
def base(small: Small) -> Path:
    """The hand-made upstream wheel, pinned in `small.lock`."""
    return add_wheel(small)


def make(small: Small, out: Path) -> Path:
    """Build with the series as it is now."""
    return overlay.build(
        small.lock,
        folder.load(small.patches),
        small.upstream_dir / NAME,
        out,
        sdist=lambda: small.sdist,
    )


def contents(path: Path) -> dict[str, bytes]:
    """Members by name, CRCs checked by zipfile."""
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        return {n: z.read(n) for n in z.namelist()}


def raw(path: Path, name: str) -> bytes:
    """The packed bytes of a member."""
    (m,) = (m for m in zipread.read(path).members if m.name == name)
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
        "import sys; from pathlib import Path; from tests.scripts.small import Small;"
        "from tests.scripts.test_overlay import make;"
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


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("csrc/x.cu", "x *= 2", "x *= 3"),
        ("setup.py", "setup()", "setup(zip_safe=False)"),
        ("pyproject.toml", 'dynamic = ["version"]', 'version = "9"'),
        ("README.md", "# vLLM", "# Fork"),
    ],
)
def test_source_lane_is_refused_with_patch_and_file(
    small: Small, base: Path, tmp_path: Path, path: str, old: str, new: str
) -> None:
    small.edit(message("build: change what is compiled"), path, old, new)
    small.export()
    with pytest.raises(Finding) as e:
        make(small, tmp_path / "out")
    assert "patches/0004-build-change-what-is-compiled.patch:" in str(e.value)
    assert f"({path})" in str(e.value)
    assert e.value.next == "make wheel-source"
    assert not (tmp_path / "out").exists()


def test_lint_settings_are_no_reason_to_compile(
    small: Small, base: Path, tmp_path: Path
) -> None:
    small.edit(message("lint: more"), "pyproject.toml", '"SIM", ', "")
    small.export()
    assert make(small, tmp_path).is_file()


def test_another_preimage_is_refused(small: Small, tmp_path: Path) -> None:
    files = wheel_files()
    files["vllm/config/kernel.py"] += b"# upstream moved on\n"
    add_wheel(small, files)
    with pytest.raises(Finding, match="another blob"):
        make(small, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_wheel_that_is_not_pinned_is_refused(
    small: Small, base: Path, tmp_path: Path
) -> None:
    other = base.with_name(f"vllm-{VERSION}-py3-none-any.whl")
    base.rename(other)
    with pytest.raises(Finding, match="none that the lock pins"):
        overlay.build(small.lock, folder.load(small.patches), other, tmp_path / "o")


def test_damaged_member_is_refused(small: Small, base: Path, tmp_path: Path) -> None:
    data = bytearray(base.read_bytes())
    m = next(x for x in zipread.read(base).members if x.name == "vllm/config/kernel.py")
    data[m.data_at + 40] ^= 0x10
    base.write_bytes(data)
    with pytest.raises(Finding, match="member is damaged"):
        make(small, tmp_path / "out")


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
    assert list(out.iterdir()) == []
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
        "from tests.scripts.small import Small;"
        "from scripts.wheel import zipcopy; import tests.scripts.test_overlay as t;"
        "n = iter(range(99));"
        "kill = lambda e: os.kill(os.getpid(), signal.SIGKILL) if next(n) == 3 else "
        "(0, 33);"
        "put = zipcopy.put_member;"
        "zipcopy.put_member = lambda *a: (kill(0), put(*a))[1];"
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

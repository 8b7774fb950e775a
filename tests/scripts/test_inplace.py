# SPDX-License-Identifier: Apache-2.0
"""Patching an installed vLLM: complete, reversible, and safe to kill anywhere."""

from __future__ import annotations

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts import fetch
from scripts import lock as lock_file
from scripts.errors import Finding, ForkError, Unusable
from scripts.lock import Lock
from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.wheel import inplace
from scripts.wheel.inplace import Status
from scripts.wheel.installed import Installed, alone, edit_record
from scripts.wheel.metadata import read_record, row
from tests.scripts.small import SPDX, VERSION, Small, message, upstream

INFO = f"vllm-{VERSION}.dist-info"
PIP = ("--disable-pip-version-check", "-q")
KILLED = 86
WRITES = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.chmod"}


class File(NamedTuple):
    data: bytes
    mode: int
    mtime: int
    inode: int


def snapshot(site: Path) -> dict[str, File | str | None]:
    """Everything below `site`: files, link targets, None for folders."""
    found: dict[str, File | str | None] = {}
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_dir():
            found[name] = None
        else:
            s = path.stat()
            found[name] = File(path.read_bytes(), s.st_mode, s.st_mtime_ns, s.st_ino)
    return found


def contents(site: Path) -> dict[str, bytes | None]:
    """As `snapshot`, without what two equal patches may differ in."""
    seen = snapshot(site)
    return {k: v.data if isinstance(v, File) else None for k, v in seen.items()}


def wheel(path: Path, version: str = VERSION) -> Path:
    """A wheel of the hand-made upstream."""
    info = f"vllm-{version}.dist-info"
    files = {k: v for k, v in upstream().items() if k.startswith("vllm/")}
    meta = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n"
    files[f"{info}/METADATA"] = meta.encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: test\n"
        b"Root-Is-Purelib: false\nTag: py3-none-any\n"
    )
    rows = [row(name, data) for name, data in files.items()]
    lines = [f"{r.name},{r.hash},{r.size}\n" for r in rows]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    path /= f"vllm-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as z:
        for name, data in files.items():
            z.writestr(name, data)
    return path


def pip(python: Path, *args: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), *args, *PIP],
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def venv_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the hand-made vLLM, installed by pip."""
    home = tmp_path_factory.mktemp("env")
    env = [sys.executable, "-m", "venv", "--without-pip", str(home / "v")]
    subprocess.run(env, check=True)
    python = home / "v/bin/python"
    pip(python, "install", "--no-deps", "--no-index", str(wheel(home)))
    return home / "v"


@pytest.fixture
def venv(venv_template: Path, tmp_path: Path) -> Path:
    """Its copy, in a folder with a space; the interpreter finds its new home."""
    home = tmp_path / "an env"
    shutil.copytree(venv_template, home, symlinks=True)
    return home


def python_of(venv: Path) -> str:
    return str(venv / "bin/python")


def site_of(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


@pytest.fixture(scope="module")
def series(
    small_template: Small, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lock, list[Patch]]:
    """The small series, and a patch that adds a package and deletes a file."""
    root = tmp_path_factory.mktemp("series") / "checkout"
    shutil.copytree(small_template.root, root, symlinks=True)
    small = Small(root)
    small.commit(
        message("kernels: add a package, drop an empty file"),
        {
            "vllm/sm12x/__init__.py": SPDX,
            "vllm/sm12x/moe.py": SPDX + "NAME = 'sm12x'\n",
            "vllm/utils/__init__.py": None,
        },
    )
    small.export()
    return small.lock, folder.load(small.patches)


@pytest.fixture
def at(venv_template: Path, tmp_path: Path) -> Installed:
    """An installed vLLM with byte code, as `find` gives it."""
    site = tmp_path / "site"
    shutil.copytree(site_of(venv_template), site, symlinks=True)
    for module in ("vllm/config/kernel", "vllm/utils/__init__", "vllm/__init__"):
        cache = site / Path(module).parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        for tag in ("cpython-311", "cpython-399.opt-1"):
            name = cache / f"{Path(module).name}.{tag}.pyc"
            name.write_bytes(f"{module} {tag}".encode())
            os.utime(name, ns=(10**18, 10**18))
    os.utime(site / "vllm/config/kernel.py", ns=(10**18 + 7, 10**18 + 7))
    (site / "vllm/config/kernel.py").chmod(0o640)
    return Installed(site, site / INFO, VERSION)


Do = Callable[[Installed], object]


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


# -- the whole way, with a real interpreter and a real pip ---------------------


def test_patch_and_revert_are_exact(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    python, site = python_of(venv), site_of(venv)
    before = snapshot(site)
    report = inplace.patch_installed(python, *series)
    assert report.status is Status.PATCHED
    assert set(report.files) == {
        "vllm/config/kernel.py",
        "vllm/utils/flashinfer.py",
        "vllm/utils/__init__.py",
        "vllm/sm12x/__init__.py",
        "vllm/sm12x/moe.py",
    }
    assert "tests/utils/test_probe.py" in report.left_out
    assert not (site / "tests").exists()
    said = subprocess.run(
        [python, "-c", "import vllm.sm12x.moe, vllm.config.kernel"],
        capture_output=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
    )
    assert said.returncode == 0, said.stderr
    assert (site / "vllm/sm12x/__pycache__").is_dir()
    assert b'"sm12x"' in (site / "vllm/config/kernel.py").read_bytes()
    report = inplace.revert(python)
    assert (report.status, report.repaired) == (Status.REVERTED, False)
    subprocess.run([python, "-c", "import vllm.config.kernel"], check=True)
    after = snapshot(site)
    assert {k: v for k, v in after.items() if "__pycache__" not in k} == {
        k: v for k, v in before.items() if "__pycache__" not in k
    }
    assert inplace.revert(python).status is Status.CLEAN


def test_record_is_right_and_uninstall_leaves_nothing(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    python, site = python_of(venv), site_of(venv)
    ends = (site / INFO / "RECORD").read_bytes().count(b"\r\n")
    assert ends, "pip ends the lines of RECORD with CR LF"
    inplace.patch_installed(python, *series)
    data = (site / INFO / "RECORD").read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > ends
    rows = read_record(data, "RECORD")
    for r in rows:
        if r.hash:
            assert row(r.name, (site / r.name).read_bytes()) == r
    on_disk = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    named = {r.name for r in rows}
    assert {p for p in on_disk if not p.endswith(".pyc")} <= named
    assert {p for p in named - on_disk if not p.endswith(".pyc")} == set()
    pip(Path(python), "uninstall", "-y", "vllm")
    assert not list(site.glob("vllm*"))


def test_manifest_names_the_patches(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    lock, patches = series
    inplace.patch_installed(python_of(venv), lock, patches)
    manifest = json.loads((site_of(venv) / INFO / "sm12x/manifest.json").read_bytes())
    assert manifest["fork"] == lock.local_version
    assert [p[:2] for p in manifest["patches"]] == [[p.name, p.sha256] for p in patches]
    changes = {c["path"]: c for c in manifest["changes"]}
    kernel = upstream()["vllm/config/kernel.py"]
    assert changes["vllm/config/kernel.py"]["before"]["sha256"] == (
        sha256(kernel).hexdigest()
    )


def test_second_patch_does_nothing(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    inplace.patch_installed(python_of(venv), *series)
    before = snapshot(site_of(venv))
    report = inplace.patch_installed(python_of(venv), *series)
    assert report.status is Status.ALREADY
    assert "nothing to do" in str(report)
    assert snapshot(site_of(venv)) == before


def test_other_series_is_refused(venv: Path, series: tuple[Lock, list[Patch]]) -> None:
    lock, patches = series
    inplace.patch_installed(python_of(venv), lock, patches[:1])
    before = snapshot(site_of(venv))
    with pytest.raises(Finding, match="another series") as e:
        inplace.patch_installed(python_of(venv), lock, patches)
    assert "REVERT=1" in str(e.value)
    assert snapshot(site_of(venv)) == before


def test_local_version_of_another_builder_is_taken(
    tmp_path: Path, venv_template: Path, series: tuple[Lock, list[Patch]]
) -> None:
    home = tmp_path / "v"
    shutil.copytree(venv_template, home, symlinks=True)
    built = wheel(tmp_path, f"{VERSION}+cu129")
    pip(home / "bin/python", "install", "--no-deps", "--no-index", str(built))
    report = inplace.patch_installed(python_of(home), *series)
    assert (report.status, report.version) == (Status.PATCHED, f"{VERSION}+cu129")


# -- what is refused, before anything is written ------------------------------


def refused(venv: Path, series: tuple[Lock, list[Patch]], kind: type[ForkError]) -> str:
    before = snapshot(site_of(venv))
    with pytest.raises(kind) as e:
        inplace.patch_installed(python_of(venv), *series)
    assert type(e.value) is kind
    assert snapshot(site_of(venv)) == before
    return str(e.value)


def test_every_file_that_differs_is_named(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    site = site_of(venv)
    (site / "vllm/sm12x").mkdir()
    (site / "vllm/sm12x/moe.py").write_text("mine\n")
    (site / "vllm/config/kernel.py").write_text("other\n")
    (site / "vllm/utils/flashinfer.py").unlink()
    text = refused(venv, series, Finding)
    for name in ("config/kernel.py", "sm12x/moe.py", "utils/flashinfer.py"):
        assert f"vllm/{name}: " in text
    assert "3 of 5 files" in text


def test_other_version_is_refused(venv: Path, series: tuple[Lock, list[Patch]]) -> None:
    lock, patches = series
    other = replace(lock, version="1.2.4")
    assert "not the pinned one" in refused(venv, (other, patches), Unusable)


def test_own_wheel_is_refused(
    tmp_path: Path, venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    built = wheel(tmp_path, f"{VERSION}+sm12x.1")
    pip(venv / "bin/python", "install", "--no-deps", "--no-index", str(built))
    assert "the fork's own wheel" in refused(venv, series, Unusable)


def test_no_vllm_is_refused(venv: Path, series: tuple[Lock, list[Patch]]) -> None:
    pip(venv / "bin/python", "uninstall", "-y", "vllm")
    assert "there is no vLLM" in refused(venv, series, Unusable)


def test_editable_install_is_refused(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    said = {"url": "file:///x", "dir_info": {"editable": True}}
    (site_of(venv) / INFO / "direct_url.json").write_text(json.dumps(said))
    assert "editable" in refused(venv, series, Unusable)


def test_shadowed_install_is_refused(
    tmp_path: Path, venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    (tmp_path / "src/vllm").mkdir(parents=True)
    (tmp_path / "src/vllm/__init__.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'src')!r})\n"
    (site_of(venv) / "dev.pth").write_text(code)
    assert "another vllm shadows it" in refused(venv, series, Unusable)


def test_missing_record_is_refused(
    venv: Path, series: tuple[Lock, list[Patch]]
) -> None:
    (site_of(venv) / INFO / "RECORD").unlink()
    assert "no RECORD" in refused(venv, series, Unusable)


@pytest.mark.parametrize("python", ["/nowhere/python", "/", "no-such-python"])
def test_python_that_cannot_run(python: str, series: tuple[Lock, list[Patch]]) -> None:
    with pytest.raises(Unusable, match="cannot be run"):
        inplace.patch_installed(python, *series)


def test_python_that_fails(tmp_path: Path, series: tuple[Lock, list[Patch]]) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(Unusable, match="broken"):
        inplace.patch_installed(str(script), *series)


def test_source_lane_is_refused(venv: Path, small: Small) -> None:
    small.edit(message("csrc: thrice"), "csrc/x.cu", "*x *= 2", "*x *= 3")
    small.export()
    series = small.lock, folder.load(small.patches)
    assert "csrc/x.cu" in refused(venv, series, Finding)


def test_two_runs_at_once(venv: Path, series: tuple[Lock, list[Patch]]) -> None:
    site = site_of(venv)
    with alone(Installed(site, site / INFO, VERSION)):
        assert "another run" in refused(venv, series, Unusable)


def test_read_only_is_refused_before_a_write(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        site = Path(name) / "site"
        shutil.copytree(at.site, site)
        for path in [site, *site.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        (site / INFO).chmod(0o777)  # what is written first is not what is checked
        before = snapshot(site)
        pid = os.fork()
        if pid == 0:
            if os.getuid() == 0:
                os.setuid(65534)  # root may write anywhere
            try:
                inplace.patch(Installed(site, site / INFO, VERSION), *series)
            except Unusable as e:
                os._exit(7 if "vllm/config" in str(e) else 8)
            except BaseException:
                os._exit(9)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert snapshot(site) == before
        for path in [site, *site.rglob("*")]:
            path.chmod(0o755)


# -- kept, restored, repaired -------------------------------------------------


def new_byte_code(site: Path) -> None:
    """What Python writes when it imports the patched modules."""
    for module in ("config/kernel", "utils/flashinfer", "sm12x/moe"):
        cache = site / "vllm" / Path(module).parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        for tag in ("cpython-311", "cpython-377"):
            (cache / f"{Path(module).name}.{tag}.pyc").write_bytes(b"new")


def test_byte_code_goes_aside_and_comes_back(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    before = snapshot(at.site)
    inplace.patch(at, *series)
    assert not list((at.site / "vllm/config/__pycache__").glob("kernel.*"))
    assert list((at.site / "vllm/__pycache__").glob("__init__.*")), "not touched"
    kernel = (at.site / "vllm/config/kernel.py").stat()
    assert stat.S_IMODE(kernel.st_mode) == 0o640
    new_byte_code(at.site)
    inplace.unpatch(at)
    assert snapshot(at.site) == before


def test_without_hard_links(
    at: Installed, series: tuple[Lock, list[Patch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise PermissionError

    def rest(seen: dict[str, File | str | None]) -> dict[str, object]:
        return {k: v[:3] if isinstance(v, File) else v for k, v in seen.items()}

    monkeypatch.setattr(os, "link", no_link)
    before = rest(snapshot(at.site))
    inplace.patch(at, *series)
    inplace.unpatch(at)
    assert rest(snapshot(at.site)) == before


def test_shared_and_linked_files_are_never_written_to(
    at: Installed, series: tuple[Lock, list[Patch]], tmp_path: Path
) -> None:
    """uv installs hard links, or symbolic ones, into its cache."""
    cache = tmp_path / "cache"
    cache.mkdir()
    hard, soft = at.site / "vllm/config/kernel.py", at.site / "vllm/utils/flashinfer.py"
    os.link(hard, cache / "kernel.py")
    soft.rename(cache / "flashinfer.py")
    soft.symlink_to(cache / "flashinfer.py")
    before, shared = snapshot(at.site), contents(cache)
    inplace.patch(at, *series)
    assert contents(cache) == shared
    assert b"has_sm12x_moe" in soft.read_bytes() and not soft.is_symlink()
    inplace.unpatch(at)
    assert snapshot(at.site) == before
    assert contents(cache) == shared


def test_edited_file_stops_a_revert(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    before = snapshot(at.site)
    inplace.patch(at, *series)
    edited = at.site / "vllm/sm12x/moe.py"
    edited.write_bytes(edited.read_bytes() + b"# mine\n")
    patched = snapshot(at.site)
    for do in (lambda: inplace.unpatch(at), lambda: inplace.patch(at, *series)):
        with pytest.raises(Finding, match="edited since") as e:
            do()
        assert "vllm/sm12x/moe.py" in str(e.value)
        assert snapshot(at.site) == patched
    inplace.unpatch(at, force=True)
    assert snapshot(at.site) == before


def test_edited_record_stops_a_revert(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    inplace.patch(at, *series)
    with (at.info / "RECORD").open("ab") as f:
        f.write(b"vllm/mine.py,,\r\n")
    with pytest.raises(Finding, match=f"{INFO}/RECORD"):
        inplace.unpatch(at)


def test_damaged_backup_stops_a_revert(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    inplace.patch(at, *series)
    (at.info / "sm12x/before/0000").write_bytes(b"")
    patched = snapshot(at.site)
    with pytest.raises(Finding, match="0000 of vllm/config/kernel"):
        inplace.unpatch(at, force=True)
    assert snapshot(at.site) == patched


def test_damaged_manifest_is_named(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    inplace.patch(at, *series)
    (at.info / "sm12x/manifest.json").write_bytes(b"{}")
    with pytest.raises(Finding, match=r"manifest\.json"):
        inplace.unpatch(at)


def test_full_disk_leaves_everything(
    at: Installed, series: tuple[Lock, list[Patch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(at.site)
    calls = 0
    real = os.fsync

    def full(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unusable, match="No space left"):
        inplace.patch(at, *series)
    assert snapshot(at.site) == before


def test_disk_error_in_a_revert_is_repaired(
    at: Installed, series: tuple[Lock, list[Patch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(at.site)
    inplace.patch(at, *series)

    def fail(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: fail(path))
    with pytest.raises(Unusable, match="Read-only file system"), alone(at):
        inplace.unpatch(at)
    monkeypatch.undo()
    assert snapshot(at.site) != before
    assert inplace.unpatch(at).repaired
    assert snapshot(at.site) == before


def test_users_file_in_a_new_folder_survives(
    at: Installed, series: tuple[Lock, list[Patch]]
) -> None:
    inplace.patch(at, *series)
    (at.site / "vllm/sm12x/notes.txt").write_text("mine\n")
    assert inplace.unpatch(at).status is Status.REVERTED
    assert list((at.site / "vllm/sm12x").iterdir()) == [
        at.site / "vllm/sm12x/notes.txt"
    ]


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
    inplace.patch(whole, *series)
    patched = contents(whole.site)
    n, repaired, finished = 0, 0, False
    while not finished:
        n += 1
        again = clone(at, tmp_path / "again")
        before = snapshot(again.site)
        finished = run_until(n, lambda a: inplace.patch(a, *series), again)
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
            report = inplace.patch(again, *series)
            assert contents(again.site) == patched, n
            repaired += report.repaired
        inplace.unpatch(again)
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
        inplace.patch(again, *series)
        new_byte_code(again.site)
        finished = run_until(n, inplace.unpatch, again)
        # The repair may be killed as well.
        run_until(n // 2 + 1, inplace.unpatch, again)
        repaired += inplace.unpatch(again).repaired
        assert snapshot(again.site) == before, n
    assert n > 30 and repaired > 15


# -- RECORD, and the real thing -----------------------------------------------


def test_record_rows_stay_csv() -> None:
    before = b'vllm/a.py,sha256=x,1\r\n"vllm/b,c.py",,\r\nvllm/d.py,,\r\n'
    rows = {'vllm/q"r,s.py': ("ff" * 32, 5), "vllm/b,c.py": ("00" * 32, 0)}
    after = edit_record(before, {**rows, "vllm/d.py": None})
    assert after.startswith(b"vllm/a.py,sha256=x,1\r\n")
    parsed = list(csv.reader(after.decode().splitlines()))
    assert [r[0] for r in parsed] == ["vllm/a.py", "vllm/b,c.py", 'vllm/q"r,s.py']
    assert parsed[2][2] == "5"


@pytest.mark.upstream
def test_real_wheel(tmp_path: Path) -> None:
    lock = lock_file.load()
    patches = folder.load()
    path = fetch.obtain(lock.wheel(os.uname().machine))
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "v")], check=True
    )
    python = tmp_path / "v/bin/python"
    pip(python, "install", "--no-deps", "--no-index", "--no-compile", str(path))
    site = site_of(tmp_path / "v")

    def seen() -> dict[str, tuple[int, int, int]]:
        return {
            str(p.relative_to(site)): (
                p.stat().st_size,
                p.stat().st_mtime_ns,
                p.stat().st_ino,
            )
            for p in site.rglob("*")
            if p.is_file()
        }

    before = seen()
    start = time.perf_counter()
    report = inplace.patch_installed(str(python), lock, patches)
    took = time.perf_counter() - start
    assert report.status is Status.PATCHED and report.files
    changed = {k for k, v in seen().items() if before.get(k) != v}
    info = f"vllm-{lock.version}.dist-info"
    assert {k for k in changed if not k.startswith(info)} == set(report.files)
    assert inplace.patch_installed(str(python), lock, patches).status is Status.ALREADY
    assert inplace.revert(str(python)).status is Status.REVERTED
    assert seen() == before
    assert took < 5, "a fraction of an install, on a busy machine too"

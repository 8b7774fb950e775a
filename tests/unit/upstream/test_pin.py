# SPDX-License-Identifier: Apache-2.0
"""A release is written down as it is, and only if it is one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from scripts.base.errors import Finding, Unusable
from scripts.upstream import lock
from scripts.upstream.fetch import obtain
from scripts.upstream.pin import pin
from scripts.upstream.release_facts import choose, companions, kind_of, read
from tests.unit.package_index import Site, serve

VERSION_PY = """\
__version__: str
__version__ = version = '{0}'
__version_tuple__ = version_tuple = (1, 2, 3)

__commit_id__ = commit_id = 'gabcdef123'
"""
CUDA_TXT = """\
# torch==9 is only a comment
-r common.txt
torch==2.14.0
torchvision==0.29.0 # Required for phi3v; see https://example.invalid/#readme
flashinfer-python==0.7.2.post1
nvidia-cutlass-dsl[cu13] == 4.8.0; platform_system == "Linux"  # FA4
"""


def sdist(
    version: str = "1.2.3", said: str | None = None, without: str = "", **files: str
) -> bytes:
    contents = {
        "vllm/_version.py": VERSION_PY.format(said or version),
        "requirements/cuda.txt": CUDA_TXT,
        "setup.py": "",
    } | files
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for path, text in contents.items():
            if path == without:
                continue
            info = tarfile.TarInfo(f"vllm-{version}/{path}")
            info.size = len(text)
            info.mtime = 1_700_000_000 + len(path) + 0.75
            archive.addfile(info, io.BytesIO(text.encode()))
    return raw.getvalue()


def wheel(arch: str, version: str = "1.2.3") -> str:
    return f"vllm-{version}-cp38-abi3-manylinux_2_28_{arch}.whl"


def fill(site: Site, version: str = "1.2.3", data: bytes | None = None) -> None:
    site.add(f"vllm-{version}.tar.gz", data or sdist(version))
    for arch in ("x86_64", "aarch64"):
        site.add(wheel(arch, version), f"{version} {arch}".encode())
    site.add(f"vllm-{version}-cp38-abi3-macosx_11_0_arm64.whl", b"no")
    site.add(f"vllm-{version}0-py3-none-any.whl", b"no")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    for name in ("UPSTREAM_DIR", "SM12X_OFFLINE", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    with serve() as site:
        monkeypatch.setenv("UPSTREAM_INDEX_URL", site.url)
        fill(site)
        yield site


def test_a_release_by_a_shorter_name_is_the_same_series(
    site: Site, tmp_path: Path
) -> None:
    """`1.2` is 1.2.0; of another release the series would begin anew."""
    fill(site, "1.2.0")
    path = tmp_path / "new.lock"
    pin("1.2.0", path)
    lock.update(path, {"series.release": 3, "series.patched-tree": "1" * 40})
    again = pin("1.2", path)
    assert (again.version, again.release) == ("1.2.0", 3)
    assert again.patched_tree == "1" * 40


@pytest.mark.parametrize("html", [False, True])
def test_new_lock(site: Site, tmp_path: Path, html: bool) -> None:
    site.html = html
    path = tmp_path / "new.lock"
    pinned = pin("v1.2.3", path)
    assert lock.load(path) == pinned
    assert (pinned.version, pinned.tag, pinned.commit) == (
        "1.2.3",
        "v1.2.3",
        "abcdef123",
    )
    assert pinned.epoch == 1_700_000_000 + len("requirements/cuda.txt")
    name = "vllm-1.2.3.tar.gz"
    assert pinned.sdist == site.add(name, site.files[name])
    assert pinned.wheels["aarch64"] == site.add(wheel("aarch64"), b"1.2.3 aarch64")
    assert set(pinned.wheels) == {"x86_64", "aarch64"}
    assert (pinned.release, pinned.patched_tree) == (1, pinned.tree)
    assert pinned.companions == {
        "flashinfer-python": "0.7.2.post1",
        "nvidia-cutlass-dsl": "4.8.0",
        "torch": "2.14.0",
    }
    text = path.read_text(encoding="utf-8")
    assert text.count("#") >= 12
    assert "\n\n\n" not in text


def test_wheel_with_a_build_tag_is_taken_as_pip_takes_it(
    site: Site, tmp_path: Path
) -> None:
    for build in ("1", "2"):
        site.add(wheel("x86_64").replace("-cp38", f"-{build}-cp38"), b"built again")
    pinned = pin("1.2.3", tmp_path / "new.lock")
    name = "vllm-1.2.3-2-cp38-abi3-manylinux_2_28_x86_64.whl"
    assert pinned.wheels["x86_64"].filename == name
    assert pinned.wheels["aarch64"].filename == wheel("aarch64")


def test_same_version_changes_nothing(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "new.lock"
    pin("1.2.3", path)
    mine = {"series.release": 4, "series.patched-tree": "5" * 40}
    git = {"vllm.git.commit": "abcdef123" + "0" * 31, "vllm.git.tree": "6" * 40}
    lock.update(path, mine | git)
    before = path.read_bytes()
    again = pin("1.2.3", path)
    assert path.read_bytes() == before
    assert (again.release, again.git.tree) == (4, "6" * 40)


def test_new_version_starts_anew_and_keeps_comments(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "new.lock"
    old = pin("1.2.3", path)
    lock.update(path, {"series.release": 4, "vllm.git.commit": "abcdef123" * 4})
    with path.open("a", encoding="utf-8") as f:
        f.write("# a remark of a person\n")
    fill(site, "1.2.4")
    new = pin("1.2.4", path)
    assert (new.version, new.release, new.patched_tree) == ("1.2.4", 1, new.tree)
    assert new.git == lock.GitSource()
    assert new.sdist != old.sdist
    text = path.read_text(encoding="utf-8")
    assert "# a remark of a person\n" in text
    assert "# Upstream's tag for it.\n" in text


def test_from_a_folder_without_network(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = pin("1.2.3", tmp_path / "a.lock")
    folder = tmp_path / "up"
    folder.mkdir()
    for name, data in site.files.items():
        (folder / name).write_bytes(data)
    asked = len(site.requests)
    monkeypatch.setenv("UPSTREAM_DIR", str(folder))
    monkeypatch.setenv("SM12X_OFFLINE", "1")
    found = pin("1.2.3", tmp_path / "b.lock")
    assert found == expected
    assert len(site.requests) == asked
    (folder / wheel("x86_64")).unlink()
    with pytest.raises(Unusable, match=r"cannot pin vLLM 1\.2\.3"):
        pin("1.2.3", tmp_path / "c.lock")
    monkeypatch.delenv("SM12X_OFFLINE")
    assert pin("1.2.3", tmp_path / "d.lock") == expected


def refused(site: Site, path: Path, version: str = "1.2.3") -> Finding:
    with pytest.raises(Finding) as caught:
        pin(version, path)
    assert not path.exists()
    return caught.value


def test_index_announces_another_digest(site: Site, tmp_path: Path) -> None:
    site.announced[wheel("aarch64")] = "0" * 64
    error = refused(site, tmp_path / "new.lock")
    assert wheel("aarch64") in error.what
    assert not list((tmp_path / "cache/objects").rglob("*aarch64.whl"))


def test_incomplete_release(site: Site, tmp_path: Path) -> None:
    del site.files[wheel("aarch64")]
    assert "has no aarch64" in refused(site, tmp_path / "new.lock").what
    error = refused(site, tmp_path / "new.lock", "7.0")
    assert error.found == "no file of that version"


def test_two_wheels_for_one_machine(site: Site, tmp_path: Path) -> None:
    site.add("vllm-1.2.3-cp38-abi3-manylinux_2_35_x86_64.whl", b"which?")
    error = refused(site, tmp_path / "new.lock")
    assert "two files for x86_64" in error.what
    assert "manylinux_2_35" in str(error.found)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (sdist(said="1.2.2"), "another version than its name"),
        (sdist(without="vllm/_version.py"), "lacks a file"),
        (sdist(without="requirements/cuda.txt"), "lacks a file"),
        (sdist(**{"vllm/_version.py": "version = '1.2.3'\n"}), "does not say"),
        (sdist(**{"../x": ""}), "must not be used"),
        (sdist()[:-200], "is damaged"),
    ],
)
def test_sdist_that_is_none(site: Site, tmp_path: Path, data: bytes, what: str) -> None:
    fill(site, data=data)
    assert what in refused(site, tmp_path / "new.lock").what


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("torch==2.14.0", "torch>=2.14.0"),
        ("torch==2.14.0", "torch==2.14.*"),
        ("torch==2.14.0", "torch"),
        ("torch==2.14.0", "torch==2.14.0\ntorch==2.13.0; sys_platform == 'x'"),
        ("torch==2.14.0", ""),
    ],
)
def test_companion_without_one_version(old: str, new: str) -> None:
    with pytest.raises(Finding, match="no one version of torch"):
        companions(CUDA_TXT.replace(old, new), "cuda.txt")


def test_malformed_version(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="this is no version"):
        pin("latest", tmp_path / "new.lock")


def test_full_disk_leaves_the_old_lock(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.lock"
    pin("1.2.3", path)
    before = path.read_bytes()
    fill(site, "1.2.4")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scripts.base.files.os.fsync", full)
    with pytest.raises(Unusable, match="No space left"):
        pin("1.2.4", path)
    assert path.read_bytes() == before


def test_kinds() -> None:
    version = Version("0.33.0")
    assert kind_of("vllm-0.33.0.zip", version) is None
    assert kind_of("vllm-0.33.0+cu13-cp38-abi3-manylinux_2_28_x86_64.whl", version) is (
        None
    )
    assert kind_of("other-0.33.0.tar.gz", version) is None
    assert kind_of("../vllm-0.33.0.tar.gz", version) is None
    assert kind_of("vllm-0.33.0-cp38-abi3-musllinux_1_2_x86_64.whl", version) is None
    assert choose(["x", "vllm-0.33.0.tar.gz"], version, "") == {
        "sdist": "vllm-0.33.0.tar.gz"
    }


@pytest.mark.upstream
def test_the_real_lock_is_what_pin_would_write() -> None:
    pinned = lock.load()
    found = read(obtain(pinned.sdist))
    assert found.version == pinned.version
    assert found.commit == pinned.commit
    assert found.epoch == pinned.epoch
    assert found.tree == pinned.tree
    assert found.companions == pinned.upstream_companions

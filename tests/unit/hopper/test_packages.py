# SPDX-License-Identifier: Apache-2.0
"""`make hopper STEP=packages`: what a GPU machine without a network is given."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from scripts.base.errors import Unusable
from scripts.hopper import packages
from scripts.upstream.environments import FLASHINFER, REQUIREMENTS, asked_with

WHEELS = {
    "small-1-py3-none-any.whl": {
        "small/__init__.py": b"here = 1\n",
        "small/kernel.cu": b"for nvcc",
        "small/tests/test_it.py": b"",
        "small-1.data/purelib/beside.py": b"there = 2\n",
        "small-1.dist-info/METADATA": b"Name: small\n",
    },
    "large-1-py3-none-any.whl": {"large/lib.so": b"\0" * 300},
    "flashinfer_python-0.7.4-py3-none-any.whl": {
        "flashinfer/__init__.py": b"",
        "flashinfer/data/include/a.py": b"",
        "flashinfer/data/csrc/a.cu": b"",
    },
}


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(wheels: Path, *_: object) -> None:
        wheels.mkdir(parents=True)
        for name, files in WHEELS.items():
            with zipfile.ZipFile(wheels / name, "w") as wheel:
                wheel.writestr("a/", b"")
                for path, data in files.items():
                    wheel.writestr(path, data)

    monkeypatch.setattr(packages, "_download", download)
    monkeypatch.setattr(packages, "_LARGE", 200)


@pytest.mark.usefixtures("no_index")
def test_what_is_unpacked_is_what_pip_would_install(tmp_path: Path) -> None:
    out, site = tmp_path / "out", tmp_path / "site"
    made = packages.pack(out, "0.7.4")
    assert sorted(path.name for path in made) == [
        "flashinfer-0.7.4.tar.xz", "library.tar.xz", "rest.tar.xz",
    ]  # fmt: skip
    assert sorted(p.name for p in out.iterdir()) == sorted(
        ["env.sh", *(path.name for path in made)]
    )
    env = {"HOPPER_SITE": str(site), "PATH": "/usr/bin:/bin", "PYTHONPATH": "/else"}
    for _ in range(2):  # the second unpacks nothing
        done = subprocess.run(
            ["bash", "-euc", f". {out}/env.sh && echo $PYTHONPATH"],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip().split(":") == [
            str(site), f"{site}/nvidia_cutlass_dsl/dsl_packages", "/else",
        ]  # fmt: skip
    found = {str(p.relative_to(site)) for p in site.rglob("*") if p.is_file()}
    assert {name for name in found if not name.endswith(".done")} == {
        "small/__init__.py", "beside.py", "small-1.dist-info/METADATA", "large/lib.so",
        "flashinfer/__init__.py",
    }  # fmt: skip


@pytest.mark.usefixtures("no_index")
def test_archives_that_came_in_several_calls_are_unpacked_one_by_one(
    tmp_path: Path,
) -> None:
    """Where a transfer is limited, each brings one archive and env.sh."""
    out, site = tmp_path / "out", tmp_path / "site"
    for archive in packages.pack(out, "0.7.4"):
        call = tmp_path / archive.name.partition(".")[0]
        call.mkdir()
        archive.rename(call / archive.name)
        (call / "env.sh").write_bytes((out / "env.sh").read_bytes())
        subprocess.run(
            ["bash", "-euc", f". {call}/env.sh"],
            env={"HOPPER_SITE": str(site), "PATH": "/usr/bin:/bin"},
            check=True,
        )
    assert (site / "large" / "lib.so").is_file()
    assert (site / "flashinfer" / "__init__.py").is_file()


def test_an_archive_that_broke_off_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "env.sh").write_text(packages.ENV, encoding="utf-8")
    (tmp_path / "rest.tar.xz").write_bytes(b"half")
    for _ in range(2):
        done = subprocess.run(
            ["bash", "-c", f". {tmp_path}/env.sh || exit 7"],
            env={"HOPPER_SITE": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 7


def test_each_package_is_asked_for_once_flashinfers_version_first() -> None:
    asked = [*packages._asked(FLASHINFER)]
    names = [line.partition("==")[0] for line in asked]
    assert len(set(names)) == len(names)
    assert {*packages.THERE}.isdisjoint(names)
    assert {*names} == {*asked_with()} - {*packages.THERE}
    flashinfers = FLASHINFER.read_text(encoding="utf-8").splitlines()
    tvm = next(line for line in flashinfers if line.startswith("apache-tvm-ffi=="))
    assert tvm in asked and tvm not in REQUIREMENTS.read_text(encoding="utf-8")


def test_a_package_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be had") as refusal:
        packages._download(tmp_path, ["/none/such.whl"], "3.12")
    assert "such.whl" in str(refusal.value)

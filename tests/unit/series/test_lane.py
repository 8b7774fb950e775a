# SPDX-License-Identifier: Apache-2.0
"""Which lane a change takes, and that the rules fit the real upstream."""

from __future__ import annotations

import re

import pytest

from scripts.base.errors import Finding
from scripts.series import folder
from scripts.series.lane import Lane, belongs_to_source, lane, require_overlay
from scripts.upstream import fetch, sdist
from scripts.upstream.lock import load as load_lock
from tests.unit.small import Small, message


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("vllm/config/kernel.py", Lane.OVERLAY),
        ("vllm/envs.py", Lane.OVERLAY),
        ("vllm/distributed/hf3fs/utils/hf3fs_utils.cpp", Lane.OVERLAY),
        ("csrc/x.py", Lane.SOURCE),
        ("cmake/utils.cmake", Lane.SOURCE),
        ("CMakeLists.txt", Lane.SOURCE),
        ("rust/src/lib.rs", Lane.SOURCE),
        ("rust-toolchain.toml", Lane.SOURCE),
        ("setup.py", Lane.SOURCE),
        ("setup.cfg", Lane.SOURCE),
        ("MANIFEST.in", Lane.SOURCE),
        ("README.md", Lane.SOURCE),
        ("LICENSE", Lane.SOURCE),
        ("requirements/common.txt", Lane.SOURCE),
        ("requirements/cuda.txt", Lane.SOURCE),
        ("requirements/build/cuda.txt", Lane.SOURCE),
        ("requirements/test/cuda.txt", Lane.NEITHER),
        ("tools/build_rust.py", Lane.SOURCE),
        ("tools/profiler/print.py", Lane.NEITHER),
        ("somewhere/new.cu", Lane.SOURCE),
        ("tests/kernels/helper.cu", Lane.NEITHER),
        ("tests/test_a.py", Lane.NEITHER),
        ("docs/README.md", Lane.NEITHER),
        ("vllm.egg-info/PKG-INFO", Lane.NEITHER),
    ],
)
def test_by_path(path: str, want: Lane) -> None:
    assert lane(path, b"a", b"b") is want
    assert lane(path, None, b"b") is want


PROJECT = b'[build-system]\nrequires = ["a"]\n[project]\nname = "vllm"\n'


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        (PROJECT, PROJECT + b"[tool.ruff]\nline-length = 88\n", Lane.NEITHER),
        (PROJECT, b"# a word\n" + PROJECT, Lane.NEITHER),
        (PROJECT, PROJECT + b"[tool.setuptools]\nzip-safe = true\n", Lane.SOURCE),
        (PROJECT, PROJECT + b"[tool.setuptools_scm]\n", Lane.SOURCE),
        (PROJECT, PROJECT + b'[project.urls]\na = "b"\n', Lane.SOURCE),
        (PROJECT, PROJECT.replace(b'"a"', b'"b"'), Lane.SOURCE),
        (PROJECT, b"[", Lane.SOURCE),
        (PROJECT, None, Lane.SOURCE),
        (None, PROJECT, Lane.SOURCE),
    ],
)
def test_pyproject(before: bytes | None, after: bytes | None, want: Lane) -> None:
    assert lane("pyproject.toml", before, after) is want


PINS = b"-r common.txt\ntorch==2.14.0  # new\nnumba == 0.65.0\n"


@pytest.mark.parametrize(
    ("after", "want"),
    [
        (PINS.replace(b"2.14.0", b"2.15.0"), Lane.OVERLAY),
        (PINS.replace(b"0.65.0", b"0.66.0"), Lane.SOURCE),
        (PINS + b"torch==2.14.0\n", Lane.SOURCE),
        (PINS.replace(b"torch", b"torch[x]"), Lane.SOURCE),
        (PINS.replace(b"-r common.txt\n", b""), Lane.SOURCE),
        (None, Lane.SOURCE),
    ],
)
def test_a_companions_version_is_metadata(after: bytes | None, want: Lane) -> None:
    """Of the wheel's own target; what another target requires is not in it."""
    assert lane("requirements/cuda.txt", PINS, after) is want
    assert lane("requirements/rocm.txt", PINS, after) is Lane.SOURCE


def test_series_that_only_lints(small: Small) -> None:
    small.edit(message("lint: less"), "pyproject.toml", '"SIM", ', "")
    small.export()
    patches = folder.load(small.patches)
    assert belongs_to_source(patches, small.read) == []
    # Without the sdist it cannot be told, and is refused.
    (found,) = belongs_to_source(patches)
    assert found[:2] == (patches[-1], "pyproject.toml")


def test_every_patch_and_file_is_named(small: Small) -> None:
    small.edit(message("build: one"), "csrc/x.cu", "*= 2", "*= 3")
    small.edit(message("lint: less"), "pyproject.toml", '"SIM", ', "")
    small.edit(message("build: two"), "pyproject.toml", '>=77.0.3"', '>=78"')
    small.export()
    with pytest.raises(Finding) as e:
        require_overlay(folder.load(small.patches), small.read)
    where = str(e.value.where).splitlines()
    assert len(where) == 2
    assert where[0].startswith("patches/0004-build-one.patch:")
    assert where[1].startswith("patches/0006-build-two.patch:")
    assert e.value.next == "make wheel-source"


def test_the_sdist_is_not_asked_for_without_need(small: Small) -> None:
    def never() -> None:
        raise AssertionError("asked")

    require_overlay(folder.load(small.patches), never)  # type: ignore[arg-type]


@pytest.mark.upstream
def test_what_the_real_build_reads_is_source() -> None:
    files = {
        m.path: m.data
        for m in sdist.members(fetch.obtain(load_lock().sdist))
        if m.path in ("setup.py", "MANIFEST.in", "pyproject.toml", "CMakeLists.txt")
        or m.path.startswith(("requirements/", "cmake/"))
    }
    manifest = files["MANIFEST.in"].decode().split("\n")
    included = [line.split()[1] for line in manifest if line.startswith("include ")]
    assert len(included) > 3
    setup = files["setup.py"].decode()
    read = [f"requirements/{n}" for n in re.findall(r'_requirements\("(.+?)"', setup)]
    assert "requirements/cuda.txt" in read
    more = [
        f"requirements/{n}"
        for path in read
        for n in re.findall(r"^-r (\S+)", files[path].decode(), re.MULTILINE)
    ]
    executed = ["tools/" + n for n in re.findall(r'"tools", "(.+?)"', setup)]
    assert executed
    for path in (*included, *read, *more, *executed):
        assert lane(path, b"a", b"b") is Lane.SOURCE, path
    # Nothing under vllm/ is compiled: CMake lists no source there.
    cmake = b"".join(
        d for p, d in files.items() if p.lower().endswith((".txt", ".cmake"))
    )
    assert not re.search(rb"\bvllm/[\w/]+\.(cu|cpp|cc|c)\b", cmake)

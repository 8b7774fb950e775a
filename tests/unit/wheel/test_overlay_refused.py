# SPDX-License-Identifier: Apache-2.0
"""What an overlay wheel cannot be built from is refused, and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.series import folder
from scripts.wheel import overlay
from scripts.wheel.zip import reader
from tests.unit.small import Small, message
from tests.unit.small_files import VERSION
from tests.unit.small_wheel import add_wheel, wheel_files
from tests.unit.wheel.small_overlay import make


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
        overlay.build(
            *(small.lock, folder.load(small.patches), other, tmp_path / "o"),
            sdist=lambda: small.sdist,
        )


def test_damaged_member_is_refused(small: Small, base: Path, tmp_path: Path) -> None:
    data = bytearray(base.read_bytes())
    m = next(x for x in reader.read(base).members if x.name == "vllm/config/kernel.py")
    data[m.data_at + 40] ^= 0x10
    base.write_bytes(data)
    with pytest.raises(Finding, match="member is damaged"):
        make(small, tmp_path / "out")

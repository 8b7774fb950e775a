# SPDX-License-Identifier: Apache-2.0
"""What goes into the wheel: the rule, and the real archives that it is from."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.series import folder
from scripts.upstream import fetch, sdist
from scripts.upstream.lock import load as load_lock
from scripts.wheel.embedded_files import Embedded, derive
from tests.unit.small import Small, message
from tests.unit.small_wheel import wheel_files


def payload(small: Small, files: dict[str, bytes] | None = None) -> Embedded:
    """The payload of the series as it is now."""
    members = wheel_files() if files is None else files
    return derive(folder.load(small.patches), members, members.__getitem__)


def test_only_vllm_goes_in(small: Small) -> None:
    found = payload(small)
    assert {*found.put} == {"vllm/config/kernel.py", "vllm/utils/flashinfer.py"}
    assert found.gone == frozenset()
    assert found.patches["vllm/config/kernel.py"] == (small.names[0], small.names[2])


def test_new_changed_and_deleted(small: Small) -> None:
    small.commit(
        message("a: b"),
        {"vllm/new/x.json": "{}\n", "vllm/utils/flashinfer.py": None},
    )
    small.commit(message("a: c"), {"vllm/gone_again.py": "x = 1\n"})
    small.commit(message("a: d"), {"vllm/gone_again.py": None})
    small.export()
    found = payload(small)
    assert found.put["vllm/new/x.json"].data == b"{}\n"
    assert found.gone == {"vllm/utils/flashinfer.py"}
    assert "vllm/gone_again.py" not in {*found.put, *found.patches}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("vllm/not-a-package/x.json", "can be no package"),
        ("vllm/x.so", "no compiled file"),
        ("vllm/__pycache__/x.py", "no compiled file"),
        ("vllm/_version.py", "the build writes this"),
    ],
)
def test_what_cannot_be_decided_is_refused(small: Small, path: str, why: str) -> None:
    text = (small.repo / path).read_text() if (small.repo / path).exists() else ""
    small.commit(message("a: b"), {path: text + "# text\n"})
    small.export()
    with pytest.raises(Finding) as e:
        payload(small)
    assert path in str(e.value.where)
    assert "patches/0004-a-b.patch:" in str(e.value.where)
    assert why in str(e.value.found)


def test_symbolic_link_is_refused(small: Small) -> None:
    (small.repo / "vllm/link.py").symlink_to("__init__.py")
    small.commit(message("a: b"), {})
    small.export()
    with pytest.raises(Finding, match="cannot tell"):
        payload(small)


def test_data_in_a_folder_that_the_wheel_has(small: Small) -> None:
    files = {**wheel_files(), "vllm/odd-name/a.json": b""}
    small.commit(message("a: b"), {"vllm/odd-name/b.json": "{}\n"})
    small.export()
    assert "vllm/odd-name/b.json" in payload(small, files).put


def test_a_file_that_upstream_leaves_out_stays_out(small: Small) -> None:
    files = wheel_files()
    del files["vllm/config/kernel.py"]
    found = payload(small, files)
    assert {*found.put} == {"vllm/utils/flashinfer.py"}
    assert {*found.patches} == {"vllm/utils/flashinfer.py"}


def test_a_file_of_the_build_is_not_overwritten(small: Small) -> None:
    """What CMake puts into the wheel is in no sdist, so a patch would create it."""
    files = {**wheel_files(), "vllm/third_party/x.py": b"1\n"}
    small.commit(message("a: b"), {"vllm/third_party/x.py": "2\n"})
    small.export()
    with pytest.raises(Finding, match="creates a file that is there already"):
        payload(small, files)


@pytest.mark.upstream
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_upstream_packages_all_of_vllm(arch: str) -> None:
    """The rule's ground: no file under vllm/ is left out, whatever its suffix."""
    pin = load_lock()
    with zipfile.ZipFile(fetch.obtain(pin.wheel(arch))) as z:
        names = {*z.namelist()}
    below = {
        m.path
        for m in sdist.members(fetch.obtain(pin.sdist))
        if m.path.startswith("vllm/")
    }
    assert below <= names
    # Patterns of package_data would not take these: include-package-data does.
    suffixes = {Path(p).suffix for p in below}
    assert {".py", ".md", ".sh", ".json"} <= suffixes

# SPDX-License-Identifier: Apache-2.0
"""Each distribution's own tool makes the tree that the lock names."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.downstream import arch, conda, debian, limits, nix, rpm
from scripts.downstream.formats import Format
from scripts.downstream.limits import Kind
from scripts.errors import Finding
from tests.scripts import downstream_help
from tests.scripts.downstream_help import TOOLS, made, need, quilt
from tests.scripts.small import Small, message
from tests.scripts.small_files import SPDX, TOP

CANNOT = {
    Format.DEBIAN: debian.CANNOT,
    Format.RPM: rpm.CANNOT,
    Format.NIX: nix.CANNOT,
    Format.ARCH: arch.CANNOT,
    Format.CONDA: conda.CANNOT,
}
FORMATS = pytest.mark.parametrize("form", Format, ids=lambda f: f.value)


@pytest.fixture
def plain(small: Small, monkeypatch: pytest.MonkeyPatch) -> Small:
    """The first patch alone: the second makes an empty file."""
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    small.drop()
    small.drop()
    small.export()
    return small


@FORMATS
def test_the_tool_makes_the_pinned_tree(
    plain: Small, form: Format, tmp_path: Path
) -> None:
    """New and deleted files, no last newline, a space in a name."""
    plain.commit(
        message("tools: hard to carry"),
        {
            "vllm/sm12x/__init__.py": SPDX,
            "docs/a b.md": "a\nb",
            "docs/backends.md": None,
        },
    )
    plain.commit(
        message("tools: harder"),
        {"docs/a b.md": "a\nB"},
    )
    plain.export()
    folder = made(plain, form, tmp_path / "out")
    assert TOOLS[form](folder, TOP) == plain.lock.patched_tree


def test_quilt_pops_to_upstream(plain: Small, tmp_path: Path) -> None:
    need("dpkg-source", "quilt")
    folder = made(plain, Format.DEBIAN, tmp_path / "out")
    downstream_help.debian(folder, TOP)
    assert quilt(folder / "unpacked", "pop") == plain.lock.tree
    assert quilt(folder / "unpacked", "push") == plain.lock.patched_tree


def odd(small: Small, kind: Kind) -> None:
    """Add a patch with a change of one kind."""
    text = message(f"tools: one that {kind.value}")
    if kind is Kind.EMPTY_NEW:
        small.commit(text, {"vllm/sm12x/__init__.py": ""})
    elif kind is Kind.EMPTY_GONE:
        small.commit(text, {"vllm/utils/__init__.py": None})
    elif kind is Kind.MODE:
        (small.repo / "vllm/__init__.py").chmod(0o755)
        small.commit(text, {})
    elif kind is Kind.CRLF:
        small.commit(text, {"docs/crlf.md": "a\r\nb\r\n"})
    else:
        (small.repo / "docs/link.md").symlink_to("backends.md")
        small.commit(text, {})
    small.export()


@FORMATS
@pytest.mark.parametrize("kind", Kind, ids=lambda k: k.name.lower())
def test_what_a_tool_loses_is_refused(
    plain: Small,
    form: Format,
    kind: Kind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And is lost indeed: a limit that is none any more fails here."""
    odd(plain, kind)
    if kind is Kind.LINK or kind in CANNOT[form]:
        with pytest.raises(Finding, match="cannot carry this") as caught:
            made(plain, form, tmp_path / "refused")
        assert caught.value.found == kind.value
        assert str(caught.value.where).startswith("0002-tools-")
        monkeypatch.setattr(limits, "require", lambda *_: None)
    if kind is Kind.LINK:
        return  # refused in all of them, whatever the tool does
    folder = made(plain, form, tmp_path / "out")
    right = TOOLS[form](folder, TOP) == plain.lock.patched_tree
    if form is Format.DEBIAN:
        need("quilt")
        right &= quilt(folder / "unpacked", "pop") == plain.lock.tree
    assert right == (kind not in CANNOT[form])

# SPDX-License-Identifier: Apache-2.0
"""Each distribution's own tool makes the tree that the lock names."""

from __future__ import annotations

import sys
from email import message_from_bytes
from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.checkout import Checkout
from scripts.distro import arch, conda, debian, limits, nix, rpm
from scripts.distro.dep3 import with_header
from scripts.distro.formats import Format, Wanted, export
from scripts.distro.limits import Kind
from scripts.series import folder
from tests.unit.distro import tools
from tests.unit.distro.tools import TOOLS, made, need, quilt, run
from tests.unit.small import Small, message
from tests.unit.small_files import SPDX, TOP

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


def odd(small: Small, kind: Kind) -> None:
    """Add a patch with a change of one kind."""
    text = message(f"tools: one that {kind.value}")
    match kind:
        case Kind.EMPTY_NEW:
            small.commit(text, {"vllm/empty/__init__.py": ""})
        case Kind.EMPTY_GONE:
            small.commit(text, {"vllm/utils/__init__.py": None})
        case Kind.MODE:
            (small.repo / "vllm/__init__.py").chmod(0o755)
            small.commit(text, {})
        case Kind.CRLF:
            small.commit(text, {"docs/crlf.md": "a\r\nb\r\n"})
        case Kind.LINK:
            (small.repo / "docs/link.md").symlink_to("backends.md")
            small.commit(text, {})


@FORMATS
def test_the_tool_makes_the_pinned_tree(
    plain: Small, form: Format, tmp_path: Path
) -> None:
    """All that it can carry; and no last newline, a space in a name."""
    plain.commit(
        message("tools: hard to carry"),
        {
            "vllm/sm12x/__init__.py": SPDX,
            "docs/a b.md": "a\nb",
            "docs/backends.md": None,
        },
    )
    plain.commit(message("tools: harder"), {"docs/a b.md": "a\nB"})
    for kind in Kind:
        if kind not in (Kind.LINK, *CANNOT[form]):
            odd(plain, kind)
    plain.export()
    at = made(plain, form, tmp_path / "out")
    assert TOOLS[form](at, TOP) == plain.lock.patched_tree
    if form is Format.DEBIAN:
        assert quilt(at / "unpacked", "pop") == plain.lock.tree
        assert quilt(at / "unpacked", "push") == plain.lock.patched_tree


@pytest.mark.parametrize(
    ("form", "kind"),
    [(form, kind) for form in Format for kind in (*CANNOT[form], Kind.LINK)],
    ids=lambda x: x.name.lower(),
)
def test_what_a_tool_loses_is_refused(
    plain: Small,
    form: Format,
    kind: Kind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And is lost indeed: a limit that is none any more fails here."""
    odd(plain, kind)
    plain.export()
    with pytest.raises(Finding, match="cannot carry this") as caught:
        made(plain, form, tmp_path / "refused")
    assert caught.value.found == kind.value
    assert str(caught.value.where).startswith("0002-tools-")
    assert not (tmp_path / "refused").exists()
    if kind is Kind.LINK:
        return  # refused in all of them, whatever the tool does
    monkeypatch.setattr(limits, "require", lambda *_: None)
    at = made(plain, form, tmp_path / "out")
    right = TOOLS[form](at, TOP) == plain.lock.patched_tree
    if form is Format.DEBIAN:
        right &= quilt(at / "unpacked", "pop") == plain.lock.tree
    assert not right


def test_shellcheck_reads_the_pkgbuild(plain: Small, tmp_path: Path) -> None:
    """makepkg reads and sets variables that a script alone does not."""
    at = made(plain, Format.ARCH, tmp_path / "out")
    shellcheck = Path(sys.prefix) / "bin/shellcheck"
    outside = "--exclude=SC2034,SC2154,SC2164"
    run(shellcheck, "--shell=bash", outside, "PKGBUILD", cwd=at)


@pytest.mark.slow
def test_lintian_finds_no_fault_in_the_patches(plain: Small, tmp_path: Path) -> None:
    """No error, nothing of the patches, and it did look."""
    need("dpkg-source", "lintian")
    who = "Ada Packager <ada@example.org>"
    wanted = Wanted(Format.DEBIAN, out=tmp_path / "out", maintainer=who)
    at = export(Checkout(plain.root), wanted).path
    tools.debian(at, TOP)
    (dsc,) = at.glob("*.dsc")
    said = run("lintian", "--allow-root", "--pedantic", dsc.name, cwd=at)
    assert "P: vllm source: package-does-not-use-debhelper-or-cdbs" in said
    found = [x for x in said.splitlines() if x.startswith("E:") or "patch" in x]
    assert not found, said


def test_the_same_bytes_twice(plain: Small, tmp_path: Path) -> None:
    for form in Format:
        one, two = (made(plain, form, tmp_path / f"{form.value}{n}") for n in "ab")
        names = {p.relative_to(one) for p in one.rglob("*") if p.is_file()}
        assert names == {p.relative_to(two) for p in two.rglob("*") if p.is_file()}
        for name in names:
            assert (one / name).read_bytes() == (two / name).read_bytes(), name
            assert (one / name).stat().st_mode == (two / name).stat().st_mode
        sums = (one / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        assert len(sums) == len(names) - 1
        run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=one)


def test_an_edit_in_the_export_is_not_dropped(plain: Small, tmp_path: Path) -> None:
    out = made(plain, Format.RPM, tmp_path / "out")
    spec = out / "vllm.spec"
    before = spec.read_bytes()
    (out / "notes").write_text("mine\n", encoding="utf-8")
    spec.write_text("mine\n", encoding="utf-8")
    with pytest.raises(Finding, match="edited since") as caught:
        made(plain, Format.RPM, out)
    assert caught.value.where == str(spec)
    export(Checkout(plain.root), Wanted(Format.RPM, out=out, force=True))
    assert spec.read_bytes() == before
    # A folder that holds such a file already.
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/vllm.spec").write_text("mine\n", encoding="utf-8")
    with pytest.raises(Finding, match="written by none"):
        made(plain, Format.RPM, tmp_path / "theirs")
    assert [p.name for p in (tmp_path / "theirs").iterdir()] == ["vllm.spec"]
    # What no longer belongs goes; what is not ours stays.
    plain.drop()
    plain.edit(message("tools: another"), "README.md", "# vLLM", "# vLLM 2")
    plain.export()
    made(plain, Format.RPM, out)
    assert {p.name for p in out.glob("*.patch")} == set(plain.names)
    assert (out / "notes").exists()


def test_an_export_that_was_cut_off_is_made_whole(
    plain: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = made(plain, Format.ARCH, tmp_path / "out")
    plain.edit(message("tools: another"), "README.md", "# vLLM", "# vLLM 2")
    plain.export()
    from scripts.distro import place as module

    real = module.write

    def write(path: Path, data: bytes, mode: int = 0o644) -> None:
        if path.name == "SHA256SUMS":
            raise KeyboardInterrupt
        real(path, data, mode)

    monkeypatch.setattr(module, "write", write)
    with pytest.raises(KeyboardInterrupt):
        made(plain, Format.ARCH, out)
    monkeypatch.undo()
    monkeypatch.setenv("UPSTREAM_DIR", str(plain.upstream_dir))
    made(plain, Format.ARCH, out)
    run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=out)


def test_a_folder_of_something_else_is_not_written_to(
    plain: Small, tmp_path: Path
) -> None:
    (tmp_path / "SHA256SUMS").write_text("not ours\n", encoding="utf-8")
    with pytest.raises(Unusable, match="something else than an export"):
        made(plain, Format.NIX, tmp_path)


def test_dep3_header(plain: Small) -> None:
    """As the e-mail parser reads it: DEP-3 is RFC 5322's syntax."""
    (patch,) = folder.load(plain.patches)
    data = with_header(patch, (plain.patches / patch.name).read_bytes())
    head, diff = data.split(b"\n\n", 1)
    found = message_from_bytes(head)
    assert dict(found) == {
        "Description": "config: add the sm12x backend name\n Users choose it by name.",
        "Author": "Ada Author <ada@example.org>",
        "Origin": "other, https://github.com/vllm-project/vllm/pull/40082, rewritten",
        "Forwarded": "no",
        "Last-Update": "2026-11-23",
        "Upstream-PR": "none",
        "Remove-When": "Upstream selects this backend itself.",
        "Test": "tests/config/test_kernel.py::test_names",
    }
    assert diff.startswith(b"diff --git a/vllm/config/kernel.py")
    assert (plain.patches / patch.name).read_bytes().endswith(diff)

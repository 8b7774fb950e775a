# SPDX-License-Identifier: Apache-2.0
"""A diff in a message: what distributions' tools make of it, and that it is refused.

GNU patch is the judge: what it takes for a diff is refused, and what is refused
here it takes.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.distro import limits
from scripts.distro.formats import Format, Wanted
from scripts.distro.formats import export as export_format
from scripts.series import quoted
from scripts.series.apply import Wanted as Series
from scripts.series.apply import apply
from scripts.series.check import Rule
from scripts.series.export import export
from tests.unit.distro.tools import TOOLS, made, need
from tests.unit.series.check.planted import report
from tests.unit.small import Small, git, message
from tests.unit.small_files import TOP

README = "README.md"
FORMS = {
    "unified": "--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-# vLLM\n+# Quoted",
    "context": "*** a/README.md\n--- b/README.md\n***************\n*** 1 ****\n"
    "! # vLLM\n--- 1 ----\n! # Quoted",
    "normal": "Index: README.md\n1c1\n< # vLLM\n---\n> # Quoted",
    "git": "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n"
    "@@ -1 +1 @@\n-# vLLM\n+# Quoted",
    "hunk": "Index: README.md\n@@ -1 +1 @@\n-# vLLM\n+# Quoted",
    "ed": "Index: README.md\n1c\n# Quoted\n.",
}
PLAIN = (
    "Upstream sets -1 where 2 was, and --- long dashes --- are dashes.",
    "5a is a step.\n6d too.",
    "  * one\n  * two\n\n> quoted words\n< more of them",
    "    >>> x = 1\n    >>> x\n    1",
    "At 1,2 and 3: @@ marks, +++ and *** in a line's midst.",
)


def indented(form: str, by: str) -> str:
    return "\n".join(by + line for line in FORMS[form].split("\n"))


def patch_of(body: str) -> bytes:
    """A mail with this message, and one real diff that adds a file."""
    return (
        f"Subject: [PATCH] x\n\nWhy.\n\n{body}\n\nTest: x\n\n"
        "diff --git a/new b/new\nnew file mode 100644\n--- /dev/null\n+++ b/new\n"
        "@@ -0,0 +1 @@\n+x\n"
    ).encode()


def judged(data: bytes, root: Path) -> bool:
    """Whether GNU patch makes of it anything else than the file `new`."""
    if shutil.which("patch") is None:
        pytest.skip("no patch: apt-get install patch")
    root.mkdir()
    (root / README).write_text("# vLLM\n", encoding="utf-8")
    done = subprocess.run(
        ["patch", "-p1", "--batch", "--silent"],
        cwd=root,
        input=data,
        capture_output=True,
    )
    made = {p.name: p.read_text(encoding="utf-8") for p in root.iterdir()}
    return done.returncode != 0 or made != {README: "# vLLM\n", "new": "x\n"}


@pytest.mark.parametrize("by", ["", "    ", "\t", " X "], ids=repr)
@pytest.mark.parametrize("form", FORMS)
def test_patch_takes_it_and_so_do_we(form: str, by: str, tmp_path: Path) -> None:
    data = patch_of(indented(form, by))
    # At the margin, git's own form is where git begins to read, too.
    assert list(quoted.diffs(data)) or (form, by) == ("git", "")
    if form != "ed":  # patch runs the program ed for it, which may be absent
        assert judged(data, tmp_path / "tree")


@pytest.mark.parametrize("body", PLAIN)
def test_plain_words_are_let_be(body: str, tmp_path: Path) -> None:
    data = patch_of(body)
    assert not list(quoted.diffs(data))
    assert not judged(data, tmp_path / "tree")


@pytest.mark.parametrize("form", FORMS)
def test_check_says_so_once_a_line(small: Small, form: str) -> None:
    text = message("docs: plant", f"Why.\n\n{indented(form, '    ')}")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    found = report(small).problems
    assert found
    assert {p.rule for p in found} == {Rule.BODY}
    assert len({p.line for p in found}) == len(found)


def test_make_export_refuses_it(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    at = Checkout(small.root)
    apply(Series(at))
    bench = at.build / "vllm"
    (bench / README).write_text("# mine\n", encoding="utf-8")
    text = message("docs: mine", f"Why.\n\n{indented('unified', '    ')}")
    git(bench, "commit", "-qaF-", "--cleanup=verbatim", stdin=text.encode())
    with pytest.raises(Finding, match="a part of the message for a diff") as e:
        export(at)
    assert "git rebase -i" in str(e.value.next)
    assert not list(at.patches.glob("0004*"))


@pytest.mark.parametrize(
    "form", [Format.RPM, Format.ARCH, Format.DEBIAN], ids=lambda f: f.value
)
def test_the_tool_would_do_something_else(
    small: Small,
    form: Format,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RPM's and Arch's tools apply the quoted diff, dpkg-source stops at it."""
    need({"rpm": "rpmbuild", "arch": "makepkg", "debian": "dpkg-source"}[form.value])
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    small.drop()
    small.drop()
    title = (small.repo / README).read_text(encoding="utf-8").split("\n")[0]
    quote = indented("unified", "    ").replace("# vLLM", title)
    quote = quote.replace("@@ -1 +1 @@", "@@ -1,1 +1,1 @@")
    small.edit(
        message("docs: plant", f"Why.\n\n{quote}"), "docs/backends.md", "- cutlass", "-"
    )
    small.export()
    wanted = Wanted(form, out=tmp_path / "refused")
    with pytest.raises(Finding, match="take a part of a message for a diff"):
        export_format(Checkout(small.root), wanted)
    assert not (tmp_path / "refused").exists()
    monkeypatch.setattr(limits, "_require_words", lambda _: None)
    at = made(small, form, tmp_path / "out")
    try:
        same = TOOLS[form](at, TOP) == small.lock.patched_tree
    except AssertionError:
        same = False
    assert not same


def test_a_distributions_own_is_refused_too(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_DIR", str(small.upstream_dir))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "series").write_text("a.patch\n", encoding="utf-8")
    real = "--- /dev/null\n+++ b/packaged\n@@ -0,0 +1 @@\n+yes\n"
    for quote, refused in ((indented("unified", "  "), True), ("words", False)):
        (theirs / "a.patch").write_text(f"{quote}\n\n{real}", encoding="utf-8")
        wanted = Wanted(Format.RPM, after=theirs, out=tmp_path / f"out-{refused}")
        if refused:
            with pytest.raises(Finding, match=r"take a part") as e:
                export_format(Checkout(small.root), wanted)
            assert str(e.value.where).startswith("a.patch:1")
        else:
            export_format(Checkout(small.root), wanted)

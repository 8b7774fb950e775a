# SPDX-License-Identifier: Apache-2.0
"""Reading patches: what git writes is read back, what it does not is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.base.errors import Finding
from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.series.mailbox import parse
from scripts.series.render import format_patches
from scripts.series.replay import replay, result
from tests.unit.small import Small, git


def test_reads_what_git_wrote(small: Small) -> None:
    name = small.names[1]
    patch = parse(name, (small.patches / name).read_bytes())
    assert patch.number == "0002"
    assert (patch.author, patch.email) == ("Ada Author", "ada@example.org")
    assert patch.date == "1795455327 +0000"
    assert patch.message.strip() == git(small.repo, "log", "-1", "--format=%B", "HEAD^")
    assert [f.path for f in patch.files] == [
        "tests/utils/__init__.py",
        "tests/utils/test_probe.py",
        "vllm/utils/flashinfer.py",
    ]
    assert [f.old_mode for f in patch.files] == [None, None, 0o100644]


def test_author_and_subject_beyond_ascii_and_long(small: Small) -> None:
    subject = "config: S\u00fcbject that goes on for so long that git folds its line"
    small.edit(f"{subject}\n\nBody.\n", "README.md", "# vLLM", "# vLLM!")
    author = "J\u00fcrgen von der sehr langen Zeile, die git umbricht"
    person = f"{author} <j@example.org>"
    git(small.repo, "commit", "-q", "--amend", "--no-edit", "--author", person)
    small.export()
    patch = parse(small.names[-1], (small.patches / small.names[-1]).read_bytes())
    assert patch.subject == subject
    assert patch.author == author


CASES = {
    "crlf": (lambda b: b.replace(b"\n", b"\r\n"), "CRLF"),
    "truncated": (lambda b: b[:-40], "does not hold what its header counts|cut off"),
    "no from line": (lambda b: b.partition(b"\n")[2], "git format-patch"),
    "header": (lambda b: b.replace(b"Date:", b"X-Date:"), "unknown header"),
    "no date": (lambda b: b.replace(b"Date:", b"From:"), "unknown header"),
    "bad date": (lambda b: b.replace(b" +0000\nSub", b"\nSub"), "date"),
    "no tag": (lambda b: b.replace(b"[PATCH] ", b""), r"\[PATCH\]"),
    "short ids": (lambda b: b.replace(b"index ", b"index 12..", 1), "blob ids"),
    "count": (lambda b: b.replace(b"@@ -", b"@@ -9", 1), ""),
    "rename": (lambda b: b.replace(b" b/vllm", b" b/vllm2", 1), "renames"),
    "leaves": (lambda b: b.replace(b"vllm/config", b"../config"), "leaves the source"),
    "git dir": (lambda b: b.replace(b"vllm/config", b".GIT/config"), "leaves"),
    "signature": (lambda b: b + b"-- \n2.39.5\n\n", "belongs to no hunk"),
    "other side": (lambda b: b.replace(b"+++ b/vllm", b"+++ b/x"), "file header"),
    "binary": (
        lambda b: b[: b.index(b"--- a/")] + b"GIT binary patch\nliteral 1\n",
        "binary",
    ),
    "latin-1": (lambda b: b.replace(b"Users", b"\xdcsers"), "not UTF-8"),
    "empty": (lambda b: b[: b.index(b"diff --git")], "changes no file"),
}


@pytest.mark.parametrize("case", CASES)
def test_refuses(case: str, small: Small) -> None:
    spoil, words = CASES[case]
    name = small.names[0]
    data = (small.patches / name).read_bytes()
    assert spoil(data) != data
    if case == "count":  # the line that a hunk names is looked at by replay
        with pytest.raises(Finding, match="another line where the hunk stands"):
            before = git(small.repo, "show", "base:vllm/config/kernel.py") + "\n"
            entry = Entry(0o100644, before.encode())
            replay([parse(name, spoil(data))], lambda _: entry)
        return
    with pytest.raises(Finding, match=words) as caught:
        parse(name, spoil(data))
    assert caught.value.where is not None
    assert caught.value.where.startswith(f"patches/{name}:")


text = st.lists(
    st.sampled_from(["a", "b", "", "\r", "\ttab ", "-- ", "@@ -1 +1 @@", "\\ x", "é"]),
    max_size=14,
).map("\n".join)
content = st.builds(
    lambda body, end: (body + end).encode(), text, st.sampled_from(["", "\n"])
)
trees = st.dictionaries(
    st.sampled_from(["f", "d/g", "d/with space", "run.sh"]),
    st.tuples(content, st.booleans()),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(before=trees, after=trees)
def test_replay_equals_git(
    before: dict[str, tuple[bytes, bool]], after: dict[str, tuple[bytes, bool]]
) -> None:
    if before == after:
        return
    with tempfile.TemporaryDirectory() as name:
        repo = Path(name)
        git(repo, "init", "-q", "-b", "main")
        for state in (before, after):
            for old in repo.rglob("*"):
                if old.is_file() and ".git" not in old.parts:
                    old.unlink()
            for path, (data, executable) in state.items():
                file = repo / path
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(data)
                file.chmod(0o755 if executable else 0o644)
            git(repo, "-c", "core.autocrlf=false", "add", "-A")
            git(repo, "commit", "-q", "-m", "x")
        (made,) = format_patches(Git(repo), "HEAD^", "HEAD").items()
        mode = {True: 0o100755, False: 0o100644}
        old = {p: Entry(mode[x], d) for p, (d, x) in before.items()}
        new = {p: Entry(mode[x], d) for p, (d, x) in after.items()}
        found = old | result(replay([parse(*made)], old.get))
        assert {p: e for p, e in found.items() if e is not None} == new

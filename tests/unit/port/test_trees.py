# SPDX-License-Identifier: Apache-2.0
"""Words are found in both trees, and no file is left out to be faster."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from scripts.base.object_ids import Entry, blob_id
from scripts.port.names.breach import Side
from scripts.port.names.trees import Index, binders, side
from scripts.upstream.sdist_contents import Source

Texts = Mapping[str, bytes]

BASE: Texts = {
    "vllm/same.py": b"WORD = 1\n",
    "vllm/other.py": b"x = WORD\n",
    "vllm/gone.py": b"WORD\n",
    "vllm/patched.py": b"y = WORD\n",
}
NEW: Texts = {
    "vllm/same.py": b"WORD = 1\n",
    "vllm/other.py": b"x = WORD + 1\n",
    "vllm/came.py": b"WORD = 2\n",
    "vllm/patched.py": b"y = WORD\n",
    "vllm/quiet.py": b"z = 1\n",
}


def _source(texts: Texts) -> Source:
    files = {path: Entry(0o100644, data) for path, data in texts.items()}
    ids = {path: (e.mode, blob_id(e.data)) for path, e in files.items()}
    return Source(ids, files)


def _sides(old_now: Texts, new_now: Texts) -> tuple[Side, Side]:
    base = Index(_source(BASE))
    new = Index(_source(NEW), base)
    made = []
    for tree, texts in ((base, old_now), (new, new_now)):
        now = {path: Entry(0o100644, data) for path, data in texts.items()}
        files = {**tree.source.files, **now}
        made.append(side(tree, files.get, now))
    return made[0], made[1]


@pytest.mark.parametrize(
    ("old_now", "new_now"),
    [
        ({}, {}),
        ({"vllm/patched.py": b"y = WORD - 1\n"}, {}),
        (
            {"vllm/patched.py": b"y = WORD - 1\n"},
            {"vllm/patched.py": b"y = WORD - 1\n"},
        ),
        ({"vllm/patched.py": b"y = 0\n"}, {}),
        ({}, {"vllm/same.py": b"WORD = 3\n"}),
        ({"vllm/fresh.py": b"WORD\n"}, {"vllm/fresh.py": b"WORD\n"}),
    ],
)
def test_files_that_are_others_are_all_found(old_now: Texts, new_now: Texts) -> None:
    old, new = _sides(old_now, new_now)
    differ = {
        path
        for path in new.search(b"WORD")
        if old.library.read(path) != new.library.read(path)
    }
    found = new.others(b"WORD", old)
    assert differ <= found <= set(new.search(b"WORD"))


def test_a_file_is_looked_through_first_and_once() -> None:
    _, new = _sides({}, {})
    assert list(new.beside(b"WORD", "vllm/patched.py")) == [
        *("vllm/patched.py", "vllm/same.py", "vllm/other.py", "vllm/came.py"),
    ]
    assert list(new.beside(b"NOWHERE", "vllm/same.py")) == []
    assert list(new.search(b"NOWHERE")) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"def f(): 0\nasync def g(): 0\nclass A: 0\nb: int = 1\n", "f g A b"),
        (b"class A:\n    def f(self): 0\n    x = 1\n", "A"),
        (b"def f(\n    a,\n):\n    def g(): 0\n", "f"),
        (
            b"if X:\n    def f(): 0\nelse:\n    class A:\n        def g(self): 0\n",
            "f A g else",
        ),
        (b"class A:\n# words\n    def f(self): 0\n", "A"),
        (b"try:\n    import a\nexcept E:\n    def f(): 0\n", "f try"),
        (b"@x\ndef f():\n    def g(): 0\n", "f"),
    ],
)
def test_names_that_a_file_may_bind_at_the_top(text: bytes, names: str) -> None:
    assert binders(text) == {name.encode() for name in names.split()}

# SPDX-License-Identifier: Apache-2.0
"""The lock is read strictly and edited gently."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from scripts.base.errors import Unusable
from scripts.upstream import lock

TEXT = lock.PATH.read_text(encoding="utf-8")


def test_the_real_one_is_plain_and_frozen() -> None:
    pinned = lock.load()
    assert pinned.tag == f"v{pinned.version}"
    assert set(pinned.wheels) == {"x86_64", "aarch64"}
    assert set(pinned.companions) == {
        "flashinfer-python",
        "nvidia-cutlass-dsl",
        "torch",
    }
    assert pinned.release_version == f"{pinned.version}+sm12x.{pinned.release}"
    assert type(pinned.version) is str
    assert type(pinned.sdist.size) is int
    with pytest.raises(dataclasses.FrozenInstanceError):
        pinned.version = "0"  # type: ignore[misc]


def test_every_key_is_explained() -> None:
    """A comment above each key or its table, or behind it."""
    bare = []
    lines = [line for line in TEXT.splitlines() if line]
    for above, line in itertools.pairwise(lines):
        if line.startswith("[") and not line.startswith("[vllm.wheels.a"):
            told = above.startswith("#") or line in ("[vllm]", "[series]")
            # The comment above [series] is theirs.
            told = told or line.startswith("[series.companions.")
            bare += [] if told else [line]
    assert not bare


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("schema = 1", "schema = 2", "schema"),
        ("schema = 1", "", "schema"),
        ("schema = 1", "schema = = 1", "upstream.lock"),
        ('commit = "', 'commit = "g', "vllm.commit"),
        ("epoch = ", "epoch = true #", "vllm.epoch"),
        ("epoch = ", "epoch = 1.5 #", "vllm.epoch"),
        ("[series]", "[serie]", "series.release"),
        ('tree = "', 'tree = "0', "vllm.sdist.tree"),
        ('patched-tree = "', 'patched-tree = "XYZ', "series.patched-tree"),
        ('sha256 = "', 'sha256 = "Z', "vllm.sdist.sha256"),
        ('filename = "vllm-', 'filename = "../vllm-', "vllm.sdist.filename"),
        ("size = ", "size = -0.5 #", "vllm.sdist.size"),
        ('torch = "', 'torch = 2 #"', "companions.torch"),
    ],
)
def test_malformed_names_the_key(old: str, new: str, where: str) -> None:
    assert old in TEXT
    with pytest.raises(Unusable, match=r"upstream\.lock cannot be used") as caught:
        lock.parse(TEXT.replace(old, new, 1))
    assert str(caught.value.where).endswith(where)


def test_no_wheel_for_the_machine() -> None:
    with pytest.raises(Unusable, match="no wheel for 'riscv64'") as caught:
        lock.load().wheel("riscv64")
    assert caught.value.expected == "aarch64 or x86_64"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_unreadable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "upstream.lock"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unusable, match="cannot read the lock"):
        lock.load(path)


def comments(text: str) -> list[str]:
    return ["#" + line.split("#", 1)[1] for line in text.splitlines() if "#" in line]


def test_edit_changes_values_only(tmp_path: Path) -> None:
    path = tmp_path / "upstream.lock"
    path.write_text(TEXT, encoding="utf-8")
    assert lock.update(path, {"vllm.sdist.size": 5, "series.release": 7})
    after = path.read_text(encoding="utf-8")
    old, new = TEXT.splitlines(), after.splitlines()
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert [b for _, b in changed] == ["size = 5  # bytes", "release = 7"]
    assert lock.load(path).release == 7


def test_edit_of_nothing_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "upstream.lock"
    path.write_text(TEXT, encoding="utf-8")
    stamp = path.stat()
    assert not lock.update(path, {"vllm.version": lock.load().version})
    assert path.stat() == stamp


def test_table_comes_and_goes() -> None:
    full, tree = "4ba787ec9" + "0" * 31, "1" * 40
    values = {"vllm.git.commit": full, "vllm.git.tree": tree}
    bare = lock.edit(TEXT, {"vllm.git": None})
    added = lock.edit(bare, values)
    assert lock.parse(added).git == lock.GitSource(full, tree, None)
    removed = lock.edit(added, {"vllm.git": None})
    assert lock.parse(removed) == lock.parse(bare)
    assert comments(added) == comments(removed) == comments(bare)


def test_update_never_leaves_a_broken_lock(tmp_path: Path) -> None:
    path = tmp_path / "upstream.lock"
    path.write_text(TEXT, encoding="utf-8")
    with pytest.raises(Unusable, match="cannot be used"):
        lock.update(path, {"vllm.commit": "not hex"})
    assert path.read_text(encoding="utf-8") == TEXT

# SPDX-License-Identifier: Apache-2.0
"""Of which series something was found: the tree, and what of it can matter to it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath

from scripts.checkout import Checkout
from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.upstream import lock as lockfile
from scripts.upstream.lock import Lock


@dataclass(frozen=True)
class Identity:
    """Of a series.

    >>> Identity("ab", "12").same(Identity("cd", "12"))
    True
    >>> Identity("ab", "12").same(Identity("cd", "34"))
    False
    >>> Identity("ab", "").same(Identity("cd", ""))
    False
    """

    tree: str
    """git's id of the patched tree."""
    ran: str = ""
    """Digest of what of it runs; empty in records that were made without it."""

    def same(self, other: Identity) -> bool:
        """Whether nothing differs that can matter; without ``ran`` only whole trees."""
        return self.tree == other.tree or bool(self.ran and self.ran == other.ran)


def identity(
    lock: Lock, patches: Iterable[Patch], tests: Collection[str] = ()
) -> Identity:
    """Of the series that is here; upstream's files are not needed for it.

    What runs is upstream's tree with what the series makes of ``vllm/``. With tests it
    is those too, and all under ``tests/`` that they may import: other tests are not.

    Args:
        lock: The pin.
        patches: The whole series.
        tests: Paths of the test files that run.
    """
    after: dict[str, tuple[int | None, str]] = {}
    for patch in patches:
        for change in patch.files:
            if _runs(change.path, tests):
                after[change.path] = change.new_mode, change.new_blob
    told = json.dumps([lock.tree, sorted(after.items())])
    return Identity(lock.patched_tree, sha256(told.encode()).hexdigest()[:40])


def here(at: Checkout, tests: Collection[str] = ()) -> Identity:
    """The same, of a checkout.

    Raises:
        Finding: A patch is missing or not in the canonical form.
        Unusable: The lock or the series cannot be read.
    """
    return identity(lockfile.load(at.lock), folder.load(at.patches), tests)


def _runs(path: str, tests: Collection[str]) -> bool:
    top, name = path.split("/")[0], PurePosixPath(path).name
    shared = top == "tests" and not name.startswith("test_")
    return top == "vllm" or path in tests or (bool(tests) and shared)

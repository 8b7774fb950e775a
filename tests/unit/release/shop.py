# SPDX-License-Identifier: Apache-2.0
"""The small checkout as a git repository that can be released."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.checkout import Checkout
from scripts.release.run import Wanted, release
from scripts.upstream.lock import update
from tests.unit.series.check.planted import renew_table
from tests.unit.small import Small, git
from tests.unit.small_wheel import add_wheel

LOG = "# Changelog\n\n## Unreleased\n\nA first word.\n"
IGNORED = "/author/\n/upstream/\n/build/\n/dist/\n"
TAG = "v1.2.3+sm12x.1"


@dataclass(frozen=True)
class Shop:
    """A checkout with a wheel, a change log and a clean history."""

    small: Small

    @property
    def root(self) -> Path:
        return self.small.root

    @property
    def out(self) -> Path:
        return self.root / "dist"

    @property
    def at(self) -> Checkout:
        return Checkout(self.root)

    def commit(self, text: str = "more") -> str:
        """Commit everything; the commit's id."""
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", text)
        return self.commit_id()

    def commit_id(self) -> str:
        return git(self.root, "rev-parse", "HEAD")

    def release(self, **wanted: Any) -> list[str]:
        return list(release(self.at, Wanted(out=self.out, **wanted)))

    def export(self) -> None:
        """`patches/` and its table from `small.repo`, as make export leaves them."""
        was = self.small.lock.released_tree
        self.small.export()
        update(self.small.lock_path, {"series.released-tree": was})
        renew_table(self.small)


def shop(small: Small) -> Shop:
    """Open one on `small`."""
    add_wheel(small)
    renew_table(small)
    (small.root / ".gitignore").write_text(IGNORED, encoding="utf-8")
    (small.root / "CHANGELOG.md").write_text(LOG, encoding="utf-8")
    git(small.root, "init", "-q", "-b", "main")
    made = Shop(small)
    made.commit("start")
    return made

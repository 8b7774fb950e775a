# SPDX-License-Identifier: Apache-2.0
"""The series replayed, and a throwaway repository for trees made of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from scripts.base.files import write
from scripts.base.git import Git
from scripts.evidence.names import Names, State, names_of
from scripts.evidence.own import Own, own_tests
from scripts.series.base_commit import commit_steps, entries, touched
from scripts.series.mailbox import Patch
from scripts.series.replay import Step, replay, result


@dataclass(frozen=True)
class Stand:
    """A series on its base, and where its trees are made.

    Objects of the trees go to `home`; the bench's repository is only read.
    """

    patches: tuple[Patch, ...]
    bench: Path
    """A repository with `refs/sm12x/base`, as `make apply` makes it."""
    home: Path

    @cached_property
    def git(self) -> Git:
        """The throwaway repository."""
        git = Git(self.home / "git")
        objects = Git(self.bench).text("rev-parse", "--git-path", "objects")
        known = (self.bench / objects).resolve()
        link = git.path / "objects" / "info" / "alternates"
        if not link.exists() or link.read_text(encoding="utf-8") != f"{known}\n":
            shutil.rmtree(self.home, ignore_errors=True)
            git.path.mkdir(parents=True)
            git.run("init", "--quiet", "--bare", ".")
            write(link, f"{known}\n".encode())
        base = Git(self.bench).text("rev-parse", "refs/sm12x/base")
        git.run("update-ref", "refs/sm12x/base", base)
        return git

    @cached_property
    def base(self) -> State:
        """Every path that the series touches, as upstream has it."""
        paths = touched(self.patches)
        found = entries(self.git, "refs/sm12x/base", paths)
        return {path: found.get(path) for path in sorted(paths)}

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The patches, verified blob by blob.

        Raises:
            Finding: One does not hold.
        """
        return tuple(replay(self.patches, self.base.get))

    @cached_property
    def own(self) -> Own:
        """The series' own tests."""
        return own_tests(self.base, self.steps)

    @cached_property
    def names(self) -> dict[str, Names]:
        """What each patch brings into being and says, by its number."""
        return names_of(self.steps, self.git)

    def state(self, count: int) -> State:
        """The touched files after the first `count` patches."""
        return {**self.base, **result(self.steps[:count])}

    @property
    def last(self) -> State:
        """The touched files after all of them."""
        return self.state(len(self.steps))

    def tree(self, files: State) -> str:
        """git's id of upstream's tree with `files` in place of its own."""
        changed = {k: v for k, v in files.items() if v != self.base[k]}
        if not changed:
            return self.git.text("rev-parse", "refs/sm12x/base^{tree}")
        step = Step(self.patches[0], changed)
        tip = commit_steps(self.git, "refs/sm12x/base^0", [step])
        return self.git.text("rev-parse", f"{tip}^{{tree}}")

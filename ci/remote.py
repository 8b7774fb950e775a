# SPDX-License-Identifier: Apache-2.0
"""The repository at the forge: its branches, read and written by git alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.base.errors import Finding, ForkError, Unusable
from scripts.base.git import IDENTITY, Git

# The sealed git reads no configuration in which `gh` could have put itself.
_BY_GH = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")

_WHO = (
    *("could not read Username", "could not read Password", "Permission denied"),
    *("Authentication failed", "terminal prompts disabled", "Host key verification"),
)
"""What git says where nobody is logged in."""


@dataclass(frozen=True)
class Remote:
    """A repository by its address, and a bare copy of two of its branches.

    Attributes:
        url: Its address.
        copy: Folder of the copy; made by `look`.
    """

    url: str
    copy: Path

    @property
    def git(self) -> Git:
        return Git(self.copy)

    def look(self, *branches: str) -> Mapping[str, str]:
        """Commit ids of the branches that are there; they are fetched too.

        Raises:
            Finding: git cannot read the repository.
        """
        if not (self.copy / "HEAD").is_file():
            self.copy.mkdir(parents=True, exist_ok=True)
            self.git.run("init", "--quiet", "--bare", ".")
        names = [f"refs/heads/{branch}" for branch in branches]
        rows = self._asked("ls-remote", "--", self.url, *names)
        found = {}
        for row in rows.splitlines():
            tip, _, name = row.partition("\t")
            if name in names:
                found[name.removeprefix("refs/heads/")] = tip
        specs = [f"+refs/heads/{b}:refs/heads/{b}" for b in found]
        if specs:
            self._asked("fetch", "--quiet", "--", self.url, *specs)
        return found

    def has(self, base: str, commit: str) -> bool:
        """Whether `commit` is on the branch `base`."""
        if self.git.resolve(f"{commit}^{{commit}}") is None:
            return False
        line = ("merge-base", "--is-ancestor", commit, f"refs/heads/{base}")
        return self.git.run(*line, ok=(0, 1)).returncode == 0

    def people(self, base: str, branch: str) -> bool:
        """Whether anybody but the bot has committed to the branch since `base`."""
        span = f"refs/heads/{base}..refs/heads/{branch}"
        committers = self.git.text("log", "--format=%ce", span).splitlines()
        return bool(set(committers) - {IDENTITY[1]})

    def content(self, base: str, branch: str) -> list[tuple[str, str]]:
        """As `content_of`, of a branch there."""
        pair = (f"refs/heads/{base}", f"refs/heads/{branch}")
        return content_of(self.git, self.git.text("merge-base", *pair), pair[1])

    def push(self, git: Git, tip: str, branch: str, expected: str) -> None:
        """Put the branch at `tip`, if it is still at `expected`.

        Args:
            git: Where the commit lies.
            tip: The commit.
            branch: The branch.
            expected: Commit id that it was seen at; empty if it was not there.

        Raises:
            Finding: It was moved meanwhile, or the push was refused.
        """
        ref = f"refs/heads/{branch}"
        lease = f"--force-with-lease={ref}:{expected}"
        try:
            git.run(*self._as(), "push", "--quiet", lease, self.url, f"{tip}:{ref}")
        except Finding as e:
            if isinstance(login := _login(e, self.url), Unusable):
                raise login from e
            raise Finding(
                f"the push of {branch} was refused",
                where=self.url,
                expected=f"the branch at {expected or 'no commit'}, as it was seen",
                found=e.found,
                next="run make bot again; nothing at the forge was changed",
            ) from e

    def _asked(self, *args: str) -> str:
        """What git says; where the forge wants to know who asks, how to log in."""
        try:
            return self.git.text(*self._as(), *args)
        except Finding as e:
            raise _login(e, self.url) from e

    def _as(self) -> tuple[str, ...]:
        return _BY_GH if self.url.startswith("https://") else ()


def content_of(git: Git, base: str, tip: str) -> list[tuple[str, str]]:
    """Message and patch id of each commit: what a rebase does not change."""
    found = []
    for commit in git.text("rev-list", "--reverse", f"{base}..{tip}").split():
        shown = git.run("show", "--format=commit %H", "--patch", commit).stdout
        words = git.run("patch-id", "--verbatim", stdin=shown).stdout.decode().split()
        message = git.text("log", "-1", "--format=%B", commit)
        found.append((message, words[0] if words else ""))
    return found


def _login(e: Finding, url: str) -> ForkError:
    """The error for a forge that does not know us, or `e` itself."""
    if not any(words in (e.found or "") for words in _WHO):
        return e
    return Unusable(
        "the forge does not know who asks",
        where=url,
        found=e.found,
        next="gh auth login (or set GH_TOKEN), and for an address of ssh a key "
        "that the forge knows; then make bot again",
    )

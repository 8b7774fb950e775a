# SPDX-License-Identifier: Apache-2.0
"""This project's own git repository: commit, tags, and the series as it was."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from scripts.base.errors import Finding, Unusable
from scripts.base.git import Git
from scripts.series.folder import parse_names
from scripts.series.mailbox import Patch, parse
from scripts.upstream.release_facts import tag_of

_TAG = re.compile(r"v(\d+(?:\.\d+)+(?:\.?\w+)?\+sm12x\.\d+)")
# What a bare `git log` over the series' files may cost on a long history.
_HISTORY = 500


@dataclass(frozen=True)
class Repository:
    """A checkout seen through git."""

    root: Path

    @property
    def git(self) -> Git:
        return Git(self.root)

    def exists(self) -> bool:
        """Whether `root` is the top of a work tree that git reads."""
        done = self.git.run("rev-parse", "--show-toplevel", ok=(0, 128))
        top = done.stdout.decode("utf-8", "surrogateescape").strip()
        return bool(top) and Path(top).resolve() == self.root.resolve()

    def head(self) -> str | None:
        """Full id of the commit that is checked out; None before the first."""
        return self.git.resolve("HEAD^{commit}") if self.exists() else None

    def edits(self) -> list[str]:
        """What differs from HEAD, as `git status --porcelain` writes it.

        Ignored files do not count; files that git does not know do.
        """
        return self.git.text("status", "--porcelain").splitlines()

    def tag(self, version: str) -> str | None:
        """Commit of a release's tag."""
        if not self.exists():
            return None
        return self.git.resolve(f"refs/tags/{tag_of(version)}^{{commit}}")

    def releases(self, merged: str | None = None) -> list[str]:
        """Versions of all releases that are tagged, oldest first.

        Args:
            merged: Only those that this commit contains.
        """
        if not self.exists():
            return []
        args = ["--merged", merged] if merged else []
        names = self.git.text("tag", "--list", *args).splitlines()
        found = [m[1] for name in names if (m := _TAG.fullmatch(name))]
        return sorted(found, key=Version)

    def file(self, commit: str, path: str) -> bytes | None:
        """A file's bytes in a commit; None if it has none."""
        with self.git.blobs() as blobs:
            return blobs.read(f"{commit}:{path}")

    def series(self, commit: str) -> list[Patch]:
        """The series as a commit has it.

        Raises:
            Finding: There is none, or a patch cannot be read.
        """
        with self.git.blobs() as blobs:
            names = blobs.read(f"{commit}:patches/series")
            if names is None:
                raise Finding(
                    "the commit has no series",
                    where=commit,
                    expected="patches/series",
                    next="name a commit of this project",
                )
            patches = []
            for name in parse_names(names.decode("utf-8")):
                data = blobs.read(f"{commit}:patches/{name}")
                if data is None:
                    raise Finding(
                        "a patch of the series is missing",
                        where=f"{commit[:12]}:patches/{name}",
                    )
                patches.append(parse(name, data))
            return patches

    def changed_inputs(self) -> Iterator[str]:
        """Commits that changed the series or the lock, newest first."""
        if not self.exists():
            return
        paths = ("--", "patches", "upstream.lock")
        count = f"--max-count={_HISTORY}"
        yield from self.git.text("log", "--all", "--format=%H", count, *paths).split()

    def wrote(self, path: str, text: str) -> str | None:
        """The newest commit that brought `text` into a file, or took it out."""
        args = ("log", "--max-count=1", "--format=%H", f"-S{text}", "--", path)
        return self.git.text(*args) or None

    def make_tag(self, version: str, message: str) -> None:
        """Tag HEAD, with the person's own git: name, key and hooks are theirs.

        Raises:
            Unusable: git refuses; its words are in the error.
        """
        done = subprocess.run(
            # whitespace: a line that starts with # is no comment here.
            [
                *("git", "tag", "--annotate", "--cleanup=whitespace"),
                *("--message", message, tag_of(version)),
            ],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unusable(
                f"git cannot tag {tag_of(version)}",
                where=str(self.root),
                found=done.stderr.strip(),
                next="fix what git says, then make release TAG=1",
            )

# SPDX-License-Identifier: Apache-2.0
"""`build/vllm`: what stands there, and what of it only stands there."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from scripts.base import decode
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.base.git import Git

BRANCH = "sm12x"


@dataclass(frozen=True)
class State:
    """What the tools last put there, kept in `.git/sm12x.json`."""

    source: str
    base: str
    """Commit that the series starts from."""
    tip: str
    """Commit of the last patch."""
    series: str
    """Fingerprint of the patches in `base..tip`."""
    complete: bool
    """Whether that is the whole series and not a prefix (`UNTIL=`)."""
    moving_from: str | None = None
    """Set while the work tree goes from this commit to `tip`."""
    exporting: bool = False
    """Set while `make export` replaces files in `patches/`."""


class Kind(Enum):
    """Why a piece of work would be lost; the value is what is printed."""

    UNFINISHED = "unfinished"
    """A git operation that a person has begun and not ended."""
    UNCOMMITTED = "not committed"
    """A file that differs from HEAD, or that git does not track yet."""
    UNEXPORTED = "not exported"
    """A commit that is not in `patches/`, or a branch that was set back."""


@dataclass(frozen=True)
class Loss:
    """Work that stands nowhere else."""

    kind: Kind
    what: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.what}"


_OPERATIONS = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase or am",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


def _paths(listing: bytes) -> list[str]:
    names = (x.decode("utf-8", "surrogateescape") for x in listing.split(b"\0"))
    return [name for name in names if name]


@dataclass(frozen=True)
class Workbench:
    """The repository in `build/vllm`."""

    path: Path

    @property
    def git(self) -> Git:
        return Git(self.path)

    @property
    def exists(self) -> bool:
        return (self.path / ".git").is_dir()

    @property
    def _state_file(self) -> Path:
        return self.path / ".git" / "sm12x.json"

    def state(self) -> State:
        """What was last put there.

        Raises:
            Unusable: The folder is not one of ours, or its state is unreadable.
        """
        return decode.read(
            self._state_file,
            State,
            "this folder was not made by make apply",
            f"move {self.path} away, then make apply",
        )

    def save(self, state: State) -> None:
        """Record `state`; it is on disk when this returns."""
        text = json.dumps(asdict(state), indent=1) + "\n"
        write(self._state_file, text.encode("utf-8"))

    def operation(self) -> str | None:
        """The git operation that a person has begun and not ended."""
        for name, kind in _OPERATIONS.items():
            if (self.path / ".git" / name).exists():
                return kind
        return None

    def dirty(self, against: str = "HEAD") -> list[str]:
        """Paths whose content is not that of the commit `against`."""
        changed = self.git.run("diff-index", "-z", "--name-only", against).stdout
        # The index may only be stale; refresh compares content before we say so.
        if changed:
            self.git.run("update-index", "-q", "--refresh", ok=(0, 1))
            changed = self.git.run("diff-index", "-z", "--name-only", against).stdout
        return sorted({*_paths(changed), *self.untracked()})

    def untracked(self) -> list[str]:
        """Files that git neither tracks nor ignores."""
        args = ("ls-files", "-z", "--others", "--exclude-standard")
        return _paths(self.git.run(*args).stdout)

    def losses(self, state: State) -> list[Loss]:
        """What an overwrite of branch and work tree would lose."""
        found = []
        if operation := self.operation():
            found.append(Loss(Kind.UNFINISHED, f"git {operation}"))
        found += [Loss(Kind.UNCOMMITTED, path) for path in self.dirty()]
        seen = set()
        for ref in ("HEAD", f"refs/heads/{BRANCH}"):
            at = self.git.resolve(ref)
            if at is None or at == state.tip or at in seen:
                continue
            seen.add(at)
            log = self.git.text("log", "--format=%h %s", at, f"^{state.tip}")
            found += [Loss(Kind.UNEXPORTED, row) for row in log.splitlines()]
            if not log:
                short = self.git.text("log", "-1", "--format=%h %s", at)
                found.append(Loss(Kind.UNEXPORTED, f"{ref} was set back to {short}"))
        return found

    def backup(self) -> str:
        """Move HEAD, the branch and the work tree's changes under a ref.

        Returns:
            The ref. Ignored files are not in it.
        """
        index = self.path / ".git" / "sm12x-backup-index"
        env = {"GIT_INDEX_FILE": str(index)}
        try:
            self.git.run("read-tree", "HEAD", env=env)
            self.git.run("add", "--all", env=env)
            tree = self.git.run("write-tree", env=env).stdout.decode().strip()
        finally:
            index.unlink(missing_ok=True)
        parents = {self.git.resolve("HEAD"), self.git.resolve(f"refs/heads/{BRANCH}")}
        args = [x for p in sorted(p for p in parents if p) for x in ("-p", p)]
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        commit = self.git.run(
            "commit-tree", tree, *args, stdin=b"kept by make apply FORCE=1\n"
        )
        ref = f"refs/sm12x/backup/{stamp}"
        self.git.run("update-ref", ref, commit.stdout.decode().strip())
        # What is kept now would stop the next apply again.
        self.git.run("reset", "--quiet", "--hard", "HEAD")
        self.git.run("clean", "--quiet", "--force", "-d")
        return ref

    def back(self, ref: str) -> str:
        """How a backup is had back."""
        path = os.path.relpath(self.path)
        return f"to have it back: git -C {path} checkout --detach {ref}"

    def move(self, state: State) -> None:
        """Put branch, index and work tree at `state.tip`; repeatable after a kill.

        The caller has made sure that nothing is lost.
        """
        before = self.git.resolve("HEAD")
        self.save(replace(state, moving_from=before or state.base))
        self._checkout(state)

    def _checkout(self, state: State) -> None:
        for name in ("rebase-merge", "rebase-apply"):
            if (self.path / ".git" / name).exists():
                self.git.run("rebase", "--quit", ok=(0, 1, 128))
        self.git.run("checkout", "--quiet", "--force", "-B", BRANCH, state.tip)
        refs = (
            f"update refs/sm12x/base {state.base}\nupdate refs/sm12x/tip {state.tip}\n"
        )
        self.git.run("update-ref", "--stdin", stdin=refs.encode())
        self.save(replace(state, moving_from=None))

    def recover(self, force: bool) -> State:
        """Finish a move that was cut off; a person's edits since then stop it.

        Raises:
            Finding: A file is neither as before nor as after the move.
        """
        state = self.state()
        if state.moving_from is None:
            return state
        # We hold the run's lock, so no other tool of ours is at work.
        (self.path / ".git" / "index.lock").unlink(missing_ok=True)
        foreign = []
        with self.git.blobs() as blobs:
            for path in self.dirty(state.tip):
                new = blobs.read(f"{state.tip}:{path}")
                old = blobs.read(f"{state.moving_from}:{path}")
                file = self.path / path
                now = file.read_bytes() if file.is_file() else None
                # A killed checkout leaves a file that is missing or cut short.
                half = new is not None and now is not None and new.startswith(now)
                if now is not None and now not in (old, new) and not half:
                    foreign.append(path)
        if foreign and not force:
            raise Finding(
                "apply was cut off, and files were edited since",
                where=str(self.path),
                found="\n".join(foreign),
                next="copy them away, then make apply FORCE=1 (keeps a backup ref)",
            )
        if foreign:
            note(f"kept the files edited since; {self.back(self.backup())}")
        self._checkout(state)
        return self.state()

    def refuse(self, losses: list[Loss]) -> Finding:
        """The error that lists what an overwrite would lose."""
        shown = [str(loss) for loss in losses[:40]]
        if len(losses) > 40:
            shown.append(f"and {len(losses) - 40} more")
        return Finding(
            "this work stands nowhere else and would be lost",
            where=os.path.relpath(self.path),
            found="\n".join(shown),
            next="commit it and make export, or make apply FORCE=1 "
            "(keeps it under refs/sm12x/backup/)",
        )

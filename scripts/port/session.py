# SPDX-License-Identifier: Apache-2.0
"""`build/port`: the ported commits, and the patch at which a person has to decide."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.base import decode
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.checkout import Checkout
from scripts.port.merge.text import space
from scripts.port.report import conflict
from scripts.port.report.explain import asked, explained
from scripts.port.report.states import PatchResult
from scripts.port.target import Target, git_tree
from scripts.series import answers, resolutions
from scripts.series.alerts import Alert
from scripts.series.base_commit import commit_files, commit_steps
from scripts.series.mailbox import Patch
from scripts.series.replay import Step
from scripts.upstream import fetch, sdist_contents


@dataclass(frozen=True)
class Stop:
    """Where a port waits for a person; kept in `build/port/stop.json`."""

    to: str
    git: str
    """Folder of the clone for a git ref, else empty."""
    patch: str
    files: dict[str, str]
    """Path in the new tree to path in the patch, of what has to be decided."""
    homes: tuple[str, ...] = ()
    """Other files that what has no target may be entered in."""
    alerts: tuple[str, ...] = ()
    """File names of the answers that are asked for, where nothing else waits."""


@dataclass(frozen=True)
class Session:
    """The folder of a port."""

    root: Path

    @classmethod
    def of(cls, at: Checkout) -> Session:
        return cls(at.build / "port")

    @property
    def tree(self) -> Path:
        return self.root / "vllm"

    @property
    def notes(self) -> Path:
        return self.root / "CONFLICT.md"

    @property
    def _stop(self) -> Path:
        return self.root / "stop.json"

    def stop(self) -> Stop:
        """What the last port waits for.

        Raises:
            Unusable: None waits.
        """
        what, again = "no port waits for a decision", "make port TO=<release>"
        return decode.read(self._stop, Stop, what, again)

    def clear(self) -> None:
        """Take away what an earlier port left; edits of a person are kept apart.

        Raises:
            Finding: There are edits that are in no resolution.
        """
        if self._stop.exists() and (edited := self.edited()):
            raise Finding(
                "a port waits here, and its files were edited since",
                where=str(self.tree),
                found="\n".join(edited),
                next='make port-continue REASON="...", or git -C build/port/vllm '
                "reset --hard && git -C build/port/vllm clean -fd to drop the edits, "
                "then the same again",
            )
        self.forget()

    def forget(self) -> None:
        """Remove the folder's work tree and its state."""
        self._stop.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)
        shutil.rmtree(self.tree, ignore_errors=True)

    def edited(self) -> list[str]:
        """Files that differ from what the port wrote."""
        if not (self.tree / ".git").is_dir():
            return []
        git = Git(self.tree)
        # In an index of its own: whatever a person staged stays staged.
        index = self.tree / ".git" / "sm12x-edited-index"
        env = {"GIT_INDEX_FILE": str(index)}
        try:
            git.run("read-tree", "refs/sm12x/shown", env=env)
            git.run("add", "--all", env=env)
            changed = git.run(
                "diff", "--cached", "-z", "--name-only", "refs/sm12x/shown", env=env
            ).stdout
        finally:
            index.unlink(missing_ok=True)
        names = {x.decode("utf-8", "surrogateescape") for x in changed.split(b"\0")}
        return sorted(names - {""})

    def taken_back(self, path: str) -> str:
        """The command that takes an edit of a file back to what was shown."""
        shown = Git(self.tree).run("ls-tree", "refs/sm12x/shown", "--", path).stdout
        name = shlex.quote(path)
        if shown:
            return f"git -C build/port/vllm checkout -- {name}"
        return f"rm build/port/vllm/{name}"

    def begin(self, target: Target) -> tuple[Git, str]:
        """A repository that holds the target's tree as one commit.

        Raises:
            Finding: The archive is damaged, or git failed.
            Unusable: The folder cannot be written.
        """
        self.tree.mkdir(parents=True, exist_ok=True)
        git = Git(self.tree)
        git.run("init", "--quiet", f"--initial-branch=port/{target.name}", ".")

        def commit(files: Iterable[tuple[str, Entry]]) -> str:
            commit_files(git, "refs/sm12x/base", files, f"{target.name}\n")
            return git.text("rev-parse", "refs/sm12x/base")

        if target.artifact is not None:
            return git, sdist_contents.everything(
                fetch.obtain(target.artifact),
                target.artifact,
                lambda found: commit((r[0], Entry(r[1], data)) for r, data in found),
            )
        assert target.git and target.commit
        source = git_tree(Git(target.git), target.commit, lambda path: True)
        return git, commit(source.files.items())

    def show(
        self,
        target: Target,
        to: str,
        patches: Mapping[str, Patch],
        results: Iterable[PatchResult],
        changes: Iterable[Mapping[str, Entry | None]],
    ) -> str:
        """Write the patches up to the first open one, and its conflict.

        Returns:
            Name of the patch that waits; empty if none does.
        """
        self.forget()
        git, base = self.begin(target)
        steps, waiting = [], None
        for result, change in zip(results, changes, strict=True):
            if result.state.open:
                waiting = result
                break
            if change:
                steps.append(Step(patches[result.name], change))
        tip = commit_steps(git, base, steps)
        git.run("update-ref", f"refs/heads/port/{target.name}", tip)
        git.run("reset", "--quiet", "--hard", tip)
        git.run("update-ref", "refs/sm12x/shown", tip)
        if waiting is None:
            return ""
        self._conflict(target, to, patches[waiting.name], waiting)
        # What is shown is a commit of its own, so that edits can be told from it,
        # and git's own commands take them back.
        git.run("add", "--all", "--force")
        tree = git.text("write-tree")
        what = f"{waiting.name[:4]} as it waits"
        shown = git.text("commit-tree", "-p", tip, "-m", what, tree)
        git.run("update-ref", "refs/sm12x/shown", shown)
        git.run("checkout", "--quiet", "--detach", shown)
        return waiting.name

    def ask(self, to: str, git: str, alerts: Sequence[Alert]) -> None:
        """Wait for answers to alerts, where every patch was carried."""
        write(self.notes, asked(alerts).encode("utf-8"))
        wanted = tuple(answers.name(alert) for alert in alerts)
        self._wait(Stop(to, git, "", {}, alerts=wanted))

    def _wait(self, stop: Stop) -> None:
        write(self._stop, json.dumps(asdict(stop), indent=1).encode("utf-8"))

    def content(self, path: str) -> bytes | None:
        """A file as a person left it; None where there is none."""
        file = self.tree / path
        return file.read_bytes() if file.is_file() else None

    def entered(self, stop: Stop) -> dict[str, resolutions.Edit]:
        """Edits of the other files that the change may be entered in."""
        git = Git(self.tree)
        found: dict[str, resolutions.Edit] = {}
        with git.blobs() as blobs:
            for path in set(self.edited()) & set(stop.homes):
                data = blobs.read(f"refs/sm12x/shown:{path}")
                before = None if data is None else Entry(0o100644, data)
                found[path] = before, self.content(path)
        return found

    def _conflict(
        self, target: Target, to: str, patch: Patch, waiting: PatchResult
    ) -> None:
        open_files = {}
        with space() as room:
            for part in waiting.files:
                path = self.tree / part.target
                if part.state.carried:
                    if part.result is None:
                        path.unlink(missing_ok=True)
                    else:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        write(path, part.result.data, part.result.mode & 0o777)
                    continue
                open_files[part.target] = part.path
                data = conflict.marked(part, patch, target.name, room)
                write(
                    path, data, (part.upstream.mode if part.upstream else 0o644) & 0o777
                )
        text = explained(waiting, patch, target.name)
        write(self.notes, text.encode("utf-8"))
        homes = tuple(dict.fromkeys(at for part in waiting.files for at in part.homes))
        self._wait(Stop(to, str(target.git or ""), patch.name, open_files, homes))

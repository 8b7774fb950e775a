# SPDX-License-Identifier: Apache-2.0
"""GitHub, through its own command line program and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ci.forge import MINE, Issue, Pull, State
from scripts.base.errors import Unusable

CHECKS = "check.yml"
"""The workflow that a pull request is held to; it can be dispatched."""
LIMIT = 1000
"""Rows to ask for. Plain lists, not the search API, which lags behind."""
TIMEOUT = 120.0
"""Seconds for one call."""
_CONFLICT = "CONFLICTING"
NOT_LOGGED_IN = 4
"""The exit code that `gh help exit-codes` documents."""


class _Label(Struct):
    name: str


class _Issue(Struct, rename="camel"):
    """A row of `gh issue list --json`, whose manual lists all fields."""

    body: str
    labels: list[_Label]
    number: int
    state: str
    title: str
    url: str

    @property
    def fields(self) -> dict[str, Any]:
        """Those of `Issue`."""
        return {
            "number": self.number,
            "url": self.url,
            "state": State(self.state.lower()),
            "title": self.title,
            "body": self.body,
            "labels": frozenset(label.name for label in self.labels),
        }


class _Pull(_Issue, rename="camel"):
    """The same of `gh pr list`."""

    head_ref_oid: str
    is_cross_repository: bool
    mergeable: str


Row = TypeVar("Row", bound=_Issue)


@dataclass(frozen=True)
class GitHub:
    """The repository that `gh` finds for a checkout.

    Every method raises Unusable where it cannot be asked or refuses.

    Args:
        where: The checkout; `GH_REPO` in the environment overrides it.
        program: Name or path of the program.
    """

    where: Path
    program: str = "gh"

    def pulls(self, branch: str) -> Sequence[Pull]:
        """All pull requests from `branch`, whatever their state, newest first."""
        return [
            Pull(**r.fields, head=r.head_ref_oid, conflicting=r.mergeable == _CONFLICT)
            for r in self._list("pr", _Pull, "--head", branch)
            if not r.is_cross_repository
        ]

    def issues(self) -> Sequence[Issue]:
        """All issues with the label `MINE`, whatever their state, newest first."""
        found = [Issue(**row.fields) for row in self._list("issue", _Issue)]
        return [issue for issue in found if MINE in issue.labels]

    def open_pull(self, base: str, branch: str, title: str, body: str) -> str:
        """Open a pull request; its address."""
        self._label()
        made = ("--title", title, "--body-file", "-", "--label", MINE)
        where = ("--base", base, "--head", branch)
        return self._run("pr", "create", *where, *made, stdin=body).strip()

    def start_checks(self, branch: str) -> None:
        """Have the checks run on a branch that a machine pushed."""
        # What a workflow's own token pushes starts no workflow by itself.
        self._run("workflow", "run", CHECKS, "--ref", branch)

    def edit_pull(self, number: int, title: str, body: str) -> None:
        text = ("--title", title, "--body-file", "-")
        self._run("pr", "edit", str(number), *text, stdin=body)

    def open_issue(self, title: str, body: str) -> str:
        """Open an issue with the label `MINE`; its address."""
        self._label()
        made = ("--title", title, "--body-file", "-", "--label", MINE)
        return self._run("issue", "create", *made, stdin=body).strip()

    def edit_issue(self, number: int, title: str, body: str) -> None:
        text = ("--title", title, "--body-file", "-")
        self._run("issue", "edit", str(number), *text, stdin=body)

    def reopen_issue(self, number: int) -> None:
        self._run("issue", "reopen", str(number))

    def close_issue(self, number: int, comment: str) -> None:
        """Close an issue with a last word."""
        self._run("issue", "close", str(number), "--comment", comment)

    def _label(self) -> None:
        said = ("--description", "opened by make bot", "--force")
        self._run("label", "create", MINE, *said)

    def _list(self, what: str, kind: type[Row], *more: str) -> list[Row]:
        fields = ",".join(field.encode_name for field in msgspec.structs.fields(kind))
        shape = ("--state", "all", "--limit", str(LIMIT), "--json", fields)
        text = self._run(what, "list", *more, *shape)
        try:
            return msgspec.json.decode(text, type=list[kind])  # type: ignore[valid-type]
        except msgspec.DecodeError as e:
            raise Unusable(
                f"{self.program} {what} list gives no such list",
                expected=f"JSON rows with {fields}",
                found=f"{e}: {text[:400]}",
                next=f"compare with {self.program} {what} list --help",
            ) from e

    def _run(self, *args: str, stdin: str | None = None) -> str:
        command = f"{self.program} {args[0]} {args[1]}"
        try:
            done = subprocess.run(
                [self.program, *args],
                cwd=self.where,
                input=stdin if stdin is not None else "",
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT,
                check=False,
            )
        except FileNotFoundError as e:
            raise Unusable(
                f"cannot start {self.program}",
                next="install the GitHub CLI, or leave APPLY out",
            ) from e
        except subprocess.TimeoutExpired as e:
            raise Unusable(
                f"{command} gave no answer",
                found=f"none in {TIMEOUT:.0f} s",
                next="run make bot again; what was pushed is found and used",
            ) from e
        if done.returncode == 0:
            return done.stdout
        raise Unusable(
            f"{command} failed with exit code {done.returncode}",
            where=str(self.where),
            found=done.stderr.strip()[-2000:] or None,
            next="gh auth login, or set GH_TOKEN"
            if done.returncode == NOT_LOGGED_IN
            else "run make bot again once that is fixed; nothing is done twice",
        )

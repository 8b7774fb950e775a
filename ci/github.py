# SPDX-License-Identifier: Apache-2.0
"""GitHub, through its own command line program and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.forge import MINE, Issue, Pull, State
from scripts.base.errors import Unusable

PULL_FIELDS = (
    "body",
    "headRefOid",
    "isCrossRepository",
    "labels",
    "mergeable",
    "number",
    "state",
    "title",
    "url",
)
"""As `gh pr list --json` names them; its manual lists them all."""
ISSUE_FIELDS = ("body", "labels", "number", "state", "title", "url")
CHECKS = "check.yml"
"""The workflow that a pull request is held to; it can be dispatched."""
LIMIT = 1000
"""Rows to ask for. Plain lists, not the search API, which lags behind."""
TIMEOUT = 120.0
"""Seconds for one call."""
NOT_LOGGED_IN = 4
"""The exit code that `gh help exit-codes` documents."""


@dataclass(frozen=True)
class GitHub:
    """The repository that `gh` finds for a checkout.

    Args:
        where: The checkout; `GH_REPO` in the environment overrides it.
        program: Name or path of the program.
    """

    where: Path
    program: str = "gh"

    def pulls(self, branch: str) -> Sequence[Pull]:
        rows = self._list("pr", PULL_FIELDS, "--head", branch)
        return [_pull(row) for row in rows if not row["isCrossRepository"]]

    def issues(self) -> Sequence[Issue]:
        found = [_issue(row) for row in self._list("issue", ISSUE_FIELDS)]
        return [issue for issue in found if MINE in issue.labels]

    def open_pull(self, base: str, branch: str, title: str, body: str) -> str:
        self._label()
        made = ("--title", title, "--body-file", "-", "--label", MINE)
        where = ("--base", base, "--head", branch)
        return self._run("pr", "create", *where, *made, stdin=body).strip()

    def start_checks(self, branch: str) -> None:
        # What a workflow's own token pushes starts no workflow by itself.
        self._run("workflow", "run", CHECKS, "--ref", branch)

    def edit_pull(self, number: int, title: str, body: str) -> None:
        text = ("--title", title, "--body-file", "-")
        self._run("pr", "edit", str(number), *text, stdin=body)

    def open_issue(self, title: str, body: str) -> str:
        self._label()
        made = ("--title", title, "--body-file", "-", "--label", MINE)
        return self._run("issue", "create", *made, stdin=body).strip()

    def edit_issue(self, number: int, title: str, body: str) -> None:
        text = ("--title", title, "--body-file", "-")
        self._run("issue", "edit", str(number), *text, stdin=body)

    def reopen_issue(self, number: int) -> None:
        self._run("issue", "reopen", str(number))

    def close_issue(self, number: int, comment: str) -> None:
        self._run("issue", "close", str(number), "--comment", comment)

    def _label(self) -> None:
        said = ("--description", "opened by make bot", "--force")
        self._run("label", "create", MINE, *said)

    def _list(self, kind: str, fields: Sequence[str], *more: str) -> list[Any]:
        shape = ("--state", "all", "--limit", str(LIMIT), "--json", ",".join(fields))
        text = self._run(kind, "list", *more, *shape)
        try:
            rows = json.loads(text)
            assert isinstance(rows, list)
            for row in rows:
                assert set(fields) <= row.keys()
        except (ValueError, AssertionError, AttributeError) as e:
            raise Unusable(
                f"{self.program} {kind} list gives no such list",
                expected=f"JSON rows with {', '.join(fields)}",
                found=text[:400],
                next=f"compare with {self.program} {kind} list --help",
            ) from e
        return rows

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


def _labels(row: dict[str, Any]) -> frozenset[str]:
    return frozenset(label["name"] for label in row["labels"])


def _pull(row: dict[str, Any]) -> Pull:
    return Pull(
        number=row["number"],
        url=row["url"],
        state=State(row["state"].lower()),
        title=row["title"],
        body=row["body"],
        labels=_labels(row),
        head=row["headRefOid"],
        conflicting=row["mergeable"] == "CONFLICTING",
    )


def _issue(row: dict[str, Any]) -> Issue:
    return Issue(
        number=row["number"],
        url=row["url"],
        state=State(row["state"].lower()),
        title=row["title"],
        body=row["body"],
        labels=_labels(row),
    )

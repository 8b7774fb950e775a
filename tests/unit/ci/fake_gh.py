# SPDX-License-Identifier: Apache-2.0
"""A `gh` whose forge is a JSON file: as strict about flags as the real one.

The rows have the shape that `gh pr list --json` and `gh issue list --json` print
(labels are objects, states in capitals, `mergeable` a word); a branch's commit is
read from the bare repository, as the forge would.

The file, besides `pulls`, `issues`, `labels`, `calls` and `remote`: `fail` maps a
command such as `pr create` to an exit code and words, `kill` names a command that
takes the calling process down, `race` one before which somebody else does it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ.get("FAKE_GH", "forge.json"))
KINDS = {"pr": "pulls", "issue": "issues"}


class Flags(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        print(f"unknown flag: {message}", file=sys.stderr)
        sys.exit(1)


def flags(command: str) -> Flags:
    """What the command takes; `pr list --help` and the others list it."""
    parser = Flags(prog=f"gh {command}", allow_abbrev=False, add_help=False)
    known = {
        "pr list": "head state limit json",
        "issue list": "state limit json",
        "pr create": "base head title body-file label",
        "issue create": "title body-file label",
        "pr edit": "title body-file",
        "issue edit": "title body-file",
        "issue close": "comment",
        "issue reopen": "",
        "label create": "description",
        "workflow run": "ref",
    }[command]
    for flag in known.split():
        parser.add_argument(f"--{flag}", required=True)
    if command == "label create":
        parser.add_argument("--force", action="store_true")
    if not command.endswith(("list", "issue create", "pr create")):
        parser.add_argument("what")
    return parser


def head(state: dict[str, Any], branch: str) -> str:
    line = ["git", "ls-remote", state["remote"], f"refs/heads/{branch}"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return done.stdout.split("\t")[0]


def listed(state: dict[str, Any], kind: str, at: argparse.Namespace) -> None:
    rows = []
    for row in reversed(state[KINDS[kind]]):
        full = dict(row)
        if kind == "pr":
            if row["headRefName"] != at.head:
                continue
            full["headRefOid"] = head(state, at.head) or row.get("headRefOid", "")
        unknown = set(at.json.split(",")) - full.keys()
        if unknown:
            print(f'Unknown JSON field: "{unknown.pop()}"', file=sys.stderr)
            sys.exit(1)
        rows.append({name: full[name] for name in at.json.split(",")})
    print(json.dumps(rows))


def created(
    state: dict[str, Any], kind: str, at: argparse.Namespace, body: str
) -> None:
    if at.label not in state["labels"]:
        print(f"could not add label: '{at.label}' not found", file=sys.stderr)
        sys.exit(1)
    number = len(state["pulls"]) + len(state["issues"]) + 1
    row = {
        "number": number,
        "title": at.title,
        "body": body.replace("\n", "\r\n"),  # as the web form stores it
        "state": "OPEN",
        "labels": [{"id": "L", "name": at.label, "description": "", "color": "ededed"}],
        "url": f"https://forge.invalid/{kind}/{number}",
    }
    if kind == "pr":
        if not head(state, at.head):
            print("pull request create failed: no head sha", file=sys.stderr)
            sys.exit(1)
        if any(
            p["headRefName"] == at.head and p["state"] == "OPEN" for p in state["pulls"]
        ):
            print(f'a pull request for branch "{at.head}" exists', file=sys.stderr)
            sys.exit(1)
        row |= {
            "headRefName": at.head,
            "baseRefName": at.base,
            "isCrossRepository": False,
            "mergeable": "MERGEABLE",
        }
    state[KINDS[kind]].append(row)
    print(row["url"])


def main() -> None:
    state = json.loads(STATE.read_text(encoding="utf-8"))
    command = " ".join(sys.argv[1:3])
    state["calls"].append(command)
    body = sys.stdin.read()
    if command == state.get("kill"):
        state["kill"] = ""
        STATE.write_text(json.dumps(state), encoding="utf-8")
        os.kill(os.getppid(), signal.SIGKILL)
        return
    if command in state.get("fail", {}):
        STATE.write_text(json.dumps(state), encoding="utf-8")
        code, words = state["fail"][command]
        print(words, file=sys.stderr)
        sys.exit(code)
    kind, verb = sys.argv[1:3]
    at = flags(command).parse_args(sys.argv[3:])
    if command == state.get("race"):
        created(state, kind, at, body)
        STATE.write_text(json.dumps(state), encoding="utf-8")
    if verb == "list":
        listed(state, kind, at)
    elif command == "label create":
        state["labels"] = sorted({*state["labels"], at.what})
    elif verb == "create":
        created(state, kind, at, body)
    elif kind in KINDS:
        row = next(r for r in state[KINDS[kind]] if r["number"] == int(at.what))
        if verb == "edit":
            row |= {"title": at.title, "body": body}
        else:
            row["state"] = "CLOSED" if verb == "close" else "OPEN"
    STATE.write_text(json.dumps(state), encoding="utf-8")


if __name__ == "__main__":
    main()

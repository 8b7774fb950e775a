# SPDX-License-Identifier: Apache-2.0
"""Run a tool on a case of the corpus, and say what its answer is worth."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from scripts.base.object_ids import Entry, blob_id
from scripts.port.carry import carry
from scripts.port.kept import kept
from scripts.port.moves import places
from scripts.port.names.trees import Trees
from scripts.port.report.states import PatchResult, State
from scripts.series.base_commit import touched
from scripts.series.mailbox import Patch, parse
from scripts.series.resolutions import Records
from scripts.upstream.sdist_contents import Source
from tests.unit.port.model import Change, Files, Series
from tests.unit.small import FORMAT, git, message


class Verdict(Enum):
    """What an answer is worth."""

    RIGHT = "right"
    """The right tree; or a refusal where a person has to decide."""
    REFUSED = "refused"
    """A refusal though there is a right tree: safe, and work for a person."""
    READ = "wrong, to be read"
    """A tree that is not right, and the word that a person has to read it."""
    WRONG = "silently wrong"
    """A tree that is not right, and no word of it."""


@dataclass(frozen=True)
class Answer:
    """What a tool made of a case; None is a refusal."""

    tree: Files | None
    state: State | None = None
    why: str = ""
    read: tuple[str, ...] = ()
    """Why a person has to read it, though it was carried."""


def verdict(case: Change, answer: Answer) -> Verdict:
    """Compare an answer with the right ones."""
    if answer.tree is None:
        return Verdict.REFUSED if case.right else Verdict.RIGHT
    good = any(dict(answer.tree) == dict(right) for right in case.right)
    if good and (answer.read or not case.read):
        return Verdict.RIGHT
    # Of merges by syntax every one says so; that alone warns of nothing.
    return Verdict.READ if answer.read else Verdict.WRONG


def _imported(branch: str, files: Files) -> bytes:
    """A commit as git's fast-import takes it; all but `base` stand on that."""
    text = message(f"{branch}: the change").encode()
    ada = b"Ada Author <ada@example.org> 1795455327 +0000"
    lines = [b"commit refs/heads/%s" % branch.encode()]
    lines += [b"author " + ada, b"committer " + ada, b"data %d\n%s" % (len(text), text)]
    if branch != "base":
        lines.append(b"from refs/heads/base")
    lines.append(b"deleteall")
    for name, content in files.items():
        data = content.encode()
        lines.append(b"M 100644 inline %s" % name.encode())
        lines.append(b"data %d\n%s" % (len(data), data))
    return b"\n".join([*lines, b""])


def repository(case: Change, repo: Path) -> Path:
    """Branches `patch` and `upstream`, both on `base`; and the mail of the patch.

    Returns:
        The mail.
    """
    repo.mkdir(parents=True)
    git(repo, "init", "-q", "--template=", "-b", "base")
    branches = {"base": case.base, "patch": case.theirs, "upstream": case.ours}
    # One process for all commits: hundreds of cases wait for git and little else.
    stream = b"".join(_imported(*each) for each in branches.items())
    git(repo, "fast-import", "--quiet", stdin=stream)
    git(repo, "checkout", "-q", "-f", "upstream")
    made = git(repo, "format-patch", *FORMAT, "-o", str(repo.parent), "base..patch")
    return Path(made)


def ours(case: Change, mail: Path) -> Answer:
    """This project's port."""
    patch = parse(mail.name, mail.read_bytes())
    (result,) = carried([patch], case.base, case.ours)
    why = "; ".join(f"{f.path}: {f.state.value} {f.why}" for f in result.files)
    if not result.carried:
        return Answer(None, result.state, why)
    tree: dict[str, Entry | None] = dict(_entries(case.ours))
    for part in result.files:
        tree[part.target] = part.result
    texts = {p: e.data.decode("utf-8") for p, e in tree.items() if e}
    read = tuple(reason for f in result.files for reason in f.read)
    return Answer(texts, result.state, why, read)


def series(case: Series, home: Path) -> tuple[PatchResult, ...]:
    """This project's port of patches that stand one on the other."""
    patches = [patch for patch, _ in mails(case, home)]
    return carried(patches, case.base, case.ours)


def mails(case: Series, home: Path) -> list[tuple[Patch, Path]]:
    """Each patch and its mail; its repository is in a folder of its number."""
    made = []
    # Apart: git gives each of them the first number.
    (home / "mails").mkdir()
    for number in range(1, len(case.steps) + 1):
        mail = repository(case.change(number), home / str(number))
        mail = mail.rename(home / "mails" / f"{number:04}-{mail.name[5:]}")
        made.append((parse(mail.name, mail.read_bytes()), mail))
    return made


def carried(patches: list[Patch], old: Files, now: Files) -> tuple[PatchResult, ...]:
    """Carry patches from one small tree to another."""
    return carried_by(patches, old, now, None)


def carried_by(
    patches: list[Patch], old: Files, now: Files, records: Records | None
) -> tuple[PatchResult, ...]:
    """The same, with what earlier runs kept where there are records."""
    trees = Trees(_source(_entries(old)), _source(_entries(now)))
    base, new = trees.base.files.get, trees.new.files.get
    paths, known = touched(patches), None
    moves = places(paths, trees.base, trees.new)
    if records is not None:
        known = kept(trees.base, trees.new, paths, records, "new")
    found = records or Records()
    return carry(patches, base, new, moves, found, "new", trees, known).patches


def _source(files: dict[str, Entry]) -> Source:
    return Source({p: (e.mode, blob_id(e.data)) for p, e in files.items()}, files)


def _entries(files: Files) -> dict[str, Entry]:
    return {p: Entry(0o100644, text.encode("utf-8")) for p, text in files.items()}


Peer = Callable[[Path, Path], bool]
"""Given a work tree that stands at upstream, and the mail: whether it applied."""


def _run(repo: Path, *argv: str) -> bool:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "QUILT"))}
    env |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    env |= {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org"}
    env |= {"QUILT_PATCHES": "debian-patches", "GIT_EDITOR": "true"}
    done = subprocess.run(
        argv, cwd=repo, env=env, capture_output=True, stdin=subprocess.DEVNULL
    )
    return done.returncode == 0


def _rebase(repo: Path, mail: Path) -> bool:
    return _run(repo, "git", "rebase", "-q", "--onto", "upstream", "base", "patch")


def _quilt(repo: Path, mail: Path) -> bool:
    folder = repo / "debian-patches"
    folder.mkdir()
    shutil.copy(mail, folder / mail.name)
    (folder / "series").write_text(f"{mail.name}\n", encoding="utf-8")
    done = _run(repo, "quilt", "--quiltrc=-", "push", "-a", "-q")
    shutil.rmtree(folder)
    shutil.rmtree(repo / ".pc", ignore_errors=True)
    return done


_PATCH = ("patch", "-p1", "-F0", "-s", "--batch", "--no-backup-if-mismatch")

PEERS: Mapping[str, tuple[str, Peer]] = {
    "git am": ("git", lambda r, m: _run(r, "git", "am", "-q", str(m))),
    "git am -3": ("git", lambda r, m: _run(r, "git", "am", "-q", "-3", str(m))),
    "git rebase": ("git", _rebase),
    "patch -p1 -F0": (
        "patch",
        # Its backups are no fault of the tree that it makes.
        lambda r, m: _run(r, *_PATCH, "-i", str(m)),
    ),
    "quilt push": ("quilt", _quilt),
}
"""Name to the program it needs, and how it is run."""


def peer(name: str, case: Change, repo: Path, mail: Path) -> Answer | None:
    """A usual tool on a copy of the repository; None where it is not installed."""
    program, tool = PEERS[name]
    if shutil.which(program) is None:
        return None
    if not tool(repo, mail):
        return Answer(None)
    files = {}
    for path in sorted(repo.rglob("*")):
        if path.is_file() and ".git" not in path.relative_to(repo).parts:
            files[str(path.relative_to(repo))] = path.read_text(encoding="utf-8")
    return Answer(files)

# SPDX-License-Identifier: Apache-2.0
"""Run a tool on a case of the corpus, and say what its answer is worth."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from scripts.base.object_ids import Entry, blob_id
from scripts.port.carry import carry
from scripts.port.kept import kept
from scripts.port.merge.text import Space
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


def _imported(branch: str, base: str, files: Files, date: int) -> bytes:
    """A commit as git's fast-import takes it; all but `base` stand on that."""
    text = message(f"{branch.rpartition('/')[2]}: the change").encode()
    ada = b"Ada Author <ada@example.org> %d +0000" % date
    lines = [b"commit refs/heads/%s" % branch.encode()]
    lines += [b"author " + ada, b"committer " + ada, b"data %d\n%s" % (len(text), text)]
    if branch != base:
        lines.append(b"from refs/heads/%s" % base.encode())
    lines.append(b"deleteall")
    for name, content in files.items():
        data = content.encode()
        lines.append(b"M 100644 inline %s" % name.encode())
        lines.append(b"data %d\n%s" % (len(data), data))
    return b"\n".join([*lines, b""])


def _made(repo: Path, cases: Mapping[str, Change]) -> None:
    """A repository of the cases' branches, by what stands before their names."""
    repo.mkdir(parents=True)
    git(repo, "init", "-q", "--template=", "-b", "base")
    stream = [
        # By date git keeps their order.
        _imported(f"{case}{branch}", f"{case}base", files, 1795455327 + date)
        for date, (case, one) in enumerate(cases.items())
        for branch, files in (
            ("base", one.base),
            ("patch", one.patched),
            ("upstream", one.upstream),
        )
    ]
    # One process for all commits: hundreds of cases wait for git and little else.
    git(repo, "fast-import", "--quiet", stdin=b"".join(stream))


def repository(case: Change, repo: Path) -> Path:
    """Branches `patch` and `upstream`, both on `base`; and the mail of the patch.

    Returns:
        The mail.
    """
    _made(repo, {"": case})
    git(repo, "checkout", "-q", "-f", "upstream")
    made = git(repo, "format-patch", *FORMAT, "-o", str(repo.parent), "base..patch")
    return Path(made)


def mailed(cases: Iterable[Change], home: Path) -> list[Path]:
    """The mail of each case's patch, from one repository without a work tree."""
    named = {f"{number}/": case for number, case in enumerate(cases, 1)}
    _made(home / "repo", named)
    ends = [end for name in named for end in (f"{name}patch", f"^{name}base")]
    made = git(home / "repo", "format-patch", *FORMAT, "-o", str(home), *ends)
    mails = [Path(line) for line in made.splitlines()]
    assert len(mails) == len(named)
    return mails


def by_port(case: Change, mail: Path, room: Space | None = None) -> Answer:
    """This project's port."""
    (result,) = carried(parsed([mail]), case.base, case.upstream, room)
    why = "; ".join(f"{f.path}: {f.state.value} {f.why}" for f in result.files)
    if not result.carried:
        return Answer(None, result.state, why)
    tree: dict[str, Entry | None] = dict(_entries(case.upstream))
    for part in result.files:
        tree[part.target] = part.result
    texts = {p: e.data.decode("utf-8") for p, e in tree.items() if e}
    read = tuple(reason for f in result.files for reason in f.read)
    return Answer(texts, result.state, why, read)


def series(
    case: Series, mails: Iterable[Path], room: Space | None = None
) -> tuple[PatchResult, ...]:
    """This project's port of patches that stand one on the other."""
    return carried(parsed(mails), case.base, case.upstream, room)


def parsed(mails: Iterable[Path]) -> list[Patch]:
    """The patches that mails hold."""
    return [parse(mail.name, mail.read_bytes()) for mail in mails]


def mails(case: Series, home: Path) -> list[tuple[Patch, Path]]:
    """Each patch and its mail; its repository is in a folder of its number."""
    made = []
    # Apart: git gives each of them the first number.
    (home / "mails").mkdir()
    for number, change in enumerate(case.changes, 1):
        mail = repository(change, home / str(number))
        mail = mail.rename(home / "mails" / f"{number:04}-{mail.name[5:]}")
        made.append((parse(mail.name, mail.read_bytes()), mail))
    return made


def carried(
    patches: list[Patch], old: Files, now: Files, room: Space | None = None
) -> tuple[PatchResult, ...]:
    """Carry patches from one small tree to another."""
    return carried_by(patches, old, now, None, room)


def carried_by(
    patches: list[Patch],
    old: Files,
    now: Files,
    records: Records | None,
    room: Space | None = None,
) -> tuple[PatchResult, ...]:
    """The same, with what earlier runs kept where there are records."""
    trees = Trees(_source(_entries(old)), _source(_entries(now)))
    base, new = trees.base.files.get, trees.new.files.get
    paths, known = touched(patches), None
    moves = places(paths, trees.base, trees.new)
    if records is not None:
        known = kept(trees.base, trees.new, paths, records, "new")
    found = records or Records()
    return carry(patches, base, new, moves, found, "new", trees, known, room).patches


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

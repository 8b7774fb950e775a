# SPDX-License-Identifier: Apache-2.0
"""The tree that the series starts from, as one commit in a repository."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Finding, Unusable
from scripts.base.files import MAKE_ROOM
from scripts.base.git import IDENTITY, Git
from scripts.base.object_ids import Entry, tree_id
from scripts.base.packfile import Pack
from scripts.series.mailbox import Patch
from scripts.series.replay import Step
from scripts.upstream import sdist_contents
from scripts.upstream.lock import Lock


def commit(
    mark: int, ref: str, author: str = "", date: str = "0 +0000", message: str = ""
) -> bytes:
    """A commit of its own for `git fast-import`, on a ref that starts anew."""
    name, mail = IDENTITY
    text = message.encode("utf-8")
    author = author or f"{name} <{mail}>"
    return (
        f"reset {ref}\n\ncommit {ref}\nmark :{mark}\nauthor {author} {date}\n"
        f"committer {name} <{mail}> {date}\ndata {len(text)}\n"
    ).encode() + text


def file(path: str, entry: Entry | None) -> bytes:
    """A file of that commit; None takes it out."""
    # Quoting is only needed for what no path of ours holds.
    raw = path.encode("utf-8", "surrogateescape")
    if entry is None:
        return b"D %s\n" % raw
    return b"M %o inline %s\ndata %d\n%s\n" % (
        entry.mode,
        raw,
        len(entry.data),
        entry.data,
    )


def fast_import(git: Git, stream: Iterable[bytes]) -> None:
    """Let git take what `commit` and `file` made."""
    # --force: a ref is scratch and starts anew each time.
    args = ("fast-import", "--quiet", "--force", "--done", "--date-format=raw")
    with git.feed(*args) as pipe:
        for part in stream:
            pipe.write(part)
        pipe.write(b"done\n")


def commit_files(
    git: Git, ref: str, files: Iterable[tuple[str, Entry]], message: str
) -> None:
    """Let `ref` be one commit without a parent that holds `files` alone.

    Args:
        git: The repository.
        ref: The ref, overwritten.
        files: Path and content; read one by one.
        message: The commit's message.
    """

    def stream() -> Iterator[bytes]:
        yield commit(1, ref, message=message)
        for path, entry in files:
            yield file(path, entry)

    fast_import(git, stream())


def base_from_sdist(git: Git, archive: Path, lock: Lock) -> str:
    """Make the base commit from the verified source archive.

    Args:
        git: The repository that receives it, under `refs/sm12x/import`.
        archive: The sdist.
        lock: The pin.

    Returns:
        The commit's id, the same on every machine.

    Raises:
        Finding: The archive holds what none should hold, or another tree.
    """
    note(f"reading {archive.name}")
    ref = "refs/sm12x/import"

    message = (
        f"vLLM {lock.version}\n\n{lock.sdist.filename}\nsha256 {lock.sdist.sha256}\n"
    )
    name, mail = IDENTITY
    who = f"{name} <{mail}> {lock.epoch} +0000"
    objects = git.path / git.text("rev-parse", "--git-path", "objects/pack")

    def packed(files: sdist_contents.Found) -> str:
        with Pack(objects) as pack:
            ids = {
                path: (mode, pack.add(b"blob", data, blob))
                for (path, mode, blob, *_), data in files
            }
            text = f"tree {tree_id(ids, pack.add)}\nauthor {who}\ncommitter {who}\n\n"
            return pack.add(b"commit", (text + message).encode("utf-8"))

    try:
        commit = sdist_contents.everything(archive, lock.sdist, packed)
    except OSError as e:
        raise Unusable(
            "the source cannot be written",
            where=str(objects),
            found=e.strerror or str(e),
            next=MAKE_ROOM,
        ) from e
    git.run("update-ref", ref, commit)
    return _verified(git, ref, lock.tree, archive.name)


def base_from_git(git: Git, url: str, lock: Lock) -> str:
    """Fetch upstream's commit at the pinned tag.

    Args:
        git: The repository that receives it, under `refs/sm12x/import`.
        url: Upstream's repository.
        lock: The pin.

    Returns:
        The full id of upstream's commit.

    Raises:
        Finding: The tag is missing, or stands at another commit than the pin.
    """
    note(f"fetching {lock.tag} from {url}")
    ref = "refs/sm12x/import"
    try:
        git.run("fetch", "--depth=1", "--no-tags", url, f"+refs/tags/{lock.tag}:{ref}")
    except Finding as e:
        raise Unusable(
            f"cannot fetch {lock.tag}",
            where=url,
            found=e.found,
            next="make apply (the released archive needs no git host), or "
            "UPSTREAM_URL=<another clone>",
        ) from e
    commit = git.resolve(f"{ref}^{{commit}}") or ""
    expected = lock.git.commit or lock.commit
    if not commit.startswith(expected):
        raise Finding(
            f"{lock.tag} is not the pinned commit",
            where=url,
            expected=f"{expected}{'' if len(expected) == 40 else '...'}",
            found=commit or "no commit",
            next="use upstream's own repository, or make pin VERSION="
            f"{lock.version} if upstream moved the tag",
        )
    git.run("update-ref", ref, commit)
    return _verified(git, ref, lock.git.tree, url)


def _verified(git: Git, ref: str, tree: str | None, where: str) -> str:
    commit, found = git.text(
        "rev-parse", f"{ref}^{{commit}}", f"{ref}^{{tree}}"
    ).split()
    if tree is not None and found != tree:
        raise Finding(
            "the source is another tree than the pinned one",
            where=where,
            expected=f"tree {tree}",
            found=f"tree {found}",
            next="git checkout -- upstream.lock",
        )
    return commit


def entries(git: Git, commit: str, paths: set[str]) -> Mapping[str, Entry]:
    """Those of `paths` that `commit` holds as files."""
    if not paths:
        return {}
    found: dict[str, Entry] = {}
    # The reader starts first, so that it gets ready while git lists the tree.
    with git.blobs() as blobs:
        listing = git.run("ls-tree", "-z", "--full-tree", commit, "--", *sorted(paths))
        for row in listing.stdout.split(b"\0")[:-1]:
            meta, _, path = row.partition(b"\t")
            mode, kind, blob = meta.split()
            data = blobs.read(blob.decode()) if kind == b"blob" else None
            if data is not None:
                name = path.decode("utf-8", "surrogateescape")
                found[name] = Entry(int(mode, 8), data)
    return found


def touched(patches: Iterable[Patch]) -> set[str]:
    """Every path that the patches touch."""
    return {change.path for patch in patches for change in patch.files}


def commit_steps(git: Git, base: str, steps: list[Step]) -> str:
    """Write one commit a patch on top of `base`.

    Author and date are the patch's; the committer is fixed and its date the
    author's, so that the ids depend on base and series alone.

    Returns:
        The id of the last commit, `base` if there are no steps. It is held by
        `refs/sm12x/next`.
    """
    ref = "refs/sm12x/next"
    if not steps:
        git.run("update-ref", ref, base)
        return base

    def stream() -> Iterator[bytes]:
        for mark, step in enumerate(steps, 1):
            p = step.patch
            yield commit(mark, ref, f"{p.author} <{p.email}>", p.date, p.message)
            yield f"from {base if mark == 1 else f':{mark - 1}'}\n".encode()
            for path, entry in step.changes.items():
                yield file(path, entry)

    fast_import(git, stream())
    return git.text("rev-parse", ref)

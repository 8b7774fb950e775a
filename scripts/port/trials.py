# SPDX-License-Identifier: Apache-2.0
"""Where a ported series is proved: a clone of this checkout on the new upstream.

A release is pinned there as `make pin` does it. A git ref has no archive and no
wheels: its tree is packed as one, under the version of the nearest tag before it,
and what is run of it is its Python on this machine's CPU.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from packaging.version import Version

from scripts.base.errors import Unusable
from scripts.base.files import digest, write
from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.checkout import Checkout
from scripts.port import beside
from scripts.port.prove import named
from scripts.port.report import readme
from scripts.port.target import Target, git_tree
from scripts.series.adopt import adopt
from scripts.series.apply import sdist_base
from scripts.series.base_commit import commit_steps
from scripts.series.mailbox import Patch, parse
from scripts.series.render import format_patches
from scripts.series.replay import Step
from scripts.series.required import lock_values, own_companions
from scripts.series.table import lanes_on, render
from scripts.upstream import cache, sdist_contents
from scripts.upstream import lock as lockfile
from scripts.upstream.pin import pin
from scripts.upstream.release_facts import VERSION_FILE, as_version, read, tag_of

Changes = Iterable[Mapping[str, Entry | None]]
_LINK = 0o120000


def of_release(
    at: Checkout, version: str, patches: Sequence[Patch], changes: Changes
) -> Checkout:
    """A clone of this checkout that stands on a release.

    Raises:
        Finding: The release is not what it says, or the clone fails.
        Unusable: It cannot be fetched.
    """
    new = _clone(at)
    pin(version, new.lock)
    return _filled(at, new, patches, changes)


def of_ref(
    at: Checkout, target: Target, patches: Sequence[Patch], changes: Changes
) -> Checkout:
    """A clone of this checkout that stands on a git ref, in an archive made of it.

    Its lock keeps the wheels of the pin, which nothing there may use.

    Raises:
        Finding: git failed, or the ref pins no companions.
        Unusable: The cache cannot be written, or no tag lies before the ref.
    """
    assert target.git and target.commit
    new = _clone(at)
    git = Git(target.git)
    version = version_of(git, target.commit)
    made = _packed(git, target.commit, version, new.build)
    found = read(made)
    lockfile.update(
        new.lock,
        {
            "vllm.version": version,
            "vllm.tag": tag_of(version),
            "vllm.commit": target.commit,
            "vllm.epoch": found.epoch,
            "vllm.git": None,
            "vllm.sdist.filename": made.name,
            "vllm.sdist.size": made.stat().st_size,
            "vllm.sdist.sha256": digest(made),
            "vllm.sdist.tree": found.tree,
            "series.release": 1,
            "series.released-tree": None,
            "series.patched-tree": found.tree,
            "series.companions": None,
            **{f"companions.{k}": v for k, v in found.companions.items()},
        },
    )
    kept = cache.object_path(lockfile.load(new.lock).sdist)
    write(kept, made.read_bytes())
    return _filled(at, new, patches, changes)


def _clone(at: Checkout) -> Checkout:
    root = at.build / "port" / "trial"
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    Git(at.root).run("clone", "--quiet", "--local", str(at.root), str(root))
    new = Checkout(root)
    # What is decided and not committed yet belongs to the trial.
    for name in ("patches", "upstream.lock"):
        _copy(at.root / name, root / name)
    return new


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _filled(
    at: Checkout, new: Checkout, patches: Sequence[Patch], changes: Changes
) -> Checkout:
    """The clone with the carried series as its patches, and all that follows."""
    old, lock = lockfile.load(at.lock), lockfile.load(new.lock)
    git = Git(new.root / "build" / "make")
    git.path.mkdir(parents=True)
    git.run("init", "--quiet", ".")
    base = sdist_base(git, lock)
    steps = [Step(p, c) for p, c in zip(patches, changes, strict=True) if c]
    tip = commit_steps(git, base, steps)
    files = format_patches(git, base, tip)
    made = [parse(name, data) for name, data in files.items()]
    lanes = lanes_on(made, partial(sdist_contents.read, lock.sdist))
    names = named(patches, [step.patch for step in steps], list(files))
    follow = partial(readme.follow, old=old, new=lock, renamed=names)
    adopt(new, files, render(made, lanes), lock.tag, follow)
    tree = git.text("rev-parse", f"{tip}^{{tree}}")
    own = own_companions(git, base, tip, made)
    lockfile.update(new.lock, {"series.patched-tree": tree, **lock_values(lock, own)})
    beside.follow(new)
    return new


def version_of(git: Git, commit: str) -> str:
    """The nearest tag's version, and how many commits lie behind it.

    Raises:
        Unusable: No tag of a release lies before the commit.
    """
    said = git.run(
        "describe", "--tags", "--long", "--match", "v[0-9]*", commit, ok=(0, 128)
    ).stdout.decode("utf-8", "replace")
    match = re.fullmatch(r"(v\S+)-(\d+)-g[0-9a-f]+", said.strip())
    tag = as_version(match[1]) if match else None
    if match is None or tag is None:
        raise Unusable(
            "no release's tag lies before the ref, so that it has no version",
            where=str(git.path),
            found=said.strip() or "no tag",
            next="git fetch --tags there",
        )
    return _behind(tag, int(match[2]))


def _behind(tag: Version, commits: int) -> str:
    """A version for a commit that lies some behind a tag.

    >>> _behind(Version("1.2"), 0), _behind(Version("1.2"), 3)
    ('1.2', '1.2.post3')
    >>> _behind(Version("1.2rc1"), 3), _behind(Version("1.2.post1"), 3)
    ('1.2rc1.post3', '1.2.post4')
    """
    if not commits:
        return tag.public
    if tag.dev is not None:
        return f"{tag.public.partition('.dev')[0]}.dev{tag.dev + commits}"
    return f"{tag.public.partition('.post')[0]}.post{(tag.post or 0) + commits}"


def _packed(git: Git, commit: str, version: str, where: Path) -> Path:
    """An archive of a commit's tree, as a release's would be."""
    when = int(git.text("log", "-1", "--format=%ct", commit))
    said = (
        f"__version__ = version = '{version}'\n"
        f"__version_tuple__ = version_tuple = {tuple(map(str, version.split('.')))}\n\n"
        f"__commit_id__ = commit_id = 'g{commit[:9]}'\n"
    )
    files = dict(git_tree(git, commit, lambda path: True).files)
    files[VERSION_FILE] = Entry(0o100644, said.encode("utf-8"))
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in sorted(files.items()):
            if entry.mode == _LINK:
                continue  # a release's archive has none either
            info = tarfile.TarInfo(f"vllm-{version}/{path}")
            info.mode, info.mtime, info.size = entry.mode & 0o777, when, len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data))
    place = where / f"vllm-{version}.tar.gz"
    write(place, gzip.compress(raw.getvalue(), 1, mtime=0))
    return place

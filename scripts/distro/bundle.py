# SPDX-License-Identifier: Apache-2.0
"""What a distribution gets: its own patches and ours in order, proved on the sdist.

Every format is written from a `Bundle`, and none is made of patches that do not
hold: ours must find their true preimages, a distribution's must stand at the
lines that they name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from scripts.base.errors import Finding
from scripts.base.object_ids import Entry, blob_id, tree_id
from scripts.checkout import Checkout
from scripts.distro import foreign
from scripts.distro.foreign import Foreign
from scripts.series import folder
from scripts.series.base_commit import touched
from scripts.series.mailbox import Patch
from scripts.series.replay import changed_ids, replay, result
from scripts.upstream import lock as lockfile
from scripts.upstream import sdist_contents
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Lock
from scripts.upstream.sdist import FILE
from scripts.wheel.inputs import Tree, require_tree


@dataclass(frozen=True)
class Change:
    """What one patch makes of one file; None where there is no file."""

    path: str
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True)
class Item:
    """One patch file of the result."""

    name: str
    """File name in the export, without folders."""
    data: bytes
    """The bytes as they lie in `patches/` or with the distribution."""
    patch: Patch | None
    """None for a distribution's own."""
    changes: tuple[Change, ...]

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Bundle:
    """The patches that apply to the pinned sdist, in order."""

    lock: Lock
    items: tuple[Item, ...]
    tree: str
    """git's id of the tree after all of them; the lock's where all are ours."""
    archive: Path
    """Upstream's sdist, verified."""

    def with_file(self, name: str, text: str) -> dict[str, Entry]:
        """The patches side by side, and one file more."""
        found = {item.name: Entry(FILE, item.data) for item in self.items}
        return found | {name: Entry(FILE, text.encode())}


def gather(
    at: Checkout,
    before: Sequence[Foreign] = (),
    after: Sequence[Foreign] = (),
) -> Bundle:
    """Read the checkout's series and prove it between a distribution's patches.

    Args:
        at: The checkout.
        before: Patches that apply to upstream's files, before ours.
        after: Patches that apply to our result.

    Raises:
        Finding: A patch does not hold, or one of `before` changes a file that
            ours change, so that ours would have to be searched a place.
        Unusable: Lock, series or sdist cannot be had.
    """
    lock = lockfile.load(at.lock)
    patches = folder.load(at.patches)
    data = {p.name: (at.patches / p.name).read_bytes() for p in patches}
    _distinct([*before, *after], data)
    archive = obtain(lock.sdist)
    paths = touched(patches)
    paths |= {path for given in (*before, *after) for path in given.paths}
    source = sdist_contents.source(archive, lock.sdist, paths.__contains__)
    ids, upstream = source.ids, source.files
    now: dict[str, Entry | None] = {**upstream}

    def step(made: Mapping[str, Entry | None]) -> tuple[Change, ...]:
        changes = tuple(Change(p, now.get(p), entry) for p, entry in made.items())
        now.update(made)
        return changes

    items = [_theirs(f, step(foreign.apply(f, now.get))) for f in before]
    _require_preimages(patches, before, upstream, now)
    ours = replay(patches, now.get)
    items += [
        Item(s.patch.name, data[s.patch.name], s.patch, step(s.changes)) for s in ours
    ]
    # Ours alone too: what is edited must not go out under the release's name.
    _require_lock(lock, ids, result(ours))
    items += [_theirs(f, step(foreign.apply(f, now.get))) for f in after]
    tree = tree_id(changed_ids(ids, now))
    return Bundle(lock, tuple(items), tree, archive)


def _theirs(given: Foreign, changes: tuple[Change, ...]) -> Item:
    return Item(given.name, given.data, None, changes)


def _distinct(given: Sequence[Foreign], ours: Mapping[str, bytes]) -> None:
    seen = dict.fromkeys(ours, "patches")
    for one in given:
        if one.name in seen:
            raise Finding(
                "two patches have one name",
                where=one.where,
                expected="a name of its own for each",
                found=f"{one.name}, as in {seen[one.name]}",
                next="rename it there, and in its series",
            )
        seen[one.name] = one.where


def _require_lock(
    lock: Lock, ids: Mapping[str, tuple[int, str]], ours: Mapping[str, Entry | None]
) -> None:
    after = tree_id(changed_ids(ids, ours))
    require_tree(lock, Tree(tree_id(ids), after, ours, frozenset()))


def _require_preimages(
    patches: Sequence[Patch],
    before: Sequence[Foreign],
    upstream: Mapping[str, Entry | None],
    now: Mapping[str, Entry | None],
) -> None:
    def blob(entry: Entry | None) -> str:
        return "no file" if entry is None else f"blob {blob_id(entry.data)}"

    for patch in patches:
        for change in patch.files:
            path = change.path
            if upstream.get(path) == now.get(path):
                continue
            theirs = [f for f in before if path in f.paths]
            raise Finding(
                "a distribution's patch changes a file before ours does",
                where="\n".join(f"{f.where} ({path})" for f in theirs)
                + f"\npatches/{patch.name}:{change.at} ({path})",
                expected=f"{blob(upstream.get(path))}, which ours was made on",
                found=blob(now.get(path)),
                next="let it come after ours (--after, or merge-series without "
                "--behind) and refresh it there; ours are not searched a new place",
            )

# SPDX-License-Identifier: Apache-2.0
"""Hold a wheel against the lock: everything is derived again, nothing believed.

The patched files come from the sdist, not from the base wheel as in the build;
hashes are computed from the bytes; what the wheel says of itself is read by
`claims`, which shares no code with the builder.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from scripts.base.console import bytes_progress
from scripts.base.errors import Finding
from scripts.base.object_ids import Entry
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Artifact, Lock
from scripts.wheel import claims
from scripts.wheel.inputs import Tree, base_of, patched_tree, pinned
from scripts.wheel.kind import NEXT, kind_of, unread
from scripts.wheel.metadata import SBOM
from scripts.wheel.report import Difference, Report, What
from scripts.wheel.zip.copier import dos_time
from scripts.wheel.zip.reader import STORED, Archive, Member, read
from scripts.wheel.zip.scan import Scan, by_name, differing, is_elf, scan

NOTICE = "NOTICE.sm12x"
_OWN = {"vllm/_version.py", "METADATA", "RECORD", f"licenses/{NOTICE}", f"sboms/{SBOM}"}


def verify(
    wheel: Path, lock: Lock, patches: Sequence[Patch], base_wheel: Path, sdist: Path
) -> Report:
    """Compare a wheel with what the lock and the series make of upstream's.

    Args:
        wheel: The overlay wheel in question.
        lock: The pin.
        patches: The whole series.
        base_wheel: Upstream's wheel for the same platform.
        sdist: Upstream's sdist.

    Returns:
        All differences, and counts.

    Raises:
        Finding: The file is no whole, plain zip archive, which says whether it is
            damaged or only packed otherwise; an input is not the pinned one, or the
            series does not apply.
    """
    base = base_of(lock, wheel)
    try:
        ours = read(wheel)
    except Finding as e:
        raise unread(wheel, e) if wheel.is_file() else e from e
    pinned(base_wheel, base)
    pinned(sdist, lock.sdist)
    theirs = read(base_wheel)
    tree = patched_tree(lock, sdist, patches)
    total = sum(m.packed for m in ours.members)
    with bytes_progress(f"verify {wheel.name}", total) as bar:
        scans = scan(ours, bar.advance)
    return _Check(lock, patches, base, ours, theirs, tree, scans).report()


@dataclass(frozen=True)
class _Check:
    lock: Lock
    patches: Sequence[Patch]
    base: Artifact
    ours: Archive
    theirs: Archive
    tree: Tree
    scans: Mapping[str, Scan]

    @property
    def info(self) -> str:
        return f"vllm-{self.lock.local_version}.dist-info/"

    @property
    def old_info(self) -> str:
        return f"vllm-{self.lock.version}.dist-info/"

    def report(self) -> Report:
        have, upstream = by_name(self.ours), by_name(self.theirs)
        old = {self._renamed(n): m for n, m in upstream.items()}
        touched = {
            path: entry
            for path, entry in self.tree.changes.items()
            # What upstream has and leaves out of the wheel stays out.
            if path in old or (path.startswith("vllm/") and path in self.tree.new)
        }
        own = {n if n.startswith("vllm/") else self.info + n for n in _OWN}
        gone = {p for p, e in touched.items() if e is None and p in old}
        want = ({*old} - gone) | {p for p, e in touched.items() if e} | own
        same = sorted(({*old} & {*have}) - {*touched} - own)
        pairs = [(have[n], old[n]) for n in same]
        changed = differing(self.ours, self.theirs, pairs)
        found = [
            *self._frame(),
            *(
                Difference(What.EXTRA, n, "no such member", f"{have[n].size:,} bytes")
                for n in sorted({*have} - want)
            ),
            *(
                Difference(What.MISSING, n, "the member", "none")
                for n in sorted(want - {*have})
            ),
            *(
                Difference(What.FORM, n, "a whole member", s.damage)
                for n, s in sorted(self.scans.items())
                if s.damage
            ),
            *self._untouched(pairs, changed),
            *self._patched(touched, have, old),
            *self._order(list(have), [n for n in old if n not in gone]),
            *self._claims(have, upstream, touched, own),
        ]
        kind, more = kind_of(
            *(self.lock, self.base, self.ours, self.theirs, self.scans),
            *(found, [pair for pair in pairs if pair[0].name in changed]),
        )
        return Report(
            wheel=self.ours.path.name,
            kind=f"{kind.value}{', ' if more else ''}{more}",
            next=NEXT[kind],
            differences=tuple(found),
            members=len(have),
            untouched=len(same) - len(changed),
            compiled=sum(self.scans[n].elf for n in same if n not in changed),
            patched=sum(e is not None for e in touched.values()),
            removed=len(gone),
        )

    def _renamed(self, name: str) -> str:
        inside = name.removeprefix(self.old_info)
        return name if inside == name else self.info + inside

    def _frame(self) -> Iterator[Difference]:
        lock, name = self.lock, self.ours.path.name
        tag = self.base.filename.split("-", 2)[-1]
        if name != (want := f"vllm-{lock.local_version}-{tag}"):
            yield Difference(What.NAME, name, want, name)
        # A second reader, so that a slip of ours cannot hide a member.
        with zipfile.ZipFile(self.ours.path) as z:
            names = z.namelist()
        if names != [m.name for m in self.ours.members]:
            yield Difference(What.FORM, name, "one directory", "two readings of it")
        for what, expected, got in (
            ("tree of the sdist", lock.tree, self.tree.before),
            ("tree after the series", lock.patched_tree, self.tree.after),
        ):
            if expected != got:
                yield Difference(What.TREE, what, expected, got)

    def _untouched(
        self, pairs: Sequence[tuple[Member, Member]], changed: set[str]
    ) -> Iterator[Difference]:
        for m, n in pairs:
            if m.name in changed:
                compiled = is_elf(self.theirs, n)
                want, got = f"upstream's bytes (CRC {n.crc:08x})", "other bytes"
                if (m.crc, m.size) == (n.crc, n.size):
                    want, got = f"its {n.packed:,} packed bytes", f"{m.packed:,} others"
                    got += " that unpack to the same CRC"
                else:
                    got += f" (CRC {m.crc:08x})"
                what = What.COMPILED if compiled else What.UPSTREAM
                yield Difference(what, m.name, want, got)
            elif m != n._replace(at=m.at, name=m.name):
                yield Difference(What.FORM, m.name, repr(n), repr(m))

    def _patched(
        self,
        touched: Mapping[str, Entry | None],
        have: Mapping[str, Member],
        old: Mapping[str, Member],
    ) -> Iterator[Difference]:
        for path, entry in sorted(touched.items()):
            if entry is None or path not in have:
                continue
            want = sha256(entry.data).digest()
            if self.scans[path].digest != want:
                yield Difference(
                    What.PATCHED,
                    path,
                    f"sha256 {want.hex()}",
                    f"sha256 {self.scans[path].digest.hex()}",
                )
            data = not path.endswith(".py")
            new = 0o100755 if data and entry.mode == 0o100755 else 0o100644
            mode = old[path].mode if path in old else new
            yield from self._plain(have[path], mode)

    def _plain(self, m: Member, mode: int) -> Iterator[Difference]:
        # Made on Unix (3) for zip 2.0, flags for a name that is not ASCII.
        flags = 0 if m.name.isascii() else 0x800
        date = dos_time(self.lock.epoch)
        want = (3 << 8 | 20, 20, flags, STORED, *date, 0, mode << 16)
        found = (m.made_by, m.needs, m.flags, m.method, m.time, m.date)
        if (*found, m.internal, m.external) != want:
            yield Difference(What.FORM, m.name, f"header {want}", f"{m}")

    def _order(self, have: list[str], old: list[str]) -> Iterator[Difference]:
        record = f"{self.info}RECORD"
        kept = {*old} & {*have}
        if [n for n in have if n in kept] != [n for n in old if n in kept]:
            yield Difference(What.FORM, "order", "upstream's", "another")
        if have[-1:] != [record]:
            yield Difference(What.FORM, "order", f"{record} last", str(have[-1:]))

    def _claims(
        self,
        have: Mapping[str, Member],
        upstream: Mapping[str, Member],
        touched: Mapping[str, Entry | None],
        own: set[str],
    ) -> Iterator[Difference]:
        lock, info = self.lock, self.info
        with (
            zipfile.ZipFile(self.ours.path) as a,
            zipfile.ZipFile(self.theirs.path) as b,
        ):
            sound = {n for n in own & {*have} if not self.scans[n].damage}
            data = {n: a.read(n) for n in sorted(sound)}
            before = {
                self._renamed(n): b.read(n)
                for n in ("vllm/_version.py", f"{self.old_info}METADATA")
                if n in upstream
            }
        both = {n: (before[n], data[n]) for n in before if n in data}
        yield from claims.check_version(lock, both, NOTICE)
        for name in sorted(sound):
            yield from self._plain(have[name], 0o100644)
        if (name := f"{info}RECORD") in data:
            yield from claims.check_record(
                name,
                data[name],
                have,
                {n: s.digest for n, s in self.scans.items()},
                {n: m.size for n, m in have.items()},
            )
        if (name := f"{info}sboms/{SBOM}") in data:
            yield from claims.check_sbom(
                name, data[name], lock, self.patches, self.base
            )
        if (name := f"{info}licenses/{NOTICE}") in data:
            yield from claims.check_notice(
                name, data[name], lock, self.patches, touched
            )

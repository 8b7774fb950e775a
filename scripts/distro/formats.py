# SPDX-License-Identifier: Apache-2.0
"""The formats by name, and one way to write any of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Protocol

from scripts.checkout import Checkout
from scripts.distro import arch, conda, debian, foreign, limits, nix, rpm
from scripts.distro.bundle import Bundle, gather
from scripts.distro.limits import Kind
from scripts.distro.place import Files, place
from scripts.series.origin import UPSTREAM_URL


class Format(Enum):
    """A distribution's way to say which patches a source gets."""

    DEBIAN = "debian"
    RPM = "rpm"
    NIX = "nix"
    ARCH = "arch"
    CONDA = "conda"


class _Write(Protocol):
    def __call__(self, bundle: Bundle, homepage: str) -> Files: ...


@dataclass(frozen=True)
class Wanted:
    """What an export is asked for."""

    form: Format
    before: Path | None = None
    """Folder of a distribution's patches that come before ours."""
    after: Path | None = None
    """Folder of those that come after."""
    out: Path | None = None
    """Folder for the result; `build/export/<format>` if None."""
    maintainer: str | None = None
    """`Name <address>`, for Debian."""
    force: bool = False
    """Drop edits of what an earlier export wrote."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    path: Path
    patches: int
    theirs: int
    """How many of them are the distribution's."""
    tree: str
    """git's id of the source tree after all of them."""


def export(at: Checkout, wanted: Wanted) -> Exported:
    """Write one format.

    Raises:
        Finding: A patch does not hold where it would come, the tool could not
            carry it, or what an earlier export wrote was edited.
        Unusable: Folders or the sdist cannot be had.
    """
    before = foreign.load(wanted.before) if wanted.before else []
    after = foreign.load(wanted.after) if wanted.after else []
    bundle = gather(at, before, after)
    tool, cannot, write = _format(wanted)
    limits.require(bundle, tool, cannot)
    lock = bundle.lock
    out = wanted.out or at.build / "export" / wanted.form.value
    name = lock.sdist.filename
    if wanted.form is Format.DEBIAN:
        name = debian.archive(lock)
    files = write(bundle, UPSTREAM_URL)
    place(out, files, (name, bundle.archive), force=wanted.force)
    return Exported(out, len(bundle.items), len(before) + len(after), bundle.tree)


def _format(wanted: Wanted) -> tuple[str, Collection[Kind], _Write]:
    match wanted.form:
        case Format.DEBIAN:
            who = wanted.maintainer or debian.MAINTAINER
            write = partial(debian.files, maintainer=who)
            return "dpkg-source", debian.CANNOT, write
        case Format.RPM:
            return "rpmbuild", rpm.CANNOT, rpm.files
        case Format.NIX:
            return "Nix", nix.CANNOT, nix.files
        case Format.ARCH:
            return "makepkg", arch.CANNOT, arch.files
        case Format.CONDA:
            return "rattler-build", conda.CANNOT, conda.files

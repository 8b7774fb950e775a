# SPDX-License-Identifier: Apache-2.0
"""The formats by name, and one way to write any of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
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


class _Module(Protocol):
    """What the module of a format has."""

    @property
    def CANNOT(self) -> Collection[Kind]: ...

    def files(self, bundle: Bundle, homepage: str) -> Files: ...


_TOOLS: dict[Format, tuple[str, _Module]] = {
    Format.DEBIAN: ("dpkg-source", debian),
    Format.RPM: ("rpmbuild", rpm),
    Format.NIX: ("Nix", nix),
    Format.ARCH: ("makepkg", arch),
    Format.CONDA: ("rattler-build", conda),
}
"""Who reads a format, and who writes it."""


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
    tool, module = _TOOLS[wanted.form]
    limits.require(bundle, tool, module.CANNOT)
    lock = bundle.lock
    out = wanted.out or at.build / "export" / wanted.form.value
    name = lock.sdist.filename
    if wanted.form is Format.DEBIAN:
        name = debian.archive(lock)
        who = wanted.maintainer or debian.MAINTAINER
        files = debian.files(bundle, UPSTREAM_URL, who)
    else:
        files = module.files(bundle, UPSTREAM_URL)
    place(out, files, (name, bundle.archive), force=wanted.force)
    return Exported(out, len(bundle.items), len(before) + len(after), bundle.tree)

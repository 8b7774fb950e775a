# SPDX-License-Identifier: Apache-2.0
"""The report `release`: the files that people take."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    name: str
    size: int
    """Bytes."""
    sha256: str
    kind: str = ""
    arch: str | None = None
    url: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"the sha256 of {self.name} is none: {self.sha256!r}")
        if self.url and not self.url.startswith("https://"):
            raise ValueError(f"the address of {self.name} is not https: {self.url!r}")


@dataclass(frozen=True)
class Release:
    """As `make release` writes it."""

    files: tuple[File, ...]

    @property
    def sums(self) -> str:
        """As `sha256sum --check` reads them."""
        return "".join(f"{file.sha256}  {file.name}\n" for file in self.files)


@dataclass(frozen=True)
class Rebuilt:
    """As `make reproduce` writes it: a published file, built again."""

    name: str
    same: bool
    sha256: str
    rebuilt: str
    differences: tuple[str, ...] = ()


def mib(size: int) -> str:
    """Bytes for a reader.

    >>> mib(336_361_138), mib(9_000)
    ('320.8 MiB', '8.8 KiB')
    """
    if size < 1 << 20:
        return f"{size / 1024:.1f} KiB"
    return f"{size / (1 << 20):.1f} MiB"

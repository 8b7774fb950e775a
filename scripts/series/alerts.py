# SPDX-License-Identifier: Apache-2.0
"""What a port has to be answered for by a person before it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Red(Enum):
    """Why a person must look before anything else."""

    REVERTED = "upstream reverted it"
    """Upstream took our change, or we took upstream's, and it is out again."""
    FIXED_AGAIN = "upstream changed it again"
    """Upstream has it, and has since changed the very lines."""


@dataclass(frozen=True)
class Alert:
    """A backport that upstream no longer has as we carry it."""

    kind: Red
    patch: str
    path: str
    symbol: str
    landed: str
    """Release or commit that had the change."""
    undone: str
    """Release or commit that has it no longer, or otherwise."""
    answer: str = ""
    """A person's reason to go on all the same; empty while it is open."""

    @property
    def said(self) -> str:
        """It in one line."""
        return (
            f"{self.patch[:4]} {self.path}, {self.symbol}: {self.kind.value} "
            f"(had it: {self.landed}; no longer so: {self.undone})"
        )

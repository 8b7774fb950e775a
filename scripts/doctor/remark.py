# SPDX-License-Identifier: Apache-2.0
"""One thing to say of an environment, and its fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from packaging.version import InvalidVersion, Version


class Level(Enum):
    """How much a finding matters; the value is what is printed."""

    FAULT = "fault"
    """Something does not work, or not as the series means it to."""
    NOTE = "note"
    """Something is as somebody wanted it, and changes what is selected."""


@dataclass(frozen=True)
class Remark:
    """One finding."""

    level: Level
    what: str
    fix: str
    """The command, or the thing to do."""


def fault(what: str, fix: str) -> Remark:
    return Remark(Level.FAULT, what, fix)


def note(what: str, fix: str) -> Remark:
    return Remark(Level.NOTE, what, fix)


def version(text: str | None) -> Version | None:
    """The version in `text`, if there is one.

    >>> version("Build cuda_13.0.r13.0/compiler.36424714_0") is None
    True
    >>> version("580.95.05")
    <Version('580.95.5')>
    """
    try:
        return Version(text or "")
    except InvalidVersion:
        return None

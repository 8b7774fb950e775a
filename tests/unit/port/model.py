# SPDX-License-Identifier: Apache-2.0
"""A hand-made upstream change beside a patch of ours, with the right answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from tests.unit.series.twins import gate

Files = Mapping[str, str]
"""Path to content."""

PATH = "vllm/gate.py"


@dataclass(frozen=True)
class Change:
    """One case of the corpus."""

    name: str
    kind: str
    """What upstream did."""
    base: Files
    """What the patch was made on."""
    patched: Files
    """What the patch made of it."""
    upstream: Files
    """The new upstream."""
    right: tuple[Files, ...]
    """Every right result; none where a person has to decide."""
    dropped: bool = False
    """Whether the right result is upstream's own, as the change is there already."""
    read: bool = False
    """Whether a person has to be told: what it uses means another thing now."""


@dataclass(frozen=True)
class Series:
    """Patches one on the other, some of which wait on another release."""

    name: str
    base: Files
    steps: tuple[Files, ...]
    """The tree after each patch."""
    upstream: Files
    """The new upstream."""
    carried: tuple[bool, ...]
    """Which patches may be called carried."""

    @property
    def changes(self) -> list[Change]:
        """Each of its patches by itself."""
        steps = pairwise((self.base, *self.steps))
        return [
            Change(self.name, "", old, new, self.upstream, ()) for old, new in steps
        ]


def replaced(text: str, *edits: tuple[str, str]) -> str:
    """`text` with each old part, which must be there once, replaced by the new."""
    for old, new in edits:
        assert text.count(old) == 1, (text.count(old), old)
        text = text.replace(old, new)
    return text


_ABOVE = '''\
# SPDX-License-Identifier: Apache-2.0
"""Which kernels may run."""

import functools
import os
from enum import Enum
from typing import Literal

from vllm.logger import init_logger
from vllm.platforms import current_platform
from vllm.utils import flashinfer, torch_utils

logger = init_logger(__name__)

MoEBackend = Literal[
    "auto",
    "cutlass",
    "deep_gemm",
    "marlin",
]

SUPPORTED = (8, 9, 10, 12)


class Backend(Enum):
    """Every backend there is."""

    CUTLASS = "CUTLASS"
    DEEP_GEMM = "DEEP_GEMM"
    MARLIN = "MARLIN"
    EMULATION = "EMULATION"


REGISTRY = {
    "cutlass": Backend.CUTLASS,
    "deep_gemm": Backend.DEEP_GEMM,
    "marlin": Backend.MARLIN,
}

PRIORITY = [
    Backend.CUTLASS,
    Backend.DEEP_GEMM,
    Backend.MARLIN,
]


'''
_BELOW = '''\
@functools.cache
def workspace_bytes(tokens, hidden):
    """Bytes that a call needs."""
    rows = max(tokens, 16)
    size = rows * hidden * 2
    logger.debug("workspace of %d bytes", size)
    return size


class Selector:
    """Chooses a backend."""

    default = "auto"

    def __init__(self, config):
        self.config = config
        self.chosen = None

    def choose(self, name):
        """The backend for a name."""
        if name == self.default:
            return PRIORITY[0]
        if name not in REGISTRY:
            raise ValueError(f"unknown backend {name}")
        self.chosen = REGISTRY[name]
        return self.chosen

    def reset(self):
        """Forget the choice."""
        self.chosen = None


def describe(backend):
    """A line for the log."""
    return f"backend {backend.value} on {current_platform.device_name}"


def from_environment():
    """The backend that the environment names."""
    return os.environ.get("VLLM_BACKEND", "auto")
'''

BASE = _ABOVE + gate(90) + gate(120) + _BELOW


def file_case(
    name: str,
    kind: str,
    patch: list[tuple[str, str]],
    upstream: list[tuple[str, str]] | str,
    right: list[tuple[str, str]] | str | None,
    *more: list[tuple[str, str]] | str,
    base: str = BASE,
    path: str = PATH,
    dropped: bool = False,
) -> Change:
    """A case of one file.

    Args:
        name: Unique.
        kind: What upstream did.
        patch: What the patch replaces in `base`.
        upstream: What upstream replaces in it, or its new text.
        right: What has to be replaced in upstream's text, or the right text;
            None where a person has to decide.
        more: Further right answers.
        base: The text that both start from.
        path: The file.
        dropped: As in `Change`.
    """
    new = upstream if isinstance(upstream, str) else replaced(base, *upstream)
    answers = [] if right is None else [right, *more]
    texts = [a if isinstance(a, str) else replaced(new, *a) for a in answers]
    return Change(
        name=name,
        kind=kind,
        base={path: base},
        patched={path: replaced(base, *patch)},
        upstream={path: new},
        right=tuple({path: text} for text in texts),
        dropped=dropped,
    )


__all__ = ["BASE", "PATH", "Change", "Files", "Series", "file_case", "replaced"]

# SPDX-License-Identifier: Apache-2.0
"""The file that the tests of fetching ask for, and what is kept of it."""

from __future__ import annotations

import random

from scripts.upstream.cache import cache_dir

NAME = "vllm-1.2.3.tar.gz"
DATA = random.Random(0).randbytes(300_001)


def kept_files() -> list[str]:
    """Names of everything in the cache that could be used one day."""
    found = cache_dir().rglob("*")
    return sorted(
        p.name
        for p in found
        if p.is_file() and p.parent.name not in ("locks", "stamps")
    )

# SPDX-License-Identifier: Apache-2.0
"""An archive for the tests of reading and copying, by the standard library."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path


def pack(path: Path) -> Path:
    """An archive of four members, the second stored."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a/one.txt", b"one " * 500)
        z.writestr("a/two.txt", b"two", zipfile.ZIP_STORED)
        z.writestr("b,c/three.txt", os.urandom(5000))
        z.writestr("empty", b"")
    return path

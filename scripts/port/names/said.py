# SPDX-License-Identifier: Apache-2.0
"""Whether the lines that a patch adds say a path."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from scripts.port.merge.languages import Kind, kind
from scripts.port.merge.rows import added_lines
from scripts.port.report.states import FileResult


def says_path(part: FileResult, path: str) -> bool:
    """Whether lines that a patch adds to a file say the path of another."""
    last = PurePosixPath(path).name.encode()
    if part.patched is None or last not in part.patched.data:
        return False
    # A list of CMake or a step of CI may say it from another folder on.
    short = kind(part.path) is Kind.TEXT and last != b"__init__.py"
    name = re.escape(last if short else path.encode())
    said = re.compile(rb"(?<![\w.-])%s(?![\w.-])" % name)
    before = part.base.data if part.base else b""
    return any(map(said.search, added_lines(before, part.patched.data)))

# SPDX-License-Identifier: Apache-2.0
"""Checks of the small series, and the means to plant a fault in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from scripts.base.errors import Finding
from scripts.series import table
from scripts.series.check import Report, Rule, check
from scripts.series.mailbox import parse
from tests.unit.small import Small, message

KERNEL = "vllm/config/kernel.py"
Found = list[tuple[str, int, Rule]]


def renew_table(small: Small) -> None:
    """Write `patches/README.md` for the patches that can be read."""
    patches = []
    listed = small.patches / "series"
    for name in dict.fromkeys(small.names if listed.exists() else []):
        with suppress(Finding, FileNotFoundError):
            patches.append(parse(name, (small.patches / name).read_bytes()))
    lanes = table.lanes_on(patches, small.read)
    text = table.render(patches, lanes)
    (small.patches / "README.md").write_text(text, encoding="utf-8")


def report(small: Small, refresh: bool = True) -> Report:
    """Check `small`, with a table that is current unless it is the matter."""
    if refresh:
        renew_table(small)
    return check(small.lock, small.patches, small.read)


def found(small: Small, refresh: bool = True) -> Found:
    return [(p.path, p.line, p.rule) for p in report(small, refresh).problems]


def text_of(small: Small, number: int) -> str:
    return (small.patches / small.names[number - 1]).read_bytes().decode("utf-8")


def at(small: Small, number: int, line: str, rule: Rule) -> tuple[str, int, Rule]:
    """Where the only line `line` of a patch stands, by looking at the file."""
    rows = text_of(small, number).split("\n")
    assert rows.count(line) == 1, rows
    return f"patches/{small.names[number - 1]}", rows.index(line) + 1, rule


def tamper(small: Small, number: int, change: Callable[[bytes], bytes]) -> None:
    """Change the bytes of a patch on disk."""
    path = small.patches / small.names[number - 1]
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before


def add(small: Small, files: dict[str, str | bytes | None], **kw: str) -> None:
    """One more patch, well described, and the series exported by git."""
    small.commit(message("test: plant", **kw), files)
    small.export()

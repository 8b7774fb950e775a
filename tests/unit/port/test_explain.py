# SPDX-License-Identifier: Apache-2.0
"""The note beside a conflict: what to do, and each side's change of each symbol."""

from __future__ import annotations

from pathlib import Path

from scripts.base.object_ids import Entry
from scripts.port.carry import carry
from scripts.port.merge.text import space
from scripts.port.moves import Places
from scripts.port.report import conflict
from scripts.port.report.differences import LONGEST
from scripts.port.report.explain import explained
from scripts.series.mailbox import Patch, parse
from scripts.series.resolutions import Records
from tests.unit.port.judge import repository
from tests.unit.port.model import BASE, PATH, Change, Files, replaced


def note(tmp_path: Path, patched: str, upstream: str | None) -> tuple[str, str]:
    """The note and the marked file of the one patch that conflicts."""
    now: Files = {} if upstream is None else {PATH: upstream}
    case = Change("x", "x", {PATH: BASE}, {PATH: patched}, now, ())
    patch = made(case, tmp_path)
    sides = [
        {path: Entry(0o100644, text.encode()) for path, text in files.items()}
        for files in (case.base, case.upstream)
    ]
    done = carry([patch], sides[0].get, sides[1].get, Places(), Records(), "vllm-9")
    (result,) = done.patches
    assert not result.carried
    with space() as room:
        marked = conflict.marked(result.files[0], patch, "vllm-9", room)
    return explained(result, patch, "vllm-9"), marked.decode()


def made(case: Change, tmp_path: Path) -> Patch:
    mail = repository(case, tmp_path / "repo")
    return parse(mail.name, mail.read_bytes())


def test_each_symbol_has_both_sides(tmp_path: Path) -> None:
    text, marked = note(
        tmp_path,
        replaced(
            BASE,
            ("rows = max(tokens, 16)", "rows = max(tokens, 128)"),
            ("import os\n", "import os\nimport sys\n"),
        ),
        replaced(
            BASE,
            ("rows = max(tokens, 16)", "rows = max(tokens, 64)"),
            ("from typing import Literal", "from typing import Final, Literal"),
            ('default = "auto"', 'default = "marlin"'),
        ),
    )
    head, _, detail = text.partition("## What the patch is for")
    assert f"`{PATH}`: conflict" in head and "make port-continue" in head
    assert "### `workspace_bytes`" in detail
    both = detail[detail.index("### `workspace_bytes`") :]
    assert "+    rows = max(tokens, 128)" in both
    assert "+    rows = max(tokens, 64)" in both.partition("vllm-9:")[2]
    # Of upstream's imports only those that are in question; the rest by name.
    assert "+import sys" in detail and "Final" not in detail
    assert "`Selector.default`" in detail and '"marlin"' not in both
    assert "||||||| base" in marked and "in workspace_bytes" in marked


def test_gone_file_is_not_shown_line_by_line(tmp_path: Path) -> None:
    text, marked = note(tmp_path, replaced(BASE, ("import os\n", "")), None)
    assert "vllm-9 has no such file" in text
    assert "-import os" in text and "-logger" not in text
    assert "-import os" in marked


def test_long_change_is_cut_and_says_so(tmp_path: Path) -> None:
    body = "".join(f"    size += {i}\n" for i in range(2 * LONGEST))
    line = '    logger.debug("workspace of %d bytes", size)\n'
    text, _ = note(
        tmp_path,
        replaced(BASE, (line, body)),
        replaced(BASE, (line, "")),
    )
    assert "rows more)" in text
    assert text.count("\n+    size += ") < LONGEST

# SPDX-License-Identifier: Apache-2.0
"""`patches/README.md`: one row a patch, and how the folder is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial

from scripts.series.lane import Lane, belongs_to_source, lane
from scripts.series.mailbox import Patch
from scripts.series.trailers import Key, description, trailers
from scripts.upstream import lock, sdist_contents
from scripts.upstream.sdist_contents import Reader

NAME = "README.md"

HEAD = """\
<!-- Written by `make export` from the patches; `make check` compares. -->
# The series

`series` names the patches in the order in which they apply; each stands on
those above it. A patch is a mail of `git format-patch` with full blob ids:
every file must be the very blob that its `index` line names, before and
after. To change one, edit its commit in `build/vllm` (`make apply`), then
`make export`; a patch is not edited by hand.

The trailers of each message say where the change comes from (`Origin`), whether
upstream was asked (`Forwarded`, `Upstream-PR`), when it goes (`Remove-When`) and
which test fails without it (`Test`); `scripts/series/trailers.py` has their
grammar. Lane `overlay` can be laid over upstream's wheel, `source` needs a
build, `no wheel` changes nothing that is installed.

"""
COLUMNS = ("patch", "subject", "why", "origin", "goes when", "files", "lane")


def first_sentence(text: str) -> str:
    """The first sentence of a message, on one line.

    >>> first_sentence("Names it,\\ne.g. in the docs. Then more.\\n\\nNext.")
    'Names it, e.g. in the docs.'
    """
    paragraph = " ".join(text.split("\n\n")[0].split())
    match = re.match(r".*?[.!?](?= [A-Z`]|$)", paragraph)
    return match[0] if match else paragraph


def cell(text: str) -> str:
    """Markdown that shows `text` in a table.

    >>> cell("a | <b>")
    'a \\\\| &lt;b>'
    """
    return text.replace("|", "\\|").replace("<", "&lt;")


def _row(patch: Patch, lane: str) -> str:
    found = trailers(patch.body)
    cells = (
        f"[{patch.number}]({patch.name})",
        cell(patch.subject),
        cell(first_sentence(description(patch.body))),
        cell(", ".join(found.get(Key.ORIGIN.value, []))),
        cell(" ".join(found.get(Key.REMOVE_WHEN.value, []))),
        "<br>".join(f"`{diff.path}`" for diff in patch.files),
        lane,
    )
    return f"| {' | '.join(cells)} |\n"


def render(patches: list[Patch], lanes: Mapping[str, str] | None = None) -> str:
    """The file's text.

    Args:
        patches: The series, in order.
        lanes: Word for each patch by name; None to work them out with the
            pinned source, which is read only if they depend on it.

    Raises:
        Finding: A change to pyproject.toml does not apply to that source.
    """
    if lanes is None:
        lanes = lanes_on(patches, partial(sdist_contents.read, lock.load().sdist))
    rule = "|".join("---" for _ in COLUMNS)
    rows = "".join(_row(patch, lanes[patch.name]) for patch in patches)
    return f"{HEAD}| {' | '.join(COLUMNS)} |\n|{rule}|\n{rows}"


def word(found: Collection[Lane]) -> str:
    """The lane of a patch whose files have the lanes `found`.

    >>> word({Lane.OVERLAY, Lane.NEITHER})
    'overlay'
    """
    if Lane.SOURCE in found:
        return "source"
    return "overlay" if Lane.OVERLAY in found else "no wheel"


def lanes_on(patches: list[Patch], read: Reader) -> dict[str, str]:
    """The lane of each patch by name.

    Args:
        patches: The series, in order.
        read: As for `lane.belongs_to_source`.

    Raises:
        Finding: As `lane.belongs_to_source`.
    """
    source = {patch.name for patch, _, _ in belongs_to_source(patches, read)}
    return {
        patch.name: word(
            {Lane.SOURCE}
            if patch.name in source
            # What would need the bytes was looked at above.
            else {lane(diff.path, b"", b"") for diff in patch.files}
        )
        for patch in patches
    }

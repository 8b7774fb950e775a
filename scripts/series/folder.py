# SPDX-License-Identifier: Apache-2.0
"""`patches/`: the file `series` and the patches that it names."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from scripts import ROOT
from scripts.base.errors import Finding, Unusable
from scripts.series.mailbox import Patch, parse

PATCHES = ROOT / "patches"
EDITED = (
    "git diff -- patches upstream.lock shows what was edited; a change to the "
    "series is made in build/vllm, and written by make export"
)
"""What to do next where the series gives another tree than the lock names."""


def names(folder: Path = PATCHES) -> list[str]:
    """File names in the order of `series`; `#` starts a comment.

    Raises:
        Finding: It begins with a byte order mark.
        Unusable: There is no such file.
    """
    path = folder / "series"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as e:
        raise Unusable(
            "there is no series",
            where=str(path),
            expected="one patch file name a line",
            next=f"git checkout -- {path}",
        ) from e
    if text.startswith("\ufeff"):
        raise Finding(
            "series begins with a byte order mark, which is no part of a name",
            where=f"{path}:1",
            expected="plain UTF-8",
            found=repr(text[0])[1:-1],
            next=f"sed -i '1s/^\\xEF\\xBB\\xBF//' {path}",
        )
    return parse_names(text)


def parse_names(text: str) -> list[str]:
    """The names in the text of `series`.

    >>> parse_names("# why\\n0001-a.patch\\n\\n0002-b.patch # last\\n")
    ['0001-a.patch', '0002-b.patch']
    """
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def load(folder: Path = PATCHES, until: str | None = None) -> list[Patch]:
    """Read the series.

    Args:
        folder: Where `series` lies.
        until: Number of the last patch to take (`0003` or `3`), 0 for none of
            them; None for all.

    Raises:
        Finding: A patch is missing or not in the canonical form.
        Unusable: No `series`, or no patch with the number `until`.
    """
    patches: list[Patch] = []
    for name in names(folder):
        try:
            data = (folder / name).read_bytes()
        except OSError as e:
            raise Finding(
                "a patch of the series cannot be read",
                where=f"patches/{name}",
                found=e.strerror,
                next=f"git checkout -- {folder / name}",
            ) from e
        patches.append(parse(name, data))
    if until is None:
        return patches
    numbers = [p.number for p in patches]
    wanted = until.zfill(4)
    if wanted == "0000":
        return []
    if wanted not in numbers:
        raise Unusable(
            f"no patch has the number {until}",
            where=str(folder / "series"),
            expected=", ".join(numbers) or "a series that is not empty",
            found=until,
            next=f"make apply UNTIL={numbers[-1] if numbers else '0'}",
        )
    return patches[: numbers.index(wanted) + 1]


def fingerprint(patches: Iterable[Patch]) -> str:
    """One digest for names, order and bytes of a series.

    >>> fingerprint([])
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    text = "".join(f"{p.sha256}  {p.name}\n" for p in patches)
    return sha256(text.encode("utf-8")).hexdigest()

# SPDX-License-Identifier: Apache-2.0
"""A long series on the real upstream, the same on every machine."""

from __future__ import annotations

from pathlib import Path

from scripts.base.files import write
from scripts.base.git import Git
from scripts.series.render import format_patches

_DATE = 1_700_000_000  # seconds since 1970; the first patch's, one more each


def targets(git: Git, base: str, under: str) -> list[str]:
    """Python files of `base` below `under` with 20 lines or more, sorted."""
    args = ("grep", "--cached", "--count", "", "--", f"{under}*.py")
    git.run("read-tree", base)
    found = (row.rpartition(":") for row in git.text(*args).splitlines())
    return sorted(path for path, _, lines in found if int(lines) >= 20)


def edited(data: bytes, number: int) -> bytes:
    r"""The file with two comment lines more, before a blank line or at its end.

    >>> edited(b"a\n\nb\n", 1)
    b'a\n# bench 0001: one\n# bench 0001: two\n\nb\n'
    """
    mark = f"# bench {number:04}: one\n# bench {number:04}: two\n".encode()
    lines = data.splitlines(keepends=True)
    blank = [i for i, line in enumerate(lines) if line == b"\n"]
    at = blank[number * 7 % len(blank)] if blank else len(lines)
    return b"".join([*lines[:at], mark, *lines[at:]])


def choose(files: list[str], count: int) -> list[str]:
    """One file a patch, spread over `files`; every fourth is edited again.

    >>> choose(["a", "b", "c", "d"], 5)
    ['a', 'b', 'c', 'a', 'd']
    """
    chosen: list[str] = []
    fresh = 0
    for i in range(count):
        if i % 4 == 3:
            chosen.append(chosen[i - 3])
        else:
            chosen.append(files[fresh * max(1, len(files) // count) % len(files)])
            fresh += 1
    return chosen


def generate(
    repo: Path, base: str, count: int, out: Path, under: str = "vllm/"
) -> list[str]:
    """Write `count` patches and `series` into `out`, made by git.

    Args:
        repo: A repository that has `base`; its index, work tree and HEAD move.
        base: The commit that the patches start from.
        count: How many.
        out: Folder for the patches.
        under: Only files below this folder are edited.

    Returns:
        The patches' file names, in order.
    """
    git = Git(repo)
    files = choose(targets(git, base, under), count)
    git.run("checkout", "--quiet", "--force", "--detach", base)
    for number, path in enumerate(files, 1):
        file = repo / path
        file.write_bytes(edited(file.read_bytes(), number))
        stamp = f"{_DATE + number} +0000"
        git.run(
            "commit",
            "--quiet",
            f"--message=Bench: edit {number:04}",
            "--",
            path,
            env={"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp},
        )
    made = format_patches(git, base, git.text("rev-parse", "HEAD"))
    for name, data in made.items():
        write(out / name, data)
    write(out / "series", "".join(f"{name}\n" for name in made).encode())
    return list(made)

# SPDX-License-Identifier: Apache-2.0
"""What docs/gpu-owners.md says that the log has, held to what a log has."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rows import Rows

PAGE = Path(__file__).parents[3] / "docs" / "gpu-owners.md"
# What the page has of a GPU, and what a CPU has in its place.
HERE = {"backend=nccl": "backend=gloo"}


def quoted(start: str) -> str:
    """The one line of the page's tables that begins so, as it stands there.

    Raises:
        ValueError: There is none, or there are others.
    """
    text = PAGE.read_text(encoding="utf-8")
    found = set(re.findall(rf"^\| `({re.escape(start)}[^`]*)`", text, re.M))
    (line,) = found
    return str(line)


def commands(section: str) -> list[str]:
    """What the page tells to type in the section of that title, block by block.

    Raises:
        ValueError: There is no such section.
    """
    text = PAGE.read_text(encoding="utf-8")
    (part,) = re.findall(
        rf"^## {re.escape(section)}$(.*?)(?=^## |\Z)", text, re.M | re.S
    )
    return re.findall(r"^```\n(.*?)^```$", part, re.M | re.S)


def failed_rank(log: Sequence[str]) -> list[str]:
    """What the page's command for a rank that failed prints of a log."""
    (command,) = commands("When a rank is silent")
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(log) + "\n"
        Path(folder, "vllm.log").write_text(text, encoding="utf-8")
        # grep's own code is 1 where it finds nothing.
        done = subprocess.run(
            command, shell=True, cwd=folder, check=False, stdout=subprocess.PIPE
        )
    return done.stdout.decode(errors="replace").splitlines()


def places() -> list[str]:
    """The lines of vLLM's source that the page names, as ``vllm/...py:LINE``."""
    return re.findall(r"vllm/[\w/]+\.py:\d+", PAGE.read_text(encoding="utf-8"))


def seen(
    line: str, log: Sequence[str], before: str = "", here: Mapping[str, str] = HERE
) -> list[str]:
    """The lines of a log that have a line of the page.

    Args:
        line: As it stands there; ``...`` is for anything.
        log: All lines.
        before: Words that stand before it.
        here: What stands in the log in place of what stands on the page.
    """
    for there, name in here.items():
        line = line.replace(there, name)
    parts = map(re.escape, [before, *line.split("...")])
    words = re.compile(".*".join(parts))
    return [each for each in log if words.search(each)]


def logged(
    rows: Rows,
    step: str,
    starts: Sequence[str],
    log: Sequence[str],
    here: Mapping[str, str] = HERE,
) -> None:
    """One row: the page's lines that begin so are in the log."""
    lines = list(map(quoted, starts))
    missing = [line for line in lines if not seen(line, log, here=here)]
    rows.add(
        step,
        f"{len(lines)} lines that docs/gpu-owners.md quotes",
        f"{len(lines) - len(missing)} of them"
        + "".join(f"; not {line}" for line in missing),
        not missing,
    )

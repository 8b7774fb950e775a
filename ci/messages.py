# SPDX-License-Identifier: Apache-2.0
"""The bot's words: titles, and texts that stay the same while nothing changes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.port.report import render
from scripts.port.report.summary import Outcome, Summary
from scripts.upstream.lock import Lock

LIMIT = 60_000
"""Characters; GitHub takes 65,536, and people may add theirs."""
END = "<!-- sm12x-bot end: what stands below is yours -->"
SOLVED = "<!-- sm12x-bot solved -->"
NO_HARDWARE = "Nothing here was run on SM12x hardware."
_MARK = re.compile(r"<!-- sm12x-bot vllm-(\S+) key:([0-9a-f]{16}) -->")


@dataclass(frozen=True)
class Mark:
    """What the first line of a text of the bot says.

    Attributes:
        version: The release that it is about.
        key: Of all that the text was made from; see `ci.bot.key_of`.
    """

    version: str
    key: str

    def __str__(self) -> str:
        return f"<!-- sm12x-bot vllm-{self.version} key:{self.key} -->"


def mark_of(body: str) -> Mark | None:
    """The bot's mark, if the text has one.

    >>> mark_of(str(Mark("0.34.0", "0" * 16)))
    Mark(version='0.34.0', key='0000000000000000')
    >>> mark_of("of a person") is None
    True
    """
    found = _MARK.search(body)
    return Mark(found[1], found[2]) if found else None


def branch_of(version: str) -> str:
    """The branch of a release's pull request."""
    return f"bot/vllm-{version}"


def pull_title(version: str) -> str:
    return f"Carry the series to vLLM {version}"


def issue_title(version: str) -> str:
    return f"The series does not carry to vLLM {version}"


def first_message(version: str, summary: Summary) -> str:
    """Message of the mechanical commit."""
    counts = ", ".join(f"{n} {s.value}" for s, n in summary.counts.items())
    body = (
        f"Of {len(summary.patches)} patches: {counts}. Here are the pin, what names "
        "it, and the patches that are unchanged or moved; each other patch has a "
        "commit of its own. Only the last commit is a series that applies."
    )
    return f"port: pin vLLM {version}, carry what moved\n\n{textwrap.fill(body, 72)}\n"


def pull_body(
    mark: Mark, summary: Summary, before: Lock, after: Lock, commits: Sequence[str]
) -> str:
    """Text of the pull request."""
    rows = [
        f"The series on vLLM {after.version}, carried from {before.version} by "
        f"`make bot`. {NO_HARDWARE}",
        "",
        "The first commit is mechanical; read the others, one at a time:",
        "",
        *(f"- `{subject}`" for subject in commits),
        "",
        *companions(before, after),
    ]
    if summary.outcome is not Outcome.PROVED:
        rows += ["**Not proved:** some steps were left out, see below.", ""]
    rows.append(render.as_markdown(summary))
    return framed(mark, "\n".join(rows))


def companions(before: Lock, after: Lock) -> list[str]:
    """What upstream pins beside vLLM, before and now, and what the series requires."""
    required = [
        f"The series requires {name} {own.version} in its place: {own.why}"
        for name, own in after.own.items()
    ]
    end = [*required, ""] if required else []
    was, now = before.upstream_companions, after.upstream_companions
    pairs = [(n, was.get(n), now.get(n)) for n in sorted({*was, *now})]
    if not (moved := [pair for pair in pairs if pair[1] != pair[2]]):
        return ["What upstream pins beside vLLM stays as it was.", "", *end]
    rows = [f"| {n} | {old or 'none'} | {new or 'none'} |" for n, old, new in moved]
    return ["| upstream pins | before | now |", "|---|---|---|", *rows, "", *end]


def issue_body(mark: Mark, summary: Summary | None, said: Sequence[str]) -> str:
    """Text of the issue about a failure.

    Args:
        mark: Release and key.
        summary: The port's, if it came so far.
        said: What the failed step, or the error, said.
    """
    to = mark.version
    rows = [f"`make bot` opened no pull request for vLLM {to}.", ""]
    if said:
        rows += ["```", *(line.replace("```", "'''") for line in said), "```", ""]
    if summary is not None and summary.outcome is Outcome.OPEN:
        rows += [
            "A person has to decide. `make port-continue` writes down what you fix "
            "in `build/port/vllm`; commit `patches/resolutions/`, and the bot goes on:",
            "",
            *("```", f"make port TO={to} NO_PROOF=1", "```", ""),
        ]
    else:
        rows += ["To see it:", "", "```", f"make bot TO={to}", "```", ""]
    if summary is not None:
        rows.append(render.as_markdown(summary))
    rows.append(
        "This issue is edited while that changes, and closed when it works again. "
        "The label `hold` keeps the bot away."
    )
    return framed(mark, "\n".join(rows))


def framed(mark: Mark, text: str) -> str:
    """The text between the bot's marks, short enough, and calling nobody."""
    text = calm(text).rstrip()
    if len(text) > LIMIT:
        cut = text[: LIMIT - 100].rpartition("\n")[0]
        fence = "\n```" if cut.count("```") % 2 else ""
        text = f"{cut}{fence}\n\nCut here; `make bot` prints all of it."
    return f"{mark}\n{text}\n\n{END}\n"


def calm(text: str) -> str:
    """Text whose `@name` and `#123` outside of code are no mention and no link.

    >>> calm("by @ada (#12), see `@x`; &#64;")
    'by &#64;ada (&#35;12), see `@x`; &#64;'
    """
    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.S)
    for i in range(0, len(parts), 2):
        part = re.sub(r"@(?=\w)", "&#64;", parts[i])
        parts[i] = re.sub(r"(?<!&)#(?=\d)", "&#35;", part)
    return "".join(parts)


def renewed(old: str, new: str) -> str:
    """The new text, with what people wrote below the old one.

    >>> renewed(f"old\\n\\n{END}\\r\\nmine\\r\\n", f"new\\n\\n{END}\\n").splitlines()[
    ...     -1
    ... ]
    'mine'
    """
    kept = old.replace("\r\n", "\n").partition(END)[2].replace(SOLVED, "").strip("\n")
    return f"{new.rstrip()}\n{kept}\n" if kept.strip() else new


def same(one: str, other: str, *, but_key: bool = False) -> bool:
    """Whether two texts say the same; a forge may change the ends of lines.

    Args:
        one: A text.
        other: Another.
        but_key: Leave the key in the mark out of it.
    """
    pair = [text.replace("\r\n", "\n").rstrip() for text in (one, other)]
    if but_key:
        pair = [_MARK.sub("", text).strip() for text in pair]
    return pair[0] == pair[1]

# SPDX-License-Identifier: Apache-2.0
"""A run of the bot for a terminal, and as data."""

from __future__ import annotations

from typing import Any

from ci import messages
from ci.bot import Result


def as_text(result: Result) -> str:
    """What was done, or would be, with every word of it."""
    rows = [f"note: {each}" for each in result.notes]
    if result.version is None:
        rows.append("the pin is the newest release that can be pinned")
    elif result.quiet is not None:
        where = f" ({result.url})" if result.url else ""
        rows.append(f"vLLM {result.version}: {result.quiet.value}{where}")
    made = result.proposal
    if made is not None:
        kind = "issue" if made.failed else "pull request"
        rows += [f"{kind}: {made.title}"]
        if made.tip:
            branch = messages.branch_of(made.version)
            rows.append(f"branch: {branch} at {made.tip[:12]}, on {made.base[:12]}")
        rows += ["", made.body.rstrip(), ""]
    if result.acts:
        rows.append("done:" if result.done else "would do (APPLY=1 does it):")
        rows += [f"  {act.value}" for act in result.acts]
        if result.done and result.url:
            rows.append(f"  {result.url}")
    elif made is not None:
        rows.append("nothing to do: the forge has it as it is")
    return "\n".join(rows)


def as_data(result: Result) -> dict[str, Any]:
    """For `build/reports/bot.json`."""
    made = result.proposal
    return {
        "version": result.version,
        "quiet": result.quiet.name.lower() if result.quiet else None,
        "title": made.title if made else None,
        "failed": made.failed if made else None,
        "proved": made.proved if made else None,
        "acts": [act.name.lower() for act in result.acts],
        "done": result.done,
        "notes": list(result.notes),
        "url": result.url,
    }

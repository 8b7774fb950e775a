# SPDX-License-Identifier: Apache-2.0
"""A conflict as a person would want to meet it: what to do, and what it is about."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from scripts.port.report.differences import differences, named
from scripts.port.report.states import FileResult, PatchResult
from scripts.series.alerts import Alert
from scripts.series.mailbox import Patch
from scripts.series.trailers import description


def explained(result: PatchResult, patch: Patch, label: str) -> str:
    """What a person has to know to decide, as Markdown.

    Args:
        result: What became of the patch; some of its files are not carried.
        patch: The patch.
        label: What the new upstream is called.
    """
    waiting = [part for part in result.files if part.state.open]
    homes = list(dict.fromkeys(at for part in waiting for at in part.homes))
    rows = [
        f"# {patch.number} waits on {label}: {patch.subject}",
        "",
        "Fix these files in the work tree beside this note, `build/port/vllm`:",
        "",
        *(f"- `{p.target}`: {p.state.value}; {p.why}" for p in waiting),
        "",
        *_enter(homes),
        "Leave a file as upstream has it to say that nothing of the patch is left to "
        "do there. In `build/port/vllm`,",
        "",
        *_commands(waiting, label),
        "",
        "Then",
        "",
        '    make port-continue REASON="why it is right so"',
        "",
        "writes it down for these very contents, and goes on.",
        *_standing(result, waiting),
        "",
        "## What the patch is for",
        "",
        description(patch.body),
        "",
    ]
    for part in waiting:
        rows += [f"## {part.target}", "", f"{part.state.value}: {part.why}", ""]
        rows += differences(part, patch.number, label)
        if part.evidence:
            rows += ["What of the patch upstream seems to have:", ""]
            rows += [f"- `{e.line}` ({e.where})" for e in part.evidence] + [""]
    return "\n".join(rows) + "\n"


def _commands(waiting: Sequence[FileResult], label: str) -> Iterator[str]:
    """What to type for each file; what upstream lacks is on no branch."""
    yield "    # An edit back to what is shown:"
    for part in waiting:
        yield f"    git checkout -- {shlex.quote(part.target)}"
    yield "    # The file as upstream has it, with the patches before:"
    for part in waiting:
        path = shlex.quote(part.target)
        has = part.upstream is not None
        yield f"    git checkout port/{label} -- {path}" if has else f"    rm {path}"


def _enter(homes: list[str]) -> Iterator[str]:
    if homes:
        yield "What has no target may be entered in"
        yield ""
        yield from (f"- `{path}`" for path in homes)
        yield ""


def asked(alerts: Sequence[Alert]) -> str:
    """The note where every patch was carried, and alerts have no answer."""
    rows = [
        "# Every patch was carried; look at this first",
        "",
        *(f"- {alert.said}" for alert in alerts),
        "",
        "Read what upstream says there. If the series is right all the same,",
        "",
        '    make port-continue REASON="why it is right so"',
        "",
        "writes that down for these alerts, and goes on. If not, edit the series.",
    ]
    return "\n".join(rows) + "\n"


def _standing(result: PatchResult, waiting: list[FileResult]) -> Iterator[str]:
    done = [part for part in result.files if part.state.carried]
    if done:
        yield ""
        yield "Done already, to be read:"
        yield ""
        yield from (f"- `{p.target}`: {p.state.value}" for p in done)
    needs: dict[str, list[str]] = {}
    for on in result.dependents:
        needs.setdefault(on.patch, []).append(on.symbol)
    if needs:
        yield ""
        yield "Later patches stand on it:"
        yield ""
        for name, found in needs.items():
            yield f"- {name[:4]}: {named(found)}"

# SPDX-License-Identifier: Apache-2.0
"""A summary as text, as JSON, and as Markdown for a pull request."""

from __future__ import annotations

import json
import shlex
from typing import Any

from scripts.port.report.states import FileResult, PatchResult, State
from scripts.port.report.summary import Outcome, Proof, Summary

SCHEMA = 1
NAMES = 6
"""Names in a row of them."""
_QUIET = (State.UNCHANGED, State.MOVED)


def as_text(summary: Summary) -> str:
    """For a terminal: one line a patch, then what a person has to do."""
    rows = [f"{summary.source} to {summary.target}: {summary.said}", ""]
    first = [*summary.first, *(one.said for one in summary.beside)]
    rows += [*first, ""] if first else []
    for patch in summary.patches:
        rows.append(f"{patch.name[:4]}  {patch.state.value:<20}  {patch.subject}")
        rows += [f"      {row}" for row in _details(patch)]
    rows += ["", _counted(summary)]
    rows += _sections(summary, "  ")
    rows += ["", f"next: {next_step(summary)}"]
    return "\n".join(rows)


def next_step(summary: Summary) -> str:
    """The command that goes on from there."""
    again = f"make port {shlex.quote(f'TO={summary.to}')}" + (
        f" {shlex.quote(f'GIT={summary.git}')}" if summary.git else ""
    )
    going_on = 'make port-continue REASON="..."'
    outcome = summary.outcome
    if outcome is Outcome.IDENTITY:
        return "nothing; the series stands there"
    if outcome is Outcome.PROVED:
        return "git diff, then commit what was written"
    if outcome is Outcome.REFUTED:
        bad = next(c for c in summary.checks if c.proof is Proof.FAILED)
        return bad.again or again
    if summary.dry_run and outcome is Outcome.CARRIED:
        return f"{again}, which proves it and writes it"
    if summary.dry_run:
        first = next((p.name[:4] for p in summary.patches if p.state.open), "")
        if not first:
            return f"{again}, which asks for an answer in build/port/CONFLICT.md"
        return f"{again}, which stops at {first} and shows both sides in build/port"
    if outcome is Outcome.OPEN:
        return f"read build/port/CONFLICT.md, decide there, then {going_on}"
    proof = " PROOF=1" if summary.git else ""
    return f"{again}{proof}, without NO_PROOF, proves it and writes it"


def _counted(summary: Summary) -> str:
    states = ", ".join(f"{n} {s.value}" for s, n in summary.counts.items())
    return f"{summary.carried} of {len(summary.patches)} patches carried: {states}"


def _details(patch: PatchResult) -> list[str]:
    rows = [_file(f) for f in patch.files if f.state not in _QUIET or f.said]
    if patch.blocked_by:
        rows.append("stands on " + ", ".join(n[:4] for n in patch.blocked_by))
    needs: dict[tuple[str, str], list[str]] = {}
    for on in patch.dependents:
        needs.setdefault((on.patch[:4], on.path), []).append(on.symbol)
    for (name, path), found in needs.items():
        names = list(dict.fromkeys(found))
        more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
        rows.append(f"needed by {name}: {path}, {', '.join(names[:NAMES])}{more}")
    return rows


def _file(part: FileResult) -> str:
    symbols = f" ({', '.join(part.symbols[:4])})" if part.symbols else ""
    return "; ".join((f"{part.path}{symbols}: {part.state.value}", *part.said))


def _sections(summary: Summary, pad: str) -> list[str]:
    """What is there of alerts, evidence, records, history and proof."""
    found: list[tuple[str, list[str]]] = [
        (
            "RED: look at this first",
            [alert.said for alert in summary.red],
        ),
        (
            "alerts that were answered",
            [f"{a.said}: {a.answer}" for a in summary.alerts if a.answer],
        ),
        (
            "probably upstream; what is missing comes first",
            [
                f"{p.name[:4]} {e.where}: {e.line}"
                for p, f in summary.open_files
                if f.state is State.PROBABLY_ABSORBED
                for e in f.evidence
            ],
        ),
        (
            "broken by",
            [
                f"{c.patch[:4]} {c.path}: {c.commit[:12]} {c.subject}"
                for c in summary.culprits
            ],
        ),
        ("read these, though they were carried", _named(summary.for_review)),
        ("resolutions that nothing asked for", list(summary.unused)),
        ("looked at for reverts", list(summary.history)),
        (
            "proof",
            [
                row
                for c in summary.checks
                for row in (
                    f"{c.what}: {c.proof.value}"
                    + (f"; {c.detail}" if c.detail else ""),
                    *(f"  failed: {name}" for name in c.failed),
                    *([f"  again: {c.again}"] if c.again else []),
                )
            ],
        ),
        ("notes", list(summary.notes)),
        ("to edit by hand", list(summary.by_hand)),
        ("written to", [summary.written] if summary.written else []),
    ]
    rows: list[str] = []
    for title, lines in found:
        if lines:
            rows += ["", f"{title}:", *(f"{pad}{line}" for line in lines)]
    return rows


def _named(found: list[tuple[PatchResult, FileResult]]) -> list[str]:
    return [f"{p.name[:4]} {f.path}" for p, f in found]


def as_json(summary: Summary) -> str:
    """For machines."""
    return json.dumps(as_data(summary), indent=1)


def as_data(summary: Summary) -> dict[str, Any]:
    """What `build/reports/port.json` holds; the schema has a number."""
    return {
        "schema": SCHEMA,
        "source": summary.source,
        "target": summary.target,
        "outcome": summary.outcome.name.lower(),
        "carried": summary.carried,
        "patches": [
            {
                "name": p.name,
                "subject": p.subject,
                "state": p.state.name.lower(),
                "carried": p.carried,
                "blocked_by": list(p.blocked_by),
                "dependents": [vars(d) for d in p.dependents],
                "files": [
                    {
                        "path": f.path,
                        "target": f.target,
                        "state": f.state.name.lower(),
                        "why": f.why,
                        "read": list(f.read),
                        "symbols": list(f.symbols),
                        "evidence": [vars(e) for e in f.evidence],
                    }
                    for f in p.files
                ],
            }
            for p in summary.patches
        ],
        "alerts": [vars(a) | {"kind": a.kind.name.lower()} for a in summary.alerts],
        "culprits": [vars(c) for c in summary.culprits],
        "unused_resolutions": list(summary.unused),
        "history": list(summary.history),
        "proof": [
            {
                "what": c.what,
                "result": c.proof.name.lower(),
                "detail": c.detail,
                "failed": list(c.failed),
                "again": c.again,
            }
            for c in summary.checks
        ],
        "beside": [vars(one) for one in summary.beside],
        "first": list(summary.first),
        "next": next_step(summary),
        "notes": list(summary.notes),
        "by_hand": list(summary.by_hand),
        "written": summary.written,
    }


def as_markdown(summary: Summary) -> str:
    """For a pull request."""
    rows = [
        f"## {summary.source} to {summary.target}: {summary.said}",
        "",
        *(f"**{row}**\n" for row in summary.first),
        *(f"**{one.said}**\n" for one in summary.beside),
        _counted(summary),
        "",
        "| patch | state | what there is to know |",
        "|---|---|---|",
    ]
    for patch in summary.patches:
        details = "<br>".join(_cell(row) for row in _details(patch))
        subject = _cell(patch.subject)
        rows.append(f"| {patch.name[:4]} {subject} | {patch.state.value} | {details} |")
    rows += _sections(summary, "- ")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    for char in "\\|<>[]*_`":
        text = text.replace(char, f"&#{ord(char)};")
    return text

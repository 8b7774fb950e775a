# SPDX-License-Identifier: Apache-2.0
"""`make port` and `make port-continue`: from the pin to another upstream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Finding, Unusable
from scripts.base.files import one_run, write
from scripts.checkout import Checkout
from scripts.port import prove, trials
from scripts.port.carry import ported
from scripts.port.merge.languages import parses
from scripts.port.report import conflict, render
from scripts.port.report.states import PatchResult
from scripts.port.report.summary import Outcome, Summary
from scripts.port.session import Session, Stop
from scripts.port.survey import Wanted, Work, look, who_broke
from scripts.series import answers, resolutions

__all__ = ["Wanted", "port", "resume"]


NO_PIN = "a git ref has no archive and no wheels to pin: nothing is written here"


def port(at: Checkout, wanted_: Wanted) -> Summary:
    """Carry the series to another upstream.

    Nothing of the checkout changes but `build/port`, unless every patch is
    carried and the proof holds: then patches, table and lock are written.

    Raises:
        Finding: The series does not hold on its own pin; or a port waits here.
        Unusable: The target is unknown or cannot be fetched.
    """
    if wanted_.dry_run:
        work = look(at, wanted_)
        return replace(work.summary, culprits=who_broke(at, work))
    with one_run(at.run_lock, f"make port TO={wanted_.to}"):
        place = Session.of(at)
        place.clear()
        return _write(at, wanted_, look(at, wanted_), place)


def _write(at: Checkout, wanted_: Wanted, work: Work, place: Session) -> Summary:
    summary = work.summary
    if summary.outcome is Outcome.IDENTITY:
        return summary
    changes = ported(work.carried.patches)
    by_name = {p.name: p for p in work.patches}
    open_ = place.show(work.target, wanted_.to, by_name, work.carried.patches, changes)
    where = f"build/port/vllm, branch port/{work.target.name}"
    if open_:
        where += f"; {open_[:4]} waits, see build/port/CONFLICT.md"
    elif summary.red:
        place.ask(wanted_.to, str(wanted_.git or ""), summary.red)
        where += "; alerts wait, see build/port/CONFLICT.md"
    summary = replace(summary, written=where, culprits=who_broke(at, work))
    version = work.target.version
    carried = summary.outcome is Outcome.CARRIED
    if carried and wanted_.prove_ref and version is None:
        new = trials.of_ref(at, work.target, work.patches, changes)
        checks = tuple(prove.prove(new, steps=prove.REF_STEPS))
        beside = tuple(prove.unlike(new))
        first = (*summary.first, NO_PIN)
        summary = replace(summary, checks=checks, first=first, beside=beside)
    elif carried and wanted_.proof and version is not None:
        new = trials.of_release(at, str(version), work.patches, changes)
        checks = tuple(prove.prove(new))
        summary = replace(summary, checks=checks, beside=tuple(prove.unlike(new)))
        if summary.outcome is Outcome.PROVED:
            left = prove.accept(at, new, prove.renamed(work.patches, changes, new))
            written = "patches/, upstream.lock, README.md, Containerfile and the "
            written += "record of selection"
            summary = replace(summary, by_hand=left, written=written)
    for name, text in (
        ("report.txt", render.as_text(summary) + "\n"),
        ("report.json", render.as_json(summary) + "\n"),
        ("report.md", render.as_markdown(summary)),
    ):
        write(place.root / name, text.encode("utf-8"))
    return summary


def resume(at: Checkout, reason: str, proof: bool = True) -> Summary:
    """Write down what a person decided, and go on.

    Args:
        at: The checkout.
        reason: Why the files are right as they stand now, one line.
        proof: As for `Wanted`.

    Raises:
        Finding: A file still has a conflict in it, or does not parse; or files
            were edited that the patch does not touch.
        Unusable: No port waits; or the reason is none, or several lines.
    """
    place = Session.of(at)
    stop = place.stop()
    reason = _one_line(reason)
    wanted_ = Wanted(stop.to, Path(stop.git) if stop.git else None, proof=proof)
    with one_run(at.run_lock, "make port-continue"):
        work = look(at, wanted_)
        if stop.alerts:
            return _answered(at, wanted_, work, stop, reason)
        waiting = next((r for r in work.carried.patches if r.state.open), None)
        if waiting is None or waiting.name != stop.patch:
            raise Finding(
                "the series or its resolutions changed since the port stopped",
                where=stop.patch,
                next=f"make port TO={stop.to}",
            )
        _check(place, stop, waiting)
        elsewhere = place.entered(stop)
        for part in waiting.files:
            if not part.state.open:
                continue
            result = place.content(part.target)
            also = {p: elsewhere.pop(p) for p in part.homes if p in elsewhere}
            case = (part.base, part.upstream, part.patched)
            saved = resolutions.save(
                at.patches, case, result, part.target, waiting.subject, reason, also
            )
            note(f"written down: patches/{resolutions.FOLDER}/{saved.name}")
        place.forget()
        return _write(at, wanted_, look(at, wanted_), place)


def _one_line(reason: str) -> str:
    """A reason as it is written down: it has one line of the record."""
    if not reason.strip() or len(reason.strip().splitlines()) > 1:
        raise Unusable(
            "a decision is written down with its reason, one line of words",
            where="REASON",
            expected="why the files are right as they stand",
            found=repr(reason),
            next='make port-continue REASON="upstream renamed it"',
        )
    return reason.strip()


def _answered(
    at: Checkout, wanted_: Wanted, work: Work, stop: Stop, reason: str
) -> Summary:
    """Write down why the port may go on in spite of its alerts."""
    place = Session.of(at)
    red = [a for a in work.summary.red if answers.name(a) in stop.alerts]
    for saved in answers.save(at.patches, red, reason):
        note(f"written down: patches/{resolutions.FOLDER}/{saved.name}")
    place.forget()
    return _write(at, wanted_, look(at, wanted_), place)


def _check(place: Session, stop: Stop, waiting: PatchResult) -> None:
    bad = []
    allowed = {*stop.files, *stop.homes}
    for path in sorted(allowed):
        file = place.tree / path
        data = file.read_bytes() if file.is_file() else b""
        if conflict.has_markers(data):
            bad.append(f"{path}: a conflict is still marked")
        elif file.is_file() and not parses(path, data):
            bad.append(f"{path}: it does not parse")
    strange = [path for path in place.edited() if path not in allowed]
    bad += [f"{path}: {waiting.name[:4]} does not wait for it" for path in strange]
    back = "".join(f"{place.taken_back(path)}; " for path in strange)
    if bad:
        raise Finding(
            "the port cannot go on yet",
            where=str(place.tree),
            found="\n".join(bad),
            next=f'{back}fix what is marked, then make port-continue REASON="..."',
        )

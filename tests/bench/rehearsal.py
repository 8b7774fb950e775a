# SPDX-License-Identifier: Apache-2.0
"""`make bot-rehearsal`: the bot from an older release to the pin, for real.

A clone is brought back to an older release, and the bot finds the pin on the index
as news. What a person would have to decide on the way is taken from the series as
it stands on the pin; so what the bot carries has to be that series again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from itertools import takewhile

from ci.bot import Result, bot
from ci.forge_state import Wanted
from ci.github import GitHub
from ci.render import as_text
from ci.scratch_clone import adopt
from scripts.base.console import note, say
from scripts.base.errors import Finding, ForkError
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.port.report.summary import Outcome
from scripts.port.run import Wanted as PortWanted
from scripts.port.run import port, resume
from scripts.port.session import Session
from scripts.series.apply import Wanted as ApplyWanted
from scripts.series.apply import apply
from scripts.series.export import export
from scripts.series.table import render
from scripts.upstream import lock

REASON = "As the series has it on vLLM {}, which a person wrote"


def older(at: Checkout, version: str) -> Checkout:
    """A clone whose last commit stands on an older release."""
    root = at.build / "rehearsal"
    shutil.rmtree(root, ignore_errors=True)
    Git(at.root).run("clone", "--quiet", "--local", ".", str(root))
    there = Checkout(root)
    apply(ApplyWanted(there))
    _leave_out(there, version)
    (there.build / "vllm").rename(there.build / "answers")
    _carried(there, version)
    adopt(there, version)
    _commit(there, f"port: vLLM {version}")
    return there


def _leave_out(there: Checkout, version: str) -> None:
    """Drop the patches from the first on that an older release has no place for."""
    found = port(there, PortWanted(version, dry_run=True, history=False)).patches
    kept = len(list(takewhile(lambda patch: patch.carried, found)))
    if 0 < kept < len(found):
        note(f"{kept} of {len(found)} patches carry back to vLLM {version}; no others")
        bench = Git(there.build / "vllm")
        bench.run("reset", "--quiet", "--hard", f"HEAD~{len(found) - kept}")
        export(there, table=render)
        _commit(there, f"What carries back to vLLM {version}")


def decide(there: Checkout, pinned: lock.Lock) -> None:
    """Carry to the pin, with every decision taken from the series on it.

    Raises:
        Finding: It waits for a file that the series does not have.
    """
    answers = Git(there.build / "answers")
    by_subject = {
        row.partition(" ")[2]: row.partition(" ")[0]
        for row in answers.text("log", "--format=%H %s", "refs/sm12x/base..").split(
            "\n"
        )
    }
    place = Session.of(there)
    summary = port(there, PortWanted(pinned.version, proof=False))
    while summary.outcome is Outcome.OPEN:
        stop = place.stop()
        subject = next(p.subject for p in summary.patches if p.name == stop.patch)
        note(f"deciding {subject}")
        for path in stop.files:
            shown = answers.run("show", f"{by_subject[subject]}:{path}").stdout
            (place.tree / path).write_bytes(shown)
        summary = resume(there, REASON.format(pinned.version), proof=False)
    if summary.outcome is not Outcome.CARRIED:
        raise Finding("the rehearsal's decisions do not carry", found=str(summary))
    _commit(there, f"Decisions for vLLM {pinned.version}")


def _carried(there: Checkout, version: str) -> None:
    summary = port(there, PortWanted(version, proof=False))
    if summary.outcome is not Outcome.CARRIED:
        raise Finding(
            f"the series cannot be brought back to vLLM {version}",
            found=summary.outcome.value,
            next=f"make port TO={version} NO_PROOF=1",
        )


def _commit(there: Checkout, message: str) -> None:
    git = Git(there.root)
    git.run("add", "--all")
    # Where a check failed, there was nothing to decide.
    if git.text("status", "--porcelain"):
        git.run("commit", "--quiet", "--message", message)


def held(there: Checkout, result: Result) -> str:
    """Hold the tree that the proposal ends in against the pin's own.

    A file of vLLM itself has to be the same, byte for byte. A test file that both
    sides added a test to at one place may have the two in the other order.

    Raises:
        Finding: A file differs otherwise, or there is no proposal.
    """
    made = result.proposal
    if made is None or made.failed:
        raise Finding("the bot made no pull request", found=as_text(result))
    git = Git(there.build / "answers")
    tree = Session.of(Checkout(there.build / "bot" / "work")).tree
    git.run("fetch", "--quiet", str(tree), "HEAD")
    pair = ("HEAD", "FETCH_HEAD")
    reordered, wrong = [], []
    for path in git.text("diff", "--name-only", *pair).splitlines():
        texts = [git.run("show", f"{end}:{path}", ok=(0, 128)).stdout for end in pair]
        lines = [sorted(text.splitlines()) for text in texts]
        same = path.startswith("tests/") and lines[0] == lines[1]
        (reordered if same else wrong).append(path)
    if wrong:
        raise Finding(
            "the series that the bot carried is not the one on the pin",
            where=str(tree),
            found="\n".join(wrong),
            next=f"git -C {git.path} diff HEAD FETCH_HEAD",
        )
    patched = git.text("diff", "--name-only", "refs/sm12x/base", "HEAD").splitlines()
    rows = [
        f"{len(patched) - len(reordered)} of {len(patched)} patched files are those of "
        "the series on the pin, byte for byte"
    ]
    rows += [f"{path}: the same lines, tests in another order" for path in reordered]
    return "\n".join(rows)


def main() -> int:
    """Run it; exit codes as everywhere."""
    parser = argparse.ArgumentParser(prog="make bot-rehearsal", description=__doc__)
    parser.add_argument("--release", default="0.32.0", help="Where it starts.")
    chosen = parser.parse_args()
    at = Checkout()
    pinned = lock.load(at.lock)
    try:
        there = older(at, chosen.release)
        first = bot(there, Wanted(proof=False), GitHub(there.root))
        say(as_text(first))
        if first.proposal is not None and first.proposal.failed:
            decide(there, pinned)
            second = bot(there, Wanted(proof=False), GitHub(there.root))
            say("\nwith these decisions recorded:\n\n" + as_text(second))
            first = second
        say("\n" + held(there, first))
    except ForkError as e:
        note(str(e))
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""The long work: carry, prove, commit; a proposal for the forge comes out."""

from __future__ import annotations

from collections.abc import Sequence

from ci import messages, scratch_clone
from ci.commits import commit, groups
from ci.plan import Proposal
from ci.steps import Step
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.port.report.summary import Outcome, Summary
from scripts.series import folder
from scripts.upstream import lock


def propose(
    at: Checkout,
    head: str,
    version: str,
    key: str,
    steps: Sequence[Step],
    *,
    proof: bool,
) -> Proposal:
    """Carry the series in a scratch clone, and say what came of it.

    Args:
        at: The checkout; it is only read.
        head: Commit to start from.
        version: The release.
        key: For the mark of the text.
        steps: What to run on the result.
        proof: Run the long ones too.

    Raises:
        Unusable: Something cannot be fetched or written; it is nobody's failure.
    """
    note(f"carrying the series to vLLM {version} in a scratch clone")
    mark = messages.Mark(version, key)
    scratch = scratch_clone.clone(at, head)
    before, old = lock.load(scratch.lock), folder.load(scratch.patches)
    try:
        summary, quoted = scratch_clone.carry(scratch, version, steps, proof=proof)
    except Finding as e:
        said = str(e).replace(f"{scratch.root}/", "").splitlines()
        return _failed(mark, None, said)
    if summary.outcome not in (Outcome.CARRIED, Outcome.PROVED):
        return _failed(mark, summary, quoted)
    git = Git(scratch.root)
    new = folder.load(scratch.patches)
    first = messages.first_message(version, summary)
    made = commit(git, groups(summary, old, new, version), first)
    return Proposal(
        key=key,
        version=version,
        title=messages.pull_title(version),
        body=messages.pull_body(mark, summary, before, lock.load(scratch.lock), made),
        base=head,
        tip=git.text("rev-parse", "HEAD"),
        proved=summary.outcome is Outcome.PROVED,
    )


def _failed(mark: messages.Mark, summary: Summary | None, said: list[str]) -> Proposal:
    return Proposal(
        key=mark.key,
        version=mark.version,
        title=messages.issue_title(mark.version),
        body=messages.issue_body(mark, summary, said),
        failed=True,
    )

# SPDX-License-Identifier: Apache-2.0
"""`make port` and `make port-continue` on the hand-made upstream and its releases."""

from __future__ import annotations

import json

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.checkout import Checkout
from scripts.port.report.states import State
from scripts.port.report.summary import Outcome
from scripts.port.run import Wanted, port, resume
from tests.unit.port.releases import (
    BESIDE,
    KERNEL,
    NEW,
    PROBE,
    REWRITTEN,
    add_probe_of_our_own,
    go,
    release,
    state,
)
from tests.unit.small import Small, git, message
from tests.unit.small_files import VERSION

pytestmark = pytest.mark.usefixtures("machine")


def test_identity_at_the_pin(small: Small) -> None:
    before = state(small.root)
    done = port(Checkout(small.root), Wanted(VERSION))
    assert done.outcome is Outcome.IDENTITY
    assert {p.state for p in done.patches} == {State.UNCHANGED}
    assert all(f.result == f.patched for p in done.patches for f in p.files)
    assert state(small.root) == before


def test_dry_run_writes_nothing(small: Small) -> None:
    release(small, BESIDE)
    before = state(small.root)
    done = go(small, dry_run=True)
    assert [p.state for p in done.patches] == [
        State.SYNTAX,
        State.UNCHANGED,
        State.MOVED,
    ]
    assert done.outcome is Outcome.CARRIED
    assert state(small.root) == before


def test_carried_series_is_on_a_branch_and_not_written(small: Small) -> None:
    release(small, BESIDE)
    before = state(small.patches)
    done = go(small)
    assert done.outcome is Outcome.CARRIED
    tree = small.root / "build/port/vllm"
    assert git(tree, "symbolic-ref", "--short", "HEAD") == f"port/vllm-{NEW}"
    assert len(git(tree, "log", "--format=%s").splitlines()) == 4
    text = (tree / KERNEL).read_text(encoding="utf-8")
    assert '    "humming",\n' in text and '    "sm12x",\n' in text
    assert state(small.patches) == before
    assert json.loads((tree.parent / "report.json").read_text("utf-8"))["carried"] == 3


def test_a_person_decides_once(small: Small) -> None:
    """The conflict is written out, mended, recorded, and never asked for again."""
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    done = go(small)
    assert done.outcome is Outcome.OPEN
    assert [p.state.carried for p in done.patches] == [True, True, True, False]
    assert done.patches[3].state is State.CONFLICT
    at = Checkout(small.root)
    tree = small.root / "build/port/vllm"
    text = (tree / PROBE).read_text(encoding="utf-8")
    assert text.count("<<<<<<<") == text.count("|||||||") == text.count(">>>>>>>") == 1
    assert "in has_flashinfer" in text
    notes = (small.root / "build/port/CONFLICT.md").read_text(encoding="utf-8")
    assert "### `has_flashinfer`" in notes and "make port-continue" in notes
    assert '+    return importlib.util.find_spec("flashinfer_sm12x")' in notes
    assert "+    return False" in notes

    with pytest.raises(Finding, match="cannot go on") as caught:
        resume(at, "no", proof=False)
    assert "still marked" in (caught.value.found or "")

    (tree / PROBE).write_text("def broken(:\n", encoding="utf-8")
    with pytest.raises(Finding) as caught:
        resume(at, "no", proof=False)
    assert "does not parse" in (caught.value.found or "")

    lines = text.split("\n")
    first = next(i for i, x in enumerate(lines) if x.startswith("<<<<<<<"))
    middle = next(i for i, x in enumerate(lines) if x.startswith("|||||||"))
    last = next(i for i, x in enumerate(lines) if x.startswith(">>>>>>>"))
    ours = lines[first + 1 : middle]
    mended = [
        *lines[:first],
        *ours,
        *lines[last + 1 :],
    ]
    (tree / PROBE).write_text("\n".join(mended), encoding="utf-8")
    (tree / "README.md").write_text("stray\n", encoding="utf-8")
    with pytest.raises(Finding) as caught:
        resume(at, "no", proof=False)
    assert "README.md" in (caught.value.found or "")
    with pytest.raises(Finding, match="were edited since"):
        go(small)
    git(tree, "checkout", "README.md")

    after = resume(at, "upstream has no FlashInfer any more", proof=False)
    assert after.patches[3].state is State.RESOLVED
    assert after.patches[3].files[-1].why == "upstream has no FlashInfer any more"
    (record,) = (small.patches / "resolutions").iterdir()
    assert len(record.name.removesuffix(".resolution").split("-")) == 3

    again = go(small)
    assert again.patches[3].state is State.RESOLVED
    assert not again.unused
    # Another release does not ask for it, and says so.
    release(small, BESIDE, "1.4.0")
    other = port(at, Wanted("1.4.0", dry_run=True))
    assert other.unused == (record.name,)


def test_absorbed_patch_leaves_the_series(small: Small) -> None:
    release(small, {KERNEL: ('    "marlin",\n', '    "marlin",\n    "sm12x",\n')})
    done = go(small)
    assert done.patches[0].state is State.ABSORBED
    tree = small.root / "build/port/vllm"
    assert len(git(tree, "log", "--format=%s").splitlines()) == 3
    assert any("leaves the series" in note for note in done.notes)


def test_dependents_are_named(small: Small) -> None:
    release(small, {PROBE: None})
    small.edit(
        message("config: ask the probe"),
        KERNEL,
        'if self.moe_backend == "sm12x":',
        'if self.moe_backend == "sm12x" and not has_sm12x_moe():',
    )
    small.export()
    done = go(small)
    gone = done.patches[1]
    assert gone.state is State.GONE
    needed = {(d.patch[:4], d.path, d.symbol) for d in gone.dependents}
    assert ("0004", KERNEL, "has_sm12x_moe") in needed
    assert not done.patches[3].carried
    assert done.patches[3].blocked_by == (gone.name,)
    # All patches are reported, and those that can be are carried.
    assert done.patches[0].carried and done.patches[2].carried


def test_unknown_target(small: Small) -> None:
    with pytest.raises(Unusable, match="not known here"):
        port(Checkout(small.root), Wanted("9.9.9"))
    with pytest.raises(Unusable, match="no release"):
        port(Checkout(small.root), Wanted("main"))
    with pytest.raises(Unusable, match="no port waits"):
        resume(Checkout(small.root), "why")
    stop = small.root / "build" / "port" / "stop.json"
    stop.parent.mkdir(parents=True, exist_ok=True)
    stop.write_text('{"to": "1.3.0", "git": "", "patch": "", "files": []}', "utf-8")
    with pytest.raises(Unusable, match="no port waits") as caught:
        resume(Checkout(small.root), "why")
    assert caught.value.where == f"{stop}, files"

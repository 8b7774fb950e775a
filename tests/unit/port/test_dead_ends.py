# SPDX-License-Identifier: Apache-2.0
"""Every stop of a port has a way on, and the way that is printed works."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.port.report import render
from scripts.port.report.states import State
from scripts.port.report.summary import Outcome, Summary
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
)
from tests.unit.small import Small, git
from tests.unit.small_files import upstream

pytestmark = pytest.mark.usefixtures("machine")

DOCS = {"docs/backends.md": ("- cutlass\n", "- cutlass\n- new\n")}
HOME = "vllm/utils/probe.py"


def last_line(done: Summary) -> str:
    return render.as_text(done).splitlines()[-1]


def test_a_red_alert_is_answered_once(small: Small) -> None:
    taken = {KERNEL: ('    "marlin",\n', '    "marlin",\n    "sm12x",\n')}
    release(small, taken, "1.3.0")
    release(small, DOCS, "1.4.0")
    at, to = Checkout(small.root), Wanted("1.4.0", proof=False)
    done = port(at, to)
    assert all(p.carried for p in done.patches)
    assert done.outcome is Outcome.OPEN and len(done.red) == 1
    notes = (small.root / "build/port/CONFLICT.md").read_text(encoding="utf-8")
    assert done.red[0].said in notes and "make port-continue" in notes
    assert "make port-continue" in last_line(done)

    after = resume(at, "they took it out by mistake", proof=False)
    assert after.outcome is Outcome.CARRIED and not after.red
    (record,) = (small.patches / "resolutions").glob("*.answer")
    assert "Reason: they took it out by mistake" in record.read_text(encoding="utf-8")
    assert "they took it out by mistake" in render.as_text(after)
    assert port(at, to).outcome is Outcome.CARRIED

    # Another release's alert is another one, and the answer is said to be idle.
    release(small, taken, "1.4.0")
    release(small, DOCS, "1.5.0")
    other = port(at, Wanted("1.5.0", dry_run=True))
    assert other.outcome is Outcome.OPEN and other.unused == (record.name,)
    record.write_text("Patch: x\n", encoding="utf-8")
    with pytest.raises(Finding, match="no answer"):
        port(at, to)


def moved_away(small: Small) -> Path:
    """A release where the target of our fourth patch lies in another file."""
    add_probe_of_our_own(small)
    head = "# SPDX-License-Identifier: Apache-2.0\n"
    head += "import functools\nimport importlib.util\n\n\n"
    text = upstream()[PROBE].decode()
    body = text[text.index("@functools.cache") :]
    plain = text.replace(body, "from vllm.utils.probe import has_flashinfer\n")
    release(small, {PROBE: (text, plain)}, more={HOME: head + body})
    return small.root / "build/port/vllm"


def test_a_patch_whose_target_went_is_entered_where_it_is(small: Small) -> None:
    tree = moved_away(small)
    at = Checkout(small.root)
    done = go(small)
    # What 0002 adds beside it stays where it was.
    plain = git(tree, "show", f"port/vllm-{NEW}:{PROBE}") + "\n"
    ours = (small.repo / PROBE).read_text(encoding="utf-8")
    added = ours.partition('("flashinfer_sm12x") is not None\n')[2]
    assert "def has_sm12x_moe" in added
    (tree / PROBE).write_text(plain + added, encoding="utf-8")
    done = resume(at, "upstream moved its neighbour away", proof=False)
    waiting = next(p for p in done.patches if p.state.open)
    (part,) = [f for f in waiting.files if f.state.open]
    assert waiting.name.startswith("0004") and HOME in part.why
    assert part.homes == (HOME,)
    notes = (tree.parent / "CONFLICT.md").read_text(encoding="utf-8")
    assert f"- `{HOME}`" in notes

    git(tree, "checkout", "-q", f"port/vllm-{NEW}", "--", PROBE)
    text = (tree / HOME).read_text(encoding="utf-8")
    new = text.replace('find_spec("flashinfer")', 'find_spec("flashinfer_sm12x")')
    assert new != text
    (tree / HOME).write_text(new, encoding="utf-8")
    after = resume(at, "it lives there now", proof=False)
    assert after.patches[3].state is State.RESOLVED
    assert after.outcome is Outcome.CARRIED
    assert (tree / HOME).read_text(encoding="utf-8") == new
    again = go(small)
    assert again.outcome is Outcome.CARRIED
    assert (tree / HOME).read_text(encoding="utf-8") == new

    # Where that file is another one, the decision does not hold.
    release(
        small,
        {PROBE: (upstream()[PROBE].decode(), plain)},
        more={HOME: text + "\n\nMORE = 1\n"},
    )
    other = go(small, dry_run=True)
    assert other.patches[3].state.open
    assert HOME in other.patches[3].files[0].why


def test_printed_ways_to_drop_edits_work(small: Small) -> None:
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    go(small)
    tree = small.root / "build/port/vllm"
    shown = (tree / PROBE).read_text(encoding="utf-8")
    (tree / PROBE).write_text("mended = 1\n", encoding="utf-8")
    (tree / "README.md").write_text("stray\n", encoding="utf-8")
    (tree / "a note.txt").write_text("mine\n", encoding="utf-8")
    with pytest.raises(Finding) as caught:
        resume(Checkout(small.root), "no", proof=False)
    # One file's edit goes back to what was shown, conflict and all.
    *back, _ = (caught.value.next or "").split("; ")
    assert len(back) == 2
    for command in (*back, f"git -C build/port/vllm checkout -- {PROBE}"):
        subprocess.run(shlex.split(command), cwd=small.root, check=True)
    assert not (tree / "a note.txt").exists()
    assert "stray" not in (tree / "README.md").read_text(encoding="utf-8")
    assert (tree / PROBE).read_text(encoding="utf-8") == shown
    (tree / PROBE).write_text("mended = 2\n", encoding="utf-8")
    (tree / "a note.txt").write_text("mine\n", encoding="utf-8")
    with pytest.raises(Finding, match="were edited since") as caught:
        go(small)
    command = (caught.value.next or "").partition("or ")[2].partition(" to drop")[0]
    subprocess.run(command, cwd=small.root, check=True, shell=True)
    assert (tree / PROBE).read_text(encoding="utf-8") == shown
    assert go(small).outcome is Outcome.OPEN


def test_printed_ways_to_leave_a_file_as_upstream_has_it_work(small: Small) -> None:
    """Each line is run as it stands, where upstream has the file and where not."""
    add_probe_of_our_own(small)
    for edits in (REWRITTEN, {PROBE: None}):
        release(small, edits)
        done = go(small)
        at, tree = Checkout(small.root), small.root / "build/port/vllm"
        while done.outcome is Outcome.OPEN:
            notes = (tree.parent / "CONFLICT.md").read_text(encoding="utf-8")
            lines = [x.strip() for x in notes.splitlines() if x.startswith("    ")]
            commands = [x for x in lines if x.startswith(("git ", "rm "))]
            assert len(commands) >= 2 and "FILE" not in notes
            for command in commands:
                subprocess.run(shlex.split(command), cwd=tree, check=True)
            done = resume(at, "nothing of it is left to do", proof=False)
        assert done.outcome is Outcome.CARRIED
        assert (tree / PROBE).exists() is (edits is REWRITTEN)


def test_every_report_ends_with_what_to_do(small: Small) -> None:
    release(small, BESIDE)
    at = Checkout(small.root)
    dry = go(small, dry_run=True)
    assert last_line(dry).startswith(f"next: make port TO={NEW}")
    assert "build/port" not in last_line(dry)
    assert "make port" in last_line(go(small))
    same = port(at, Wanted("1.2.3", dry_run=True))
    assert last_line(same) == "next: nothing; the series stands there"
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    dry = go(small, dry_run=True)
    assert "stops at 0004" in last_line(dry)
    assert "make port-continue" in last_line(go(small))


def test_reports_do_not_say_that_what_never_was_is_gone(small: Small) -> None:
    release(small, {PROBE: None})
    text = render.as_text(go(small, dry_run=True))
    assert f"vllm-{NEW} has no such file" in text
    assert "no longer" not in text and "gone" not in text

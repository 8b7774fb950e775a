# SPDX-License-Identifier: Apache-2.0
"""Ways on and records, asked for in more than one way each.

What was to come out was set down before any of it was run.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

from scripts.base.errors import ForkError
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.port import prove, trials
from scripts.port.report import render
from scripts.port.report.summary import Check, Outcome, Proof, Summary
from scripts.port.run import Wanted, port, resume
from scripts.upstream.release_facts import choose
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
from tests.unit.port.test_dead_ends import DOCS, HOME, last_line, moved_away
from tests.unit.port.test_trials import CUDA, PINS
from tests.unit.small import Small, git
from tests.unit.small_files import upstream

pytestmark = pytest.mark.usefixtures("machine")

TAKEN = {KERNEL: ('    "marlin",\n', '    "marlin",\n    "sm12x",\n')}


def reverted(small: Small) -> Checkout:
    """A release that took our change, and one that has it no longer."""
    release(small, TAKEN, "1.3.0")
    release(small, DOCS, "1.4.0")
    return Checkout(small.root)


def test_a_dry_run_with_alerts_alone_says_how_they_are_answered(small: Small) -> None:
    """Nothing conflicts, so that there are no sides to show."""
    done = port(reverted(small), Wanted("1.4.0", dry_run=True))
    assert done.outcome is Outcome.OPEN and done.red
    last = last_line(done)
    assert "make port TO=1.4.0" in last and "answer" in last
    assert "both sides" not in last


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines"])
def test_a_reason_is_one_line_of_words(small: Small, reason: str) -> None:
    at = reverted(small)
    port(at, Wanted("1.4.0", proof=False))
    with pytest.raises(ForkError) as caught:
        resume(at, reason, proof=False)
    assert "REASON" in (caught.value.next or "")
    assert not list((small.patches / "resolutions").glob("*.answer"))
    # It waits as before.
    assert resume(at, "taken out by mistake", proof=False).outcome is Outcome.CARRIED


@pytest.mark.parametrize("reason", ["", "two\nlines"])
def test_so_is_that_of_a_decision(small: Small, reason: str) -> None:
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    go(small)
    tree = small.root / "build/port/vllm"
    (tree / PROBE).write_text("mended = 1\n", encoding="utf-8")
    with pytest.raises(ForkError) as caught:
        resume(Checkout(small.root), reason, proof=False)
    assert "REASON" in (caught.value.next or "")
    assert not list((small.patches / "resolutions").glob("*"))


def test_a_file_that_the_report_does_not_name_is_refused_with_those_it_does(
    small: Small,
) -> None:
    tree = moved_away(small)
    at = Checkout(small.root)
    go(small)
    other = tree / "vllm/utils/another.py"
    other.write_text("entered = 1\n", encoding="utf-8")
    (tree / PROBE).write_text("mended = 1\n", encoding="utf-8")
    with pytest.raises(ForkError) as caught:
        resume(at, "it is there", proof=False)
    assert "vllm/utils/another.py" in (caught.value.found or "")
    (back, _) = (caught.value.next or "").split("; ", 1)
    subprocess.run(shlex.split(back), cwd=small.root, check=True)
    assert not other.exists() and (tree / HOME).exists()


def test_whatever_was_done_to_the_tree_is_dropped_by_the_printed_command(
    small: Small,
) -> None:
    """Staged, deleted, of an odd name, in a folder of its own."""
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    go(small)
    tree = small.root / "build/port/vllm"
    shown = (tree / PROBE).read_bytes()
    (tree / "it's new").mkdir()
    (tree / "it's new" / "a b.py").write_text("x = 1\n", encoding="utf-8")
    (tree / PROBE).unlink()
    subprocess.run(["git", "add", "--all"], cwd=tree, check=True)
    with pytest.raises(ForkError, match="were edited since") as caught:
        go(small)
    command = (caught.value.next or "").partition("or ")[2].partition(" to drop")[0]
    subprocess.run(command, cwd=small.root, check=True, shell=True)
    assert (tree / PROBE).read_bytes() == shown and not (tree / "it's new").exists()
    assert go(small).outcome is Outcome.OPEN


def test_a_strange_file_is_taken_back_whatever_it_is_called(small: Small) -> None:
    add_probe_of_our_own(small)
    release(small, REWRITTEN)
    go(small)
    tree = small.root / "build/port/vllm"
    (tree / PROBE).write_text("mended = 1\n", encoding="utf-8")
    (tree / "it's; new.py").write_text("x = 1\n", encoding="utf-8")
    (tree / "README.md").unlink()
    with pytest.raises(ForkError) as caught:
        resume(Checkout(small.root), "no", proof=False)
    command = (caught.value.next or "").rpartition("; ")[0]
    subprocess.run(command, cwd=small.root, check=True, shell=True)
    assert not (tree / "it's; new.py").exists() and (tree / "README.md").exists()
    assert (tree / PROBE).read_text(encoding="utf-8") == "mended = 1\n"


def test_a_dry_run_on_a_ref_names_the_ref_and_its_proof(
    small: Small, tmp_path: Path
) -> None:
    done = Summary("a", "b", (), dry_run=True, git="/a clone", to="v1; x")
    (command, _) = last_line(done).removeprefix("next: ").split(", which")
    words = shlex.split(command)
    assert words[:2] == ["make", "port"]
    assert "TO=v1; x" in words and "GIT=/a clone" in words


SAID = """\
=========================== short test summary info ============================
FAILED tests/a.py::test_x[a - b] - AssertionError: y - z
FAILED tests/a.py::test_x[it's "c"]
FAILED tests/b.py::TestB::test_y - assert 1 == 2
ERROR tests/c.py - ImportError: no module
ERROR tests/d.py::test_z - RuntimeError
3 failed, 2 errors in 1.0s
"""


def test_failed_tests_are_named_as_pytest_names_them() -> None:
    assert prove.failures(SAID) == (
        "tests/a.py::test_x[a - b]",
        'tests/a.py::test_x[it\'s "c"]',
        "tests/b.py::TestB::test_y",
        "tests/c.py",
        "tests/d.py::test_z",
    )


def test_the_command_that_repeats_a_test_runs_that_one(tmp_path: Path) -> None:
    home = tmp_path / "it's here"
    (home / "tests").mkdir(parents=True)
    (home / "tests" / "test_a.py").write_text(
        "import pytest\n\n\n@pytest.mark.parametrize('x', ['a - b', \"it's\"])\n"
        "def test_x(x):\n    assert x == 'a - b'\n",
        encoding="utf-8",
    )
    argv = ("-m", "pytest", "tests/test_a.py", "-p", "no:cacheprovider")
    code, said = prove.run(argv, home)
    failed = prove.failures(said)
    assert code == 1 and len(failed) == 1
    again = prove.repeat(argv, failed, home)
    done = subprocess.run(again, shell=True, capture_output=True, text=True)
    assert done.returncode == 1 and "1 failed" in done.stdout


def test_a_failed_check_names_what_it_found() -> None:
    """A step that is no test has lines of its own; they are not lost."""

    def runner(argv: object, where: Path) -> tuple[int, str]:
        said = "0003-x.patch: no trailer Test\n  expected: one\n\n1 problem\n"
        return 1, said

    check = prove.prove(Checkout(Path("/x")), runner, (("check", ("-m", "x")),))[0]
    text = render.as_text(Summary("a", "b", (), checks=(check,)))
    assert check.proof is Proof.FAILED
    assert "0003-x.patch: no trailer Test" in text
    assert text.splitlines()[-1] == f"next: {check.again}"


def test_companions_come_first_in_every_form_and_where_none_can_be_read(
    small: Small,
) -> None:
    release(small, BESIDE, more={PINS: CUDA})
    done = go(small, dry_run=True)
    data = json.loads(render.as_json(done))
    assert data["first"] and "torch 2.13.0" in data["first"][0]
    marked = render.as_markdown(done).splitlines()
    assert data["first"][0] in marked[2]
    # A ported release keeps that line in what is written down.
    go(small)
    kept = (small.root / "build/port/report.txt").read_text(encoding="utf-8")
    assert data["first"][0] in kept.splitlines()[2]
    release(small, BESIDE, "1.4.0", more={PINS: "-r common.txt\ntorch\n"})
    done = port(Checkout(small.root), Wanted("1.4.0", dry_run=True))
    assert re.search(r"pins no companions .* that can be read", done.first[0])


def test_a_proof_that_was_not_reached_is_not_called_one(small: Small) -> None:
    checks = (Check("apply", Proof.PASSED), Check("tests", Proof.NOT_RUN))
    assert Summary("a", "b", (), checks=checks).outcome is not Outcome.PROVED


def test_build_tags_are_numbers_then_letters() -> None:
    def names(*builds: str) -> list[str]:
        rest = "cp38-abi3-manylinux_2_28_x86_64.whl"
        return [f"vllm-1.2.3-{b}-{rest}" if b else f"vllm-1.2.3-{rest}" for b in builds]

    for builds, best in (
        (("9", "10"), "10"),
        (("", "0"), "0"),
        (("1", "1a", "1b"), "1b"),
        (("2", "", "1z"), "2"),
    ):
        taken = choose(names(*builds), Version("1.2.3"), "here")
        assert list(taken.values()) == names(best)


@pytest.mark.parametrize(
    ("tag", "least", "most"),
    [
        ("v1.2.4rc1", "1.2.4rc1", "1.2.4"),
        ("v1.2.4", "1.2.4", "1.2.5"),
        ("v1.2.4.post1", "1.2.4.post1", "1.2.5"),
    ],
)
def test_a_ref_is_as_new_as_the_tag_before_it(
    small: Small, tmp_path: Path, tag: str, least: str, most: str
) -> None:
    repo = tmp_path / "clone"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    found = []
    for number in range(2):
        (repo / "a").write_text(str(number), encoding="utf-8")
        git(repo, "add", "-A")
        git(repo, "commit", "-qm", "more")
        if not number:
            git(repo, "tag", "-a", "-m", "it", tag)
        commit = git(repo, "rev-parse", "HEAD")
        found.append(Version(trials.version_of(Git(repo), commit)))
    assert Version(least) <= found[0] < found[1] < Version(most)


def test_upstream_is_as_it_was() -> None:
    """The releases above are edits of it, each of which must find its place."""
    assert NEW != "1.2.3"
    assert all(p in upstream() for p in (KERNEL, PROBE, "docs/backends.md"))

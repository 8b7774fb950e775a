# SPDX-License-Identifier: Apache-2.0
"""Pull requests of the whole bot, on a bare repository, a real index and a forge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ci import messages
from ci.bot import Result
from ci.plan import Act, Quiet
from ci.steps import DOCUMENTS, Step
from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.upstream import lock
from tests.unit.ci.fake_forge import (
    BESIDE,
    BRANCH,
    NEW,
    OPENED,
    World,
    person,
    pull_of,
)
from tests.unit.small import git


def test_nothing_new_is_quiet(world: World) -> None:
    done = world.run()
    assert done == Result()
    assert world.calls() == []


def test_dry_run_shows_all_and_writes_nothing(world: World) -> None:
    world.release()
    done = world.run(apply=False)
    assert done.acts == OPENED
    assert not done.done
    assert done.proposal is not None and done.proposal.proved
    assert done.proposal.title == f"Carry the series to vLLM {NEW}"
    assert world.calls() == []
    assert world.tip() == ""
    assert git(world.small.root, "status", "--porcelain") == ""


def test_one_pull_request_a_release(world: World) -> None:
    world.release()
    done = world.run()
    assert (done.acts, done.done) == (OPENED, True)
    assert world.calls() == ["label create", "pr create", "workflow run"]
    row = pull_of(world)
    assert row["title"] == f"Carry the series to vLLM {NEW}"
    assert row["baseRefName"] == "main"
    assert done.url == row["url"]
    tip = world.tip()
    assert done.proposal is not None and tip == done.proposal.tip
    # What was pushed is the series on the release, on top of main.
    carried = lock.parse(git(world.remote, "show", f"{tip}:upstream.lock") + "\n")
    assert carried.version == NEW
    assert git(world.remote, "merge-base", "main", tip) == world.tip("main")
    # And again: nothing, at no cost.
    assert world.run().quiet is Quiet.SAME
    assert world.tip() == tip


def test_mechanical_and_content_changes_are_apart(world: World) -> None:
    world.release(BESIDE)
    world.run()
    log = git(world.remote, "log", "--reverse", "--format=%s", f"main..{BRANCH}")
    first, second = log.splitlines()
    assert first == f"port: pin vLLM {NEW}, carry what moved"
    assert second == "port: 0001 merged by syntax"
    names = [
        set(git(world.remote, "show", "--format=", "--name-only", c).splitlines())
        for c in (f"{BRANCH}~1", BRANCH)
    ]
    merged = next(n for n in world.small.names if n.startswith("0001"))
    assert names[1] == {f"patches/{merged}"}
    assert "upstream.lock" in names[0] and f"patches/{merged}" not in names[0]
    why = git(world.remote, "log", "-1", "--format=%b", BRANCH)
    assert "vllm/config/kernel.py: merged by syntax" in why
    body = pull_of(world)["body"]
    assert "- `port: 0001 merged by syntax`" in body
    assert "| patch | state |" in body
    assert "- tests: passed; 3 passed" in body
    assert messages.NO_HARDWARE in body


def test_the_readme_follows_and_what_is_left_is_named(world: World) -> None:
    world.release(BESIDE)
    text = "The pin is vLLM 1.2.3.\n\nMeasured on 1.2.3: much.\n"
    world.commit("README.md", text)
    world.run()
    there = git(world.remote, "show", f"{BRANCH}:README.md")
    assert there == f"The pin is vLLM {NEW}.\n\nMeasured on 1.2.3: much."
    assert "README.md:3: it names 1.2.3" in pull_of(world)["body"]


def test_the_same_work_gives_the_same_commits(world: World) -> None:
    world.release(BESIDE)
    one = world.run(apply=False).proposal
    two = world.run(apply=False, again=True).proposal
    assert one == two


def test_dry_run_first_then_apply_does_the_work_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.release()
    shown = world.run(apply=False).proposal
    capsys.readouterr()
    done = world.run()
    assert done.proposal == shown
    assert "the work was done before" in capsys.readouterr().err


def test_made_in_one_job_and_proposed_in_another(world: World, tmp_path: Path) -> None:
    """The second has the checkout and two files, and runs no step."""
    world.release(BESIDE)
    made = world.run(apply=False).proposal
    files = [world.at.build / "bot" / f"proposal.{x}" for x in ("json", "bundle")]
    for file in files:
        file.rename(tmp_path / file.name)
    shutil.rmtree(world.at.build)
    assert world.run(made=True).quiet is Quiet.NOT_MADE
    assert world.calls() == []
    for file in files:
        (tmp_path / file.name).rename(file)
    done = world.run(made=True)
    assert done.acts == OPENED and made is not None
    assert world.tip() == made.tip


@pytest.mark.parametrize(
    ("state", "quiet"), [("CLOSED", Quiet.DECLINED), ("MERGED", Quiet.MERGED)]
)
def test_a_closed_one_is_an_answer(world: World, state: str, quiet: Quiet) -> None:
    world.release()
    world.run()
    world.edit("pulls", state=state)
    git(world.remote, "branch", "-D", BRANCH)
    world.commit("news", "of main\n")
    world.calls()
    assert world.run().quiet is quiet
    assert world.calls() == []
    assert world.tip() == ""


def test_a_fork_s_pull_request_says_nothing(world: World) -> None:
    """Anyone may name a branch like the bot's in a fork, and close that."""
    world.release()
    world.run()
    world.edit("pulls", isCrossRepository=True, state="CLOSED")
    assert world.run().acts == (Act.OPEN_PULL,)


def test_hold_stops_push_and_edit(world: World) -> None:
    world.release()
    world.run()
    world.label("pulls", "hold")
    before = world.forge["pulls"], world.tip()
    world.commit("upstream.lock", git(world.small.root, "show", "HEAD:upstream.lock")
                 + "\n# A word.\n")  # fmt: skip
    world.calls()
    assert world.run().quiet is Quiet.HELD
    assert world.calls() == []
    assert (world.forge["pulls"], world.tip()) == before


def test_main_moved_but_not_the_series(world: World) -> None:
    """A new base alone is no news: only the key in the text is brought up to date."""
    world.release()
    world.run()
    tip = world.tip()
    world.commit("news", "of main\n")
    world.calls()
    done = world.run()
    assert done.acts == (Act.EDIT_PULL,)
    assert world.calls() == ["pr edit"]
    assert world.tip() == tip
    assert world.run().quiet is Quiet.SAME


def test_main_moved_and_it_conflicts(world: World) -> None:
    world.release()
    world.run()
    tip = world.tip()
    world.commit("news", "of main\n")
    world.edit("pulls", mergeable="CONFLICTING")
    done = world.run()
    assert done.acts == (Act.PUSH, Act.EDIT_PULL)
    assert world.tip() != tip
    assert git(world.remote, "merge-base", "main", BRANCH) == world.tip("main")
    assert len(world.forge["pulls"]) == 1


def test_the_series_changed_so_the_pull_request_is_updated(world: World) -> None:
    world.release()
    world.run()
    world.edit("pulls", body=pull_of(world)["body"] + "A person's words.\r\n")
    small = world.small
    small.edit("config: one more\n\nTest: x\n", "README.md", "# vLLM\n", "# vLLM!\n")
    small.export()
    world.commit("news", "and a patch\n")
    done = world.run()
    assert done.acts == (Act.PUSH, Act.EDIT_PULL)
    assert len(git(world.remote, "show", f"{BRANCH}:patches/series").split("\n")) == 5
    body = pull_of(world)["body"]
    assert body.endswith("A person's words.\n")
    assert "4 of 4 patches carried" in body


def test_a_person_on_the_branch_is_left_alone(world: World) -> None:
    world.release()
    world.run()
    person(world)
    tip = world.tip()
    world.commit("news", "of main\n")
    assert world.run().quiet is Quiet.TAKEN
    assert world.tip() == tip


def test_not_proved_is_not_proposed(world: World) -> None:
    world.release()
    with pytest.raises(Unusable, match="not proposed"):
        world.run(proof=False)
    shown = world.run(apply=False, proof=False).proposal
    assert shown is not None and not shown.proved
    assert "**Not proved:**" in shown.body
    assert "- check: passed; all is well\n- tests: not run\n" in shown.body


def test_what_is_not_committed_is_not_proposed(world: World) -> None:
    world.release()
    (world.small.patches / "series").write_text("", encoding="utf-8")
    shown = world.run(apply=False)
    assert "3 of 3 patches carried" in shown.proposal.body  # type: ignore[union-attr]
    assert any("is edited" in n for n in shown.notes)


def test_report_is_json(world: World) -> None:
    from ci.render import as_data, as_text

    world.release()
    done = world.run()
    data = json.loads(json.dumps(as_data(done)))
    assert data["acts"] == ["push", "open_pull"] and data["proved"] is True
    shown = as_text(done)
    assert f"branch: {BRANCH} at {world.tip()[:12]}" in shown
    assert "done:" in shown


CI = (
    "tests/unit/documents/test_container.py::test_it_stands_on_the_pinned_image",
    "tests/unit/documents/test_docs.py::test_the_table_has_every_patch_in_order",
    "tests/unit/documents/test_docs.py::test_the_versions_are_the_locks",
    "tests/unit/documents/test_owner.py::test_the_five_lines_are_on_the_first_screen",
    "tests/unit/documents/test_owner.py::test_what_it_needs_is_what_the_tools_ask_for",
)
"""What of CI holds README and Containerfile to the lock."""


@pytest.mark.slow
def test_the_pull_request_passes_its_own_ci(world: World) -> None:
    """On a repository that has what CI looks at, and CI's own tests."""
    root = world.small.root
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("scripts", "tests/unit"):
        shutil.copytree(ROOT / name, root / name, ignore=skip)
    (root / "tests/on_cpu").mkdir()
    for name in (
        *("tests/__init__.py", "tests/warm.py", "tests/on_cpu/__init__.py"),
        *("tests/on_cpu/readme_table.py", "pyproject.toml", "CONTRIBUTING.md"),
        "Makefile",
    ):
        shutil.copy(ROOT / name, root / name)
    ours, pin = lock.load(), lock.load(world.at.lock)
    image = (ROOT / "Containerfile").read_text(encoding="utf-8")
    image = image.replace(f":{ours.tag}\n", f":{pin.tag}\n")
    (root / "Containerfile").write_text(image, encoding="utf-8")
    rows = "".join(f"| [{n[:4]}](patches/{n}) | words |\n" for n in world.small.names)
    screen, _, _ = (ROOT / "README.md").read_text("utf-8").partition("| [0001]")
    screen = screen.replace(ours.version, pin.version)
    (root / "README.md").write_text(screen + rows, encoding="utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "documents")
    git(root, "push", "-q", "origin", "main")
    world.release()
    for node in CI:
        assert node.partition("::")[0] in DOCUMENTS
    step = Step("documents", ("-m", "pytest", "-q", "-p", "no:cacheprovider", *CI))
    done = world.run(steps=(step,))
    assert done.acts == OPENED, done
    assert done.proposal is not None and done.proposal.proved, done.proposal
    tip = world.tip()
    assert f":v{NEW}\n" in git(world.remote, "show", f"{tip}:Containerfile")

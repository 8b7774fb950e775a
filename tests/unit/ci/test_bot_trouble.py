# SPDX-License-Identifier: Apache-2.0
"""The whole bot where forge, remote or machine are in the way."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from ci.plan import Act, Quiet
from scripts import ROOT
from scripts.base.errors import Finding, Unusable
from scripts.base.files import one_run
from tests.unit.ci.fake_forge import (
    BRANCH,
    OPENED,
    World,
    pull_of,
)
from tests.unit.small import git


def test_a_damaged_bundle_is_not_proposed(world: World) -> None:
    world.release()
    world.run(apply=False)
    shutil.rmtree(world.at.build / "bot/work")
    (world.at.build / "bot/proposal.bundle").write_bytes(b"no")
    assert world.run(made=True).quiet is Quiet.NOT_MADE


def test_not_logged_in(world: World) -> None:
    world.release()
    world.change(fail={"pr list": [4, "To get started with GitHub CLI, run: gh auth"]})
    with pytest.raises(Unusable, match="exit code 4") as e:
        world.run()
    assert e.value.next == "gh auth login, or set GH_TOKEN"
    assert world.tip() == ""
    # A dry run goes on, and says so.
    shown = world.run(apply=False)
    assert shown.acts == OPENED
    assert any("the forge was not asked" in n for n in shown.notes)


def test_forge_fails_after_the_push_and_the_next_run_goes_on(world: World) -> None:
    world.release()
    world.change(fail={"pr create": [1, "HTTP 502"]})
    with pytest.raises(Unusable, match="gh pr create failed"):
        world.run()
    tip = world.tip()
    assert tip and world.forge["pulls"] == []
    world.change(fail={})
    assert world.run().acts == (Act.OPEN_PULL,)
    assert world.tip() == tip


def test_checks_that_cannot_be_started_are_a_note(world: World) -> None:
    world.release()
    world.change(fail={"workflow run": [1, "HTTP 403"]})
    done = world.run()
    assert done.done and any("not started: HTTP 403" in n for n in done.notes)


def test_answers_of_another_shape(world: World) -> None:
    world.release()
    world.change(fail={"pr list": [0, ""]})
    with pytest.raises(Unusable, match="gives no such list"):
        world.run()


def test_two_runs_race_for_the_pull_request(world: World) -> None:
    world.release()
    world.change(race="pr create")
    done = world.run()
    assert done.url == pull_of(world)["url"]


def test_push_is_rejected_when_the_branch_moved(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ci.remote import Remote

    world.release()
    push = Remote.push

    def later(self: Remote, *args: str) -> None:
        git(world.remote, "branch", BRANCH, "main")
        push(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Remote, "push", later)
    with pytest.raises(Finding, match="was refused"):
        world.run()
    assert world.tip() == world.tip("main")
    assert world.forge["pulls"] == []


def test_push_is_refused_by_the_remote(world: World) -> None:
    world.release()
    hook = world.remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho no to all >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    with pytest.raises(Finding) as e:
        world.run()
    assert "no to all" in str(e.value.found)
    assert world.forge["pulls"] == []


def test_a_checkout_that_is_not_on_main(world: World) -> None:
    world.release()
    git(world.small.root, "commit", "-q", "--allow-empty", "-m", "mine")
    with pytest.raises(Unusable, match="not on origin's main"):
        world.run()
    with pytest.raises(Unusable, match="not on origin's release"):
        world.run(base="release")


def test_no_remote(world: World) -> None:
    world.release()
    git(world.small.root, "remote", "remove", "origin")
    with pytest.raises(Unusable, match="has no remote origin"):
        world.run()
    assert world.run(apply=False).acts == OPENED


@pytest.mark.parametrize("to", ["1.2.3", "1.0.0", "main"])
def test_only_forward(world: World, to: str) -> None:
    with pytest.raises(Unusable, match="no release after the pinned one"):
        world.run(to=to)


CALL = """\
import sys
from pathlib import Path
from ci.bot import bot
from ci.forge_state import Wanted
from ci.github import GitHub
from scripts.checkout import Checkout
from tests.unit.ci.fake_forge import GOOD
root = Path(sys.argv[1])
bot(Checkout(root), Wanted(apply=True), GitHub(root), GOOD)
"""


def test_killed_between_push_and_pull_request(world: World) -> None:
    world.release()
    world.change(kill="pr create")
    line = [sys.executable, "-c", CALL, str(world.small.root)]
    dead = subprocess.run(line, cwd=ROOT, capture_output=True, check=False)
    assert dead.returncode == -9, dead.stderr.decode()
    tip = world.tip()
    assert tip and world.forge["pulls"] == []
    done = world.run()
    assert done.acts == (Act.OPEN_PULL,)
    assert world.tip() == tip
    assert len(world.forge["pulls"]) == 1


def test_two_runs_at_once(world: World) -> None:
    world.release()
    with (
        one_run(world.at.build / "bot/.lock", "make bot"),
        pytest.raises(Unusable, match="another run is at work here"),
    ):
        world.run()

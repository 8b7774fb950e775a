# SPDX-License-Identifier: Apache-2.0
"""The whole bot, on a bare repository, a real index and a recorded forge."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci import text
from ci.bot import Result
from ci.plan import Act, Quiet
from scripts import ROOT, lock
from scripts.errors import Finding, Unusable
from scripts.files import one_run
from tests.ci.bot_help import BAD, BESIDE, BRANCH, NEW, REWRITTEN, World, person
from tests.scripts.small import git

OPENED = (Act.PUSH, Act.OPEN_PULL)


def pull_of(world: World) -> dict[str, str]:
    rows = world.forge["pulls"]
    assert len(rows) == 1
    row: dict[str, str] = rows[0]
    return row


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
    assert text.NO_HARDWARE in body


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


def test_a_damaged_bundle_is_not_proposed(world: World) -> None:
    world.release()
    world.run(apply=False)
    shutil.rmtree(world.at.build / "bot/work")
    (world.at.build / "bot/proposal.bundle").write_bytes(b"no")
    assert world.run(made=True).quiet is Quiet.NOT_MADE


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


def test_conflict_is_one_issue(world: World) -> None:
    world.release(REWRITTEN)
    done = world.run()
    assert done.acts == (Act.OPEN_ISSUE,)
    (issue,) = world.forge["issues"]
    assert issue["title"] == f"The series does not carry to vLLM {NEW}"
    assert "0003" in issue["body"] and "conflict" in issue["body"]
    assert f"make port TO={NEW}" in issue["body"]
    assert world.forge["pulls"] == [] and world.tip() == ""
    world.calls()
    assert world.run().quiet is Quiet.TOLD
    # Main moves, the failure says the same: the key is kept up, nobody is told.
    world.commit("news", "of main\n")
    assert world.run().acts == (Act.EDIT_ISSUE,)
    assert world.calls() == ["issue edit"]
    assert world.run().quiet is Quiet.TOLD


def test_failed_test_is_one_issue_and_steady(world: World) -> None:
    world.release()
    assert world.run(BAD).acts == (Act.OPEN_ISSUE,)
    (issue,) = world.forge["issues"]
    body = issue["body"].replace("\r\n", "\n")
    assert "```\nFAILED tests/a.py::t\nFAILED tests/b.py::t\n2 failed\n```" in body
    assert "- wheel: not run" in body
    # The same failure, in other words and another order, is the same text.
    assert world.run(BAD, again=True).acts == ()
    assert len(world.forge["issues"]) == 1


def test_it_works_again(world: World) -> None:
    world.release()
    world.run(BAD)
    world.calls()
    done = world.run()
    assert done.acts == (*OPENED, Act.CLOSE_ISSUE)
    assert "issue close" in world.calls()
    (issue,) = world.forge["issues"]
    assert issue["state"] == "CLOSED"
    # Should the same come again, it is news again.
    world.change(pulls=[])
    git(world.remote, "branch", "-D", BRANCH)
    assert world.run(BAD).acts == (Act.EDIT_ISSUE, Act.REOPEN_ISSUE)
    assert world.forge["issues"][0]["state"] == "OPEN"
    assert len(world.forge["issues"]) == 1


def test_an_issue_that_a_person_closed_stays_closed(world: World) -> None:
    world.release()
    world.run(BAD)
    world.edit("issues", state="CLOSED")
    world.commit("news", "of main\n")
    assert world.run(BAD).acts == (Act.EDIT_ISSUE,)
    assert world.forge["issues"][0]["state"] == "CLOSED"


def test_a_held_issue_is_left_alone(world: World) -> None:
    world.release()
    world.run(BAD)
    world.label("issues", "hold")
    before = world.forge["issues"]
    world.commit("news", "of main\n")
    assert world.run(BAD).acts == ()
    assert world.forge["issues"] == before


def test_a_strangers_issue_is_not_the_bots(world: World) -> None:
    world.release()
    world.run(BAD)
    world.edit("issues", labels=[])
    assert world.run(BAD, again=True).acts == (Act.OPEN_ISSUE,)


def test_the_next_release_takes_the_issue_over(world: World) -> None:
    world.release(REWRITTEN)
    world.run()
    world.release(REWRITTEN, "1.4.0")
    assert world.run().acts == (Act.EDIT_ISSUE,)
    (issue,) = world.forge["issues"]
    assert issue["title"].endswith("1.4.0")


def test_issue_ends_when_a_person_carried_it(world: World) -> None:
    world.release(REWRITTEN)
    world.run()
    kept = world.small.lock_path.read_text(encoding="utf-8")
    world.commit(
        "upstream.lock", kept.replace('version = "1.2.3"', f'version = "{NEW}"')
    )
    assert world.run().acts == (Act.CLOSE_ISSUE,)
    assert world.forge["issues"][0]["state"] == "CLOSED"


def test_release_that_is_not_what_it_says_is_an_issue(world: World) -> None:
    world.release()
    name = f"vllm-{NEW}.tar.gz"
    world.site.files[name] = world.site.files[f"vllm-{NEW}-cp38-abi3-manylinux_2_28_"
                                              "x86_64.whl"]  # fmt: skip
    done = world.run()
    assert done.acts == (Act.OPEN_ISSUE,)
    assert "error: " in world.forge["issues"][0]["body"]


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


@pytest.mark.parametrize("to", ["1.2.3", "1.0.0", "main"])
def test_only_forward(world: World, to: str) -> None:
    with pytest.raises(Unusable, match="no release after the pinned one"):
        world.run(to=to)


CALL = """\
import sys
from pathlib import Path
from ci.bot import bot
from ci.look import Wanted
from ci.github import GitHub
from scripts.checkout import Checkout
from tests.ci.bot_help import GOOD
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


def test_report_is_json(world: World) -> None:
    from ci.render import as_data, as_text

    world.release()
    done = world.run()
    data = json.loads(json.dumps(as_data(done)))
    assert data["acts"] == ["push", "open_pull"] and data["proved"] is True
    shown = as_text(done)
    assert f"branch: {BRANCH} at {world.tip()[:12]}" in shown
    assert "done:" in shown

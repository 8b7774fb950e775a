# SPDX-License-Identifier: Apache-2.0
"""Failures of the whole bot: one issue, steady, and gone when it works again."""

from __future__ import annotations

from ci.plan import Act, Quiet
from tests.unit.ci.fake_forge import (
    BAD,
    BRANCH,
    NEW,
    OPENED,
    REWRITTEN,
    World,
)
from tests.unit.small import git


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

# SPDX-License-Identifier: Apache-2.0
"""The bot's texts: short enough, the same while nothing changes, calling nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ci import messages
from ci.steps import KEPT, steady, telling
from scripts.upstream.lock import Lock, Own
from tests.unit.small import Small

MARK = messages.Mark("0.34.0", "0123456789abcdef")


def test_a_long_text_is_cut_at_a_line_and_its_fence_closed() -> None:
    body = messages.framed(MARK, "```\n" + "a line of words\n" * 10_000 + "```\n")
    assert len(body) < 65_536
    assert body.count("```") % 2 == 0
    assert "Cut here" in body and body.rstrip().endswith(messages.END)
    assert messages.mark_of(body) == MARK


def test_what_people_wrote_survives_a_new_text_once() -> None:
    old = messages.framed(MARK, "old").replace("\n", "\r\n") + "Mine.\r\n"
    new = messages.renewed(old, messages.framed(MARK, "new"))
    assert "old" not in new and new.endswith("Mine.\n")
    assert messages.renewed(new, messages.framed(MARK, "new")) == new


def test_same_but_for_what_a_forge_does() -> None:
    body = messages.framed(MARK, "x")
    assert messages.same(body, body.replace("\n", "\r\n").rstrip())
    other = messages.framed(messages.Mark("0.34.0", "f" * 16), "x")
    assert not messages.same(body, other)
    assert messages.same(body, other, but_key=True)


def test_nobody_is_called_and_nothing_linked() -> None:
    said = "thanks @ada, see #12 and vllm#40082; `@x #1`\n```\n@y #2\n```\n"
    calm = messages.calm(said)
    assert "@ada" not in calm and "#12" not in calm and "vllm#40082" not in calm
    assert "`@x #1`" in calm and "```\n@y #2\n```" in calm


def test_an_error_cannot_leave_its_fence() -> None:
    body = messages.issue_body(MARK, None, ["```", "@everyone"])
    assert body.count("```") == 4
    assert "'''" in body


def test_only_what_stays_is_quoted() -> None:
    lines = [f"line {i}" for i in range(50)]
    assert telling(lines) == lines[-KEPT:]
    named = [f"FAILED tests/a.py::test_{i:02}" for i in range(50)]
    kept = telling([*reversed(named), "50 failed"])
    assert kept == [*named[: KEPT - 1], "50 failed"]
    assert steady("took 3 s in 12.5 seconds", Path("/x")) == "took 3 s"


def test_what_upstream_pins_and_what_the_series_requires_are_apart(
    small: Small,
) -> None:
    def on(pin: str) -> Lock:
        return replace(small.lock, upstream_companions={"torch": pin})

    said = messages.companions(on("2.14.0"), on("2.15.0"))
    assert "| torch | 2.14.0 | 2.15.0 |" in said
    own = replace(on("2.14.0"), own={"torch": Own("2.16.0", "p", "It is wrong.")})
    said = messages.companions(on("2.14.0"), own)
    assert said[0] == "What upstream pins beside vLLM stays as it was."
    assert "The series requires torch 2.16.0 in its place: It is wrong." in said

# SPDX-License-Identifier: Apache-2.0
"""Trailers: read as git reads them, and each value judged by its grammar."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.base.git import sealed_environment
from scripts.series import trailers
from tests.unit.small import message

GOOD = {
    "Origin": [
        "fork",
        "vllm-project/vllm#40082",
        "vllm-project/vllm#40082, rewritten",
        "a.b/c-d_e@4ba787ec9",
        "a/b@" + "0f" * 20 + ", rewritten",
    ],
    "Forwarded": [
        "no",
        "not-needed",
        "yes vllm-project/vllm#1",
        "yes https://lists.example.org/1",
    ],
    "Upstream-PR": ["none", "vllm-project/vllm#40082"],
    "Remove-When": [
        "Upstream selects it itself.",
        "upstream's MoEBackend has the name, or 0.34 drops the class",
    ],
    "Test": ["tests/a/test_b.py::test_c", "tests/a/test_b.py::TestC::test_d"],
}
BAD = {
    "Origin": ["", "own work", "vllm#40082", "a/b#0", "a/b@4ba78", "fork, rewritten"],
    "Forwarded": ["", "yes", "maybe", "no, later", "yes later"],
    "Upstream-PR": ["", "40082", "vllm#1", "None"],
    "Remove-When": [
        "",
        "never",
        "TODO name the release",
        "when <release> is out",
        "Upstream has it. Then we drop it.",
        "it is unknown when",
    ],
    "Test": [
        "",
        "test_c",
        "tests/a/test_b.py",
        "/tests/a.py::test_b",
        "tests/../a.py::test_b",
        "tests/a.txt::test_b",
        "tests/a.py::test_b[1]",
        "tests/a.py::A::B::c",
    ],
}


def by_git(body: str) -> list[tuple[str, str]]:
    """What git itself reads from a message with this body."""
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse", "--no-divider"],
        env=sealed_environment(),
        input=f"subject\n\n{body}\n".encode(),
        capture_output=True,
        check=True,
    )
    rows = done.stdout.decode("utf-8").split("\n")[:-1]
    return [(k, v.strip()) for k, _, v in (row.partition(":") for row in rows)]


def by_us(body: str) -> list[tuple[str, str]]:
    return [(t.key, t.value) for t in trailers.read(body)]


@pytest.mark.parametrize(
    "body",
    [
        "Why.\n\nOrigin: fork\nTest: a.py::b\nTest: a.py::c",
        "Origin: fork",
        "Why.\n\nRemove-When: upstream does\n what it says\n\tat last\nOrigin: fork",
        "Why.\n\nOrigin: fork\n\nThis paragraph is the last.",
        "Why.\n\nOrigin: fork\n\nTest: a.py::b\n\n",
        "Why.\n\nOrigin :fork\nTest:a.py::b",
        "Why.\n\n folded: but nothing above\nOrigin: fork",
        "Why.\n \nOrigin: fork",
        "Why.\nOrigin: fork",
        "no trailer at all",
        "",
    ],
)
def test_reads_as_git(body: str) -> None:
    assert by_us(body) == by_git(body)


WORD = st.text("abcXYZ019.,/#@'", min_size=1, max_size=8)
VALUE = st.lists(WORD, max_size=5).map(" ".join)
KEY = st.text("abcABC09-", min_size=1, max_size=9)
FOLD = st.lists(st.tuples(st.sampled_from(" \t"), WORD).map("".join), max_size=2)
TRAILER = st.tuples(KEY, VALUE, FOLD).map(
    lambda t: "\n".join([f"{t[0]}: {t[1]}".rstrip(), *t[2]])
)
PROSE = st.lists(WORD, min_size=1, max_size=6).map(lambda w: " ".join(["It", *w]))


@settings(max_examples=60, deadline=None)
@given(st.lists(PROSE, max_size=2), st.lists(TRAILER, min_size=1, max_size=5))
def test_any_block_is_read_as_git_reads_it(prose: list[str], block: list[str]) -> None:
    body = "\n\n".join([*prose, "\n".join(block)])
    found = by_us(body)
    assert len(found) == len(block)
    assert found == by_git(body)


def test_a_stray_line_makes_it_no_block() -> None:
    """Stricter than git, which takes a block that is trailers in part."""
    body = "Why.\n\nOrigin: fork\nSigned-off-by: A <a@b>\nstray line"
    assert len(by_git(body)) == 2
    assert by_us(body) == []


def test_values_by_key_and_lines() -> None:
    body = "Why.\n\nTest: a.py::b\nOrigin: fork\nTest: a.py::c"
    assert trailers.trailers(body) == {
        "Test": ["a.py::b", "a.py::c"],
        "Origin": ["fork"],
    }
    assert [t.line for t in trailers.read(body)] == [3, 4, 5]
    assert trailers.description(body) == "Why."


def body_with(key: str, value: str) -> str:
    """A good message whose trailer `key` has `value`, and the rest its own."""
    rows = message("subject").split("\n")[2:]
    return "\n".join(f"{key}: {value}" if r.startswith(f"{key}:") else r for r in rows)


@pytest.mark.parametrize(("key", "value"), [(k, v) for k in GOOD for v in GOOD[k]])
def test_good_value(key: str, value: str) -> None:
    body = body_with(key, value)
    assert f"{key}: {value}" in body
    assert list(trailers.faults(body)) == []


@pytest.mark.parametrize(("key", "value"), [(k, v) for k in BAD for v in BAD[k]])
def test_bad_value(key: str, value: str) -> None:
    body = body_with(key, value)
    (fault,) = trailers.faults(body)
    assert (fault.key, fault.what) == (key, "malformed trailer")
    assert body.split("\n")[fault.line - 1] == f"{key}: {value}"


@pytest.mark.parametrize("key", list(GOOD))
def test_missing(key: str) -> None:
    rows = message("subject").strip().split("\n")[2:]
    (fault,) = trailers.faults(
        "\n".join(r for r in rows if not r.startswith(f"{key}:"))
    )
    assert (fault.key, fault.what) == (key, "missing trailer")


def test_twice_and_misspelt() -> None:
    body = body_with("Origin", "fork\nOrigin: fork")
    assert [f.what for f in trailers.faults(body)] == ["trailer comes twice"]
    body = body_with("Remove-When", "x").replace("Remove-When: x", "Remove-when: It is")
    faults = {(f.key, f.what, f.expected) for f in trailers.faults(body)}
    assert ("Remove-when", "misspelt trailer", "Remove-When") in faults
    # Which would be the same mistake, said twice.
    assert not any(what == "missing trailer" for _, what, _ in faults)


def test_named_test() -> None:
    found = trailers.named_test("tests/a.py::TestB::test_c")
    assert found == trailers.NamedTest("tests/a.py", ("TestB", "test_c"))
    assert trailers.named_test("tests/a.py") is None

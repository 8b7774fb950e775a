# SPDX-License-Identifier: Apache-2.0
"""A patch's bytes, header and message: each fault at its file:line."""

from __future__ import annotations

import pytest

from scripts.series.check import Rule
from tests.unit.series.check.planted import KERNEL, at, found, tamper, text_of
from tests.unit.small import Small, message


def test_unreadable_patch_does_not_hide_the_others(small: Small) -> None:
    small.edit(message("docs: plant"), "docs/backends.md", "- marlin\n", "- marlin \n")
    small.export()
    lines = text_of(small, 1).split("\n")
    tamper(small, 1, lambda data: data[: data.rindex(b"\n ")] + b"\n")
    problems = found(small)
    unread = [p for p in problems if p[2] is Rule.PARSE]
    assert unread == [(f"patches/{small.names[0]}", len(lines) - 2, Rule.PARSE)]
    # 0003 touches the same file as 0001: its fault there is 0001's.
    assert [p for p in problems if p not in unread] == [
        at(small, 4, "+- marlin ", Rule.WHITESPACE)
    ]


def test_crlf_patch(small: Small) -> None:
    tamper(small, 2, lambda data: data.replace(b"\n", b"\r\n"))
    name = f"patches/{small.names[1]}"
    assert found(small) == [(name, 1, Rule.BYTES)]


def test_crlf_in_the_message(small: Small) -> None:
    tamper(small, 2, lambda d: d.replace(b"\n\nThe probe", b"\n\r\nThe probe"))
    problems = found(small)
    assert (f"patches/{small.names[1]}", 5, Rule.BYTES) in problems


def test_no_newline_at_the_end(small: Small) -> None:
    last = text_of(small, 3).count("\n")
    tamper(small, 3, lambda data: data[:-1])
    assert (f"patches/{small.names[2]}", last, Rule.BYTES) in found(small)


def test_byte_order_mark(small: Small) -> None:
    tamper(small, 3, lambda data: b"\xef\xbb\xbf" + data)
    assert (f"patches/{small.names[2]}", 1, Rule.BYTES) in found(small)


def test_message_is_not_utf8(small: Small) -> None:
    tamper(small, 1, lambda d: d.replace(b"Users choose", b"Us\xe9rs choose"))
    assert (f"patches/{small.names[0]}", 6, Rule.BYTES) in found(small)


def test_commit_id(small: Small) -> None:
    tamper(small, 1, lambda d: d.replace(b"0" * 40, b"0123456789" * 4, 1))
    assert found(small) == [(f"patches/{small.names[0]}", 1, Rule.HEADER)]


@pytest.mark.parametrize("subject", ["word " * 14 + "end", "it ends."])
def test_subject(small: Small, subject: str) -> None:
    small.edit(message(subject), KERNEL, '"""Kernel selection."""', '"""Kernels."""')
    small.export()
    assert found(small) == [(f"patches/{small.names[3]}", 4, Rule.SUBJECT)]


@pytest.mark.parametrize(
    "line",
    [
        "word " * 15 + "end",
        "---",
        "diff -u a b",
        "Index: file",
        "From " + "0" * 40 + " here",
    ],
)
def test_line_of_the_body(small: Small, line: str) -> None:
    text = message("docs: plant", f"Why.\n\n{line}\nMore.")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    expected = at(small, 4, line, Rule.BODY)
    assert found(small) == [expected]


def test_white_space_in_the_body(small: Small) -> None:
    """git writes none, so that only a hand can."""
    tamper(small, 1, lambda data: data.replace(b"by name.\n", b"by name. \n"))
    assert found(small) == [at(small, 1, "Users choose it by name. ", Rule.BODY)]


def test_address_and_trailer_may_be_long(small: Small) -> None:
    address = "https://example.org/" + "a" * 80
    text = message("docs: plant", f"Why.\n\n  - {address}")
    text = text.replace("selects this backend", "selects this backend, " * 4 + "alone")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == []


def test_no_description(small: Small) -> None:
    text = message("docs: plant").replace("Users choose it by name.\n\n", "")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == [(f"patches/{small.names[3]}", 6, Rule.DESCRIPTION)]


def test_trailer_is_malformed(small: Small) -> None:
    text = message("docs: plant").replace("Forwarded: no", "Forwarded: perhaps")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == [at(small, 4, "Forwarded: perhaps", Rule.TRAILER)]


def test_trailer_is_missing(small: Small) -> None:
    text = message("docs: plant").replace("Origin: vllm-project/vllm#40082", "X: y")
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    # Reported where the block ends.
    _, line, _ = at(
        small, 4, "Test: tests/config/test_kernel.py::test_names", Rule.TEST
    )
    assert found(small) == [(f"patches/{small.names[3]}", line, Rule.TRAILER)]


def test_remove_when_is_a_placeholder(small: Small) -> None:
    text = message("docs: plant").replace(
        "Upstream selects this backend itself.", "TODO say when"
    )
    small.edit(text, "docs/backends.md", "- cutlass\n", "- c\n")
    small.export()
    assert found(small) == [at(small, 4, "Remove-When: TODO say when", Rule.TRAILER)]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        # Other bytes for the same change: the heading of a hunk, the address.
        ((b"@@ class KernelConfig:", b"@@"), None),
        ((b"Ada Author <ada", b'"Ada Author" <ada'), 2),
        ((b" +0000\n", b" -0000\n"), 3),
    ],
)
def test_not_canonical(
    small: Small, change: tuple[bytes, bytes], line: int | None
) -> None:
    where = text_of(small, 3)[: text_of(small, 3).index("@@")].count("\n") + 1
    assert change[0] in text_of(small, 3).encode()
    tamper(small, 3, lambda data: data.replace(*change))
    name = f"patches/{small.names[2]}"
    assert found(small) == [(name, line or where, Rule.CANONICAL)]

# SPDX-License-Identifier: Apache-2.0
"""The case that each patch makes for itself, in trailers of its message.

Five keys are required, in any order, beside others such as `Signed-off-by`:

- `Origin`: `fork`, `<owner>/<repo>#<number>` or `<owner>/<repo>@<commit>`; the
  last two may end with `, rewritten`. Where the change comes from.
- `Forwarded`: `no`, `not-needed` or `yes <ref>`. Whether upstream was asked.
- `Upstream-PR`: `<owner>/<repo>#<number>` or `none`. Upstream's pull request
  for the same purpose.
- `Remove-When`: one sentence, the state of upstream in which the patch goes.
- `Test`: `<path>::<name>` or `<path>::<class>::<name>` in the patched vLLM
  tree, a test that fails without the patch. May come more than once.

`<commit>` has 7 to 40 hex digits, `<ref>` is `<owner>/<repo>#<number>` or an
https address, `<path>` is a relative path of a `.py` file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

GRAMMAR = "scripts/series/trailers.py"
MISSING = "missing trailer"


class Key(Enum):
    """A trailer that every patch has."""

    ORIGIN = "Origin"
    """Where the change comes from."""
    FORWARDED = "Forwarded"
    """Whether upstream was asked to take it."""
    UPSTREAM_PR = "Upstream-PR"
    """Upstream's pull request for the same purpose."""
    REMOVE_WHEN = "Remove-When"
    """When the patch is dropped."""
    TEST = "Test"
    """The test that fails without it."""


_PR = r"[A-Za-z0-9][\w.-]*/[\w.-]+#[1-9]\d*"
_COMMIT = r"[A-Za-z0-9][\w.-]*/[\w.-]+@[0-9a-f]{7,40}"
_GRAMMAR = {
    Key.ORIGIN: (
        re.compile(rf"fork|(?:{_PR}|{_COMMIT})(?:, rewritten)?"),
        "fork, <owner>/<repo>#<number> or <owner>/<repo>@<commit>[, rewritten]",
    ),
    Key.FORWARDED: (
        re.compile(rf"no|not-needed|yes (?:{_PR}|https://\S+)"),
        "no, not-needed or yes <owner>/<repo>#<number>",
    ),
    Key.UPSTREAM_PR: (
        re.compile(rf"none|{_PR}"),
        "<owner>/<repo>#<number> or none",
    ),
    Key.REMOVE_WHEN: (
        # Three words are the least that can name a state of upstream; a stop
        # and a capital start a second sentence.
        re.compile(r"(?!.*[.!?] +[A-Z])\S+(?: \S+){2,}"),
        "one sentence that names the state of upstream in which the patch goes",
    ),
    Key.TEST: (
        re.compile(r"(?![/.])(?!.*/\.{1,2}/)[\w./-]+\.py(?:::[A-Za-z_]\w*){1,2}"),
        "<path>.py::<name> in the patched vLLM tree",
    ),
}
_PLACEHOLDER = re.compile(r"\b(todo|tbd|tba|fixme|xxx+|unknown|n/a)\b|\?\?|<.*>", re.I)
_TRAILER = re.compile(r"([A-Za-z0-9-]+)[ \t]*:(.*)")


@dataclass(frozen=True)
class Fault:
    """A trailer that is missing or malformed."""

    key: str
    what: str
    expected: str
    line: int
    """Line within the body, from 1, that shows it."""


@dataclass(frozen=True)
class Trailer:
    """One trailer as it stands in the message."""

    key: str
    value: str
    """Unfolded, without outer blanks."""
    line: int
    """Line within the body, from 1."""


@dataclass(frozen=True)
class NamedTest:
    """The value of a `Test` trailer."""

    path: str
    names: tuple[str, ...]
    """A function, or a class and its method."""


def read(body: str) -> list[Trailer]:
    """The trailers of a message, in order, with their lines.

    The last paragraph counts when each of its lines is `Key: value` or, with
    leading white space, continues the line above. For such a paragraph the
    result is that of `git interpret-trailers --parse`. git also takes a
    paragraph that is trailers only in part; here that is no trailer at all, so
    that a stray line is found and not overlooked.

    Args:
        body: The message after its subject.
    """
    lines = body.split("\n")
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    start = end
    while start and lines[start - 1].strip():
        start -= 1
    found: list[Trailer] = []
    for number, line in enumerate(lines[start:end], start + 1):
        if line[0] in " \t":
            if not found:
                return []
            last = found.pop()
            value = f"{last.value} {line.strip()}".strip()
            found.append(Trailer(last.key, value, last.line))
        elif match := _TRAILER.fullmatch(line):
            found.append(Trailer(match[1], match[2].strip(), number))
        else:
            return []
    return found


def trailers(body: str) -> dict[str, list[str]]:
    """Trailer values by key, in order; `read` says what counts.

    >>> trailers("Why.\\n\\nOrigin: fork\\nTest: tests/a.py::b\\nTest: tests/a.py::c")
    {'Origin': ['fork'], 'Test': ['tests/a.py::b', 'tests/a.py::c']}
    """
    found: dict[str, list[str]] = {}
    for trailer in read(body):
        found.setdefault(trailer.key, []).append(trailer.value)
    return found


def description(body: str) -> str:
    """The body without its trailers.

    >>> description("Why.\\n\\nOrigin: fork")
    'Why.'
    """
    found = read(body)
    lines = body.split("\n")
    return "\n".join(lines[: found[0].line - 1] if found else lines).strip()


def named_test(value: str) -> NamedTest | None:
    """Read the value of a `Test` trailer; None when it is malformed."""
    if not _GRAMMAR[Key.TEST][0].fullmatch(value):
        return None
    path, *names = value.split("::")
    return NamedTest(path, tuple(names))


def faults(body: str) -> Iterator[Fault]:
    """Everything that is wrong with the trailers of a message."""
    found = read(body)
    last = len(body.rstrip("\n").split("\n"))
    known = {key.value for key in Key}
    meant: set[str] = set()
    for trailer in found:
        proper = {k.lower(): k for k in known}.get(trailer.key.lower(), trailer.key)
        if proper != trailer.key:
            meant.add(proper)
            yield Fault(trailer.key, "misspelt trailer", proper, trailer.line)
    for key in Key:
        grammar, expected = _GRAMMAR[key]
        same = [t for t in found if t.key == key.value]
        if not same and key.value not in meant:
            yield Fault(key.value, MISSING, f"{key.value}: {expected}", last)
        if key is not Key.TEST:
            for again in same[1:]:
                yield Fault(key.value, "trailer comes twice", "one", again.line)
        for trailer in same:
            if _PLACEHOLDER.search(trailer.value) or not grammar.fullmatch(
                trailer.value
            ):
                yield Fault(key.value, "malformed trailer", expected, trailer.line)

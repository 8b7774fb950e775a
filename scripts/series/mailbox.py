# SPDX-License-Identifier: Apache-2.0
"""Mailbox patches, as `git format-patch` writes them, into dataclasses.

Only the canonical form is read: full blob ids, `a/` and `b/`, no renames, no
binary hunks, no signature. Whatever else a mail may hold is an error with the
line that shows it, because a reader that guesses could apply something else
than a person reviewed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import mktime_tz, parsedate_tz
from hashlib import sha256

from scripts.series.diff import FilePatch, Hunk, Reader, parse_file

__all__ = ["FilePatch", "Hunk", "Patch", "parse"]


@dataclass(frozen=True)
class Patch:
    """One patch of the series."""

    name: str
    """File name in `patches/`."""
    author: str
    email: str
    date: str
    """As git stores it: seconds since 1970 and the zone, `1795455327 +0000`."""
    subject: str
    body: str
    """The message after the subject, trailers included, without outer newlines."""
    files: tuple[FilePatch, ...]
    sha256: str
    body_at: int
    """Line of the first line after the header, from 1."""

    @property
    def number(self) -> str:
        return self.name[:4]

    @property
    def message(self) -> str:
        """The commit message, with its last newline."""
        return f"{self.subject}\n\n{self.body}\n" if self.body else f"{self.subject}\n"


_FROM = re.compile(rb"From [0-9a-f]{40} Mon Sep 17 00:00:00 2001\n")
_ZONE = re.compile(r" [+-]\d{4}$")
_HEADERS = {"From", "Date", "Subject", "MIME-Version", "Content-Type"}
_HEADERS |= {"Content-Transfer-Encoding"}


def _headers(r: Reader) -> dict[str, str]:
    if not _FROM.fullmatch(r.peek()):
        raise r.fail(
            "this is no patch of git format-patch", "From <id> Mon Sep 17 00:00:00 2001"
        )
    r.take()
    found: dict[str, str] = {}
    key = ""
    while (line := r.peek()) not in (b"\n", b""):
        try:
            text = line.decode("utf-8").rstrip("\n")
        except UnicodeDecodeError as e:
            raise r.fail("a header is not UTF-8", "UTF-8", str(e)) from e
        if text.startswith((" ", "\t")) and key:
            found[key] += " " + text.strip()
        else:
            key, colon, value = text.partition(": ")
            if not colon or key not in _HEADERS or key in found:
                raise r.fail("unknown header", ", ".join(sorted(_HEADERS)))
            found[key] = value
        r.take()
    for need in ("From", "Date", "Subject"):
        if need not in found:
            raise r.fail(f"header {need} is missing", f"{need}: ...")
    r.take()
    return found


def _decoded(r: Reader, value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError) as e:
        raise r.fail("a header cannot be decoded", "RFC 2047", str(e)) from e


def _author(r: Reader, value: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+?) <([^<>]*)>", value)
    if not match:
        raise r.fail("the author cannot be read", "Name <address>", value)
    name = _decoded(r, match[1])
    if name.startswith('"') and name.endswith('"'):
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name, match[2]


def _date(r: Reader, value: str) -> str:
    parts = parsedate_tz(value)
    if parts is None or parts[9] is None or not _ZONE.search(value):
        raise r.fail("the date cannot be read", "RFC 2822 with a zone", value)
    minutes = abs(parts[9]) // 60
    sign = "-" if parts[9] < 0 else "+"
    return f"{mktime_tz(parts)} {sign}{minutes // 60:02}{minutes % 60:02}"


def parse(name: str, data: bytes) -> Patch:
    """Read one patch.

    Args:
        name: Its file name, for messages and `Patch.name`.
        data: Its bytes.

    Raises:
        Finding: It is not in the canonical form; the message has `file:line`.
    """
    r = Reader(name, data)
    if b"\r\n" in data[: data.find(b"\n") + 1]:
        raise r.fail(
            "the patch has CRLF line ends", "LF, as git format-patch writes", "CRLF"
        )
    headers = _headers(r)
    author, email = _author(r, headers["From"])
    date = _date(r, headers["Date"])
    subject = _decoded(r, headers["Subject"])
    if not subject.startswith("[PATCH] "):
        raise r.fail("the subject has no [PATCH]", "Subject: [PATCH] ...", subject)
    body_at = r.i + 1
    body: list[bytes] = []
    while r.peek() and not r.peek().startswith(b"diff --git "):
        body.append(r.take())
    files: list[FilePatch] = []
    while r.peek().startswith(b"diff --git "):
        files.append(parse_file(r))
    if r.peek():
        raise r.fail("text that belongs to no hunk", "the end of the patch")
    if not files:
        raise r.fail("the patch changes no file", "diff --git a/X b/X")
    try:
        text = b"".join(body).decode("utf-8").strip("\n")
    except UnicodeDecodeError as e:
        raise r.fail("the message is not UTF-8", "UTF-8", str(e)) from e
    return Patch(
        name=name,
        author=author,
        email=email,
        date=date,
        subject=subject.removeprefix("[PATCH] "),
        body=text,
        files=tuple(files),
        sha256=sha256(data).hexdigest(),
        body_at=body_at,
    )

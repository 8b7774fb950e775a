# SPDX-License-Identifier: Apache-2.0
"""Headers of Debian's DEP-3 (https://dep-team.pages.debian.net/deps/dep3/).

The diff below them stays as it is, byte for byte, blob ids included.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from scripts.series.mailbox import Patch
from scripts.series.origin import UPSTREAM_URL
from scripts.series.trailers import Key, description, trailers

_HOST = UPSTREAM_URL.removesuffix("/vllm-project/vllm")
_UPSTREAM = "vllm-project/vllm"


def url(reference: str) -> str:
    """Address of `<owner>/<repo>#<number>` or `<owner>/<repo>@<commit>`.

    >>> url("vllm-project/vllm#40082")
    'https://github.com/vllm-project/vllm/pull/40082'
    """
    for mark, kind in (("#", "pull"), ("@", "commit")):
        repo, found, name = reference.partition(mark)
        if found:
            return f"{_HOST}/{repo}/{kind}/{name}"
    return reference


def origin(value: str) -> str:
    """DEP-3's Origin for the trailer of that name.

    A pull request is no commit of upstream's, and so `other`.

    >>> origin("fork")
    'other, the SM12x patch series'
    >>> origin("vllm-project/vllm#40082, rewritten")
    'other, https://github.com/vllm-project/vllm/pull/40082, rewritten'
    >>> origin("vllm-project/vllm@4ba787ec9")
    'upstream, https://github.com/vllm-project/vllm/commit/4ba787ec9'
    """
    if value == "fork":
        return "other, the SM12x patch series"
    reference, _, rewritten = value.partition(", ")
    kind = "other"
    if reference.startswith(f"{_UPSTREAM}@"):
        kind = "backport" if rewritten else "upstream"
    return ", ".join(x for x in (kind, url(reference), rewritten) if x)


def date(stored: str) -> str:
    """The day of an author's date, where the author was.

    >>> date("1795455327 +0200")
    '2026-11-23'
    """
    seconds, zone = stored.split()
    minutes = int(zone[1:3]) * 60 + int(zone[3:])
    offset = timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    when = datetime.fromtimestamp(int(seconds), UTC).astimezone(timezone(offset))
    return when.strftime("%Y-%m-%d")


def header(patch: Patch) -> str:
    """The fields for one patch, with the blank line that ends them.

    Upstream-PR, Remove-When and Test are the series' own and keep their names.
    """
    found = trailers(patch.body)

    def first(key: Key) -> str:
        return " ".join(found.get(key.value, []))

    text = description(patch.body)
    long = "".join(f" {line or '.'}\n" for line in text.split("\n")) if text else ""
    forwarded = first(Key.FORWARDED) or "no"
    pr = first(Key.UPSTREAM_PR) or "none"
    rows = [
        f"Description: {patch.subject}\n{long}".rstrip("\n"),
        f"Author: {patch.author} <{patch.email}>",
        f"Origin: {origin(first(Key.ORIGIN) or 'fork')}",
        f"Forwarded: {url(forwarded.removeprefix('yes '))}",
        f"Last-Update: {date(patch.date)}",
        f"Upstream-PR: {url(pr)}",
    ]
    rows += [f"{Key.REMOVE_WHEN.value}: {v}" for v in found.get("Remove-When", [])]
    rows += [f"{Key.TEST.value}: {v}" for v in found.get("Test", [])]
    return "\n".join(rows) + "\n\n"


def with_header(patch: Patch, data: bytes) -> bytes:
    """The patch's diffs under a DEP-3 header in place of the mail's.

    Args:
        patch: The patch.
        data: Its bytes.
    """
    start = re.search(rb"^diff --git ", data, re.MULTILINE)
    assert start is not None  # the parser found one
    return header(patch).encode("utf-8") + data[start.start() :]

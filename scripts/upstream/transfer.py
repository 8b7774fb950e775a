# SPDX-License-Identifier: Apache-2.0
"""Bring one file over HTTP, going on where an earlier transfer stopped."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import BinaryIO

import requests
from urllib3.exceptions import HTTPError

from scripts.base.console import Bar, bytes_progress, note
from scripts.base.errors import Finding, Unusable
from scripts.base.files import REMADE
from scripts.upstream import index
from scripts.upstream.lock import Artifact

CHUNK = 1 << 16
"""Bytes; a killed run loses less than that of what came."""
GAIN = 16 << 20
"""Bytes; an attempt that brought so many more gives all tries back."""


def transfer(
    session: requests.Session, url: str, part: Path, artifact: Artifact
) -> None:
    """Fill `part` up to the artifact's size; the caller checks the digest.

    A transfer that is cut goes on where it stopped, in this run or the next.

    Raises:
        Finding: The server has a file of another length.
        Unusable: The server or the disk fails; `part` keeps what there is.
    """
    try:
        fd = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(fd, "r+b") as f:
            have = f.seek(0, os.SEEK_END)
            if have > artifact.size:
                _start_over(f)
                have = 0
            with bytes_progress(artifact.filename, artifact.size, have) as bar:
                _fill(session, url, f, artifact, bar)
            f.flush()
            os.fsync(f.fileno())
    except requests.RequestException as e:
        raise _failed(url, artifact, index.reason(e)) from e
    except OSError as e:
        raise Unusable(
            f"cannot write {artifact.filename}: {e.strerror or e}",
            where=str(part),
            expected=f"room for {artifact.size:,} bytes",
            next=f"free the disk ({REMADE}), or set SM12X_CACHE to a folder elsewhere; "
            "the next run goes on where this one stopped",
        ) from e


def _fill(
    session: requests.Session,
    url: str,
    f: BinaryIO,
    artifact: Artifact,
    bar: Bar,
) -> None:
    best = f.tell()
    left = index.TRIES
    while f.tell() < artifact.size:
        why = _attempt(session, url, f, artifact, bar)
        if f.tell() >= artifact.size:
            return
        if f.tell() >= best + GAIN:
            left = index.TRIES
        best = max(best, f.tell())
        left -= 1
        if left == 0:
            raise _failed(url, artifact, why)
        note(f"{artifact.filename}: cut at byte {f.tell():,} ({why}); going on")
        time.sleep(index.BACKOFF * 2 ** (index.TRIES - left - 1))


def _attempt(
    session: requests.Session,
    url: str,
    f: BinaryIO,
    artifact: Artifact,
    bar: Bar,
) -> str:
    """Make one request; returns why it ended, which matters if it ended early."""
    have = f.tell()
    # The bytes as they lie there: a .tar.gz must not be unpacked on its way.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with session.get(url, headers=headers, stream=True, timeout=index.TIMEOUT) as r:
        span = re.match(r"bytes (\d+)-", r.headers.get("Content-Range", ""))
        if have and r.status_code == 206 and span and int(span[1]) == have:
            pass
        elif have and r.status_code in (206, 416):
            have = _start_over(f)
            bar.restart()
            return f"status {r.status_code} for a range that it does not have"
        elif r.status_code == 200:
            have = _start_over(f)
            bar.restart()
        else:
            r.raise_for_status()
            raise _failed(url, artifact, f"status {r.status_code}")
        announced = r.headers.get("Content-Length", "")
        if announced.isdigit() and have + int(announced) != artifact.size:
            raise _other_length(url, artifact, f"{have + int(announced):,} bytes")
        try:
            for chunk in r.raw.stream(CHUNK, decode_content=False):
                if f.tell() + len(chunk) > artifact.size:
                    raise _other_length(url, artifact, "more bytes than that")
                f.write(chunk)
                f.flush()
                bar.advance(len(chunk))
        except HTTPError as e:
            return index.reason(e)
    return "the server closed the connection"


def _start_over(f: BinaryIO) -> int:
    f.seek(0)
    f.truncate()
    return 0


def _other_length(url: str, artifact: Artifact, found: str) -> Finding:
    return Finding(
        f"the server has another {artifact.filename} than the one that is pinned",
        where=index.masked(url),
        expected=f"{artifact.size:,} bytes, sha256 {artifact.sha256}",
        found=found,
        next=f"{index.ELSEWHERE}; is the size in upstream.lock right? (git diff says)",
    )


def _failed(url: str, artifact: Artifact, why: str) -> Unusable:
    return Unusable(
        f"cannot download {artifact.filename}",
        where=index.masked(url),
        expected=f"{artifact.size:,} bytes, sha256 {artifact.sha256}",
        found=why,
        next="run it again, which goes on where this run stopped; or "
        + index.ELSEWHERE,
    )

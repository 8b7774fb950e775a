# SPDX-License-Identifier: Apache-2.0
"""A static package index: two pages that any web server, or `file://`, can serve.

PEP 503 pages with digests, PEP 658 metadata beside each wheel, under the name
of the attribute that PEP 714 gave it and the old one.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from packaging.metadata import parse_email

from scripts.base.errors import Finding

FOLDER = "simple"
PROJECT = "vllm"
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="1.0">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
{links}</body>
</html>
"""


@dataclass(frozen=True)
class Entry:
    """One file of the index."""

    name: str
    sha256: str
    requires_python: str | None
    """Of its metadata."""
    metadata_sha256: str | None
    """Of `NAME.metadata` beside it; None where there is none."""


def metadata_of(wheel: Path) -> bytes:
    """METADATA of a wheel, as it stands.

    Raises:
        Finding: The wheel has none, or two.
    """
    with zipfile.ZipFile(wheel) as z:
        found = [n for n in z.namelist() if n.endswith(".dist-info/METADATA")]
        if len(found) != 1:
            raise Finding(
                "no metadata in the wheel", str(wheel), "one METADATA", f"{found}"
            )
        return z.read(found[0])


def requires_python(metadata: bytes) -> str | None:
    """The header Requires-Python.

    >>> requires_python(b"Metadata-Version: 2.4\\nRequires-Python: <3.15,>=3.10\\n")
    '<3.15,>=3.10'
    """
    return parse_email(metadata)[0].get("requires_python")


def project_page(entries: Sequence[Entry], files_url: str = "") -> str:
    """The page of the project.

    Args:
        entries: Its files, in the order in which they are listed.
        files_url: Where the files lie; relative to the page if empty, two
            folders up.
    """
    base = files_url.rstrip("/") + "/" if files_url else "../../"
    links = "".join(_link(entry, base) for entry in entries)
    return _PAGE.format(title=f"Links for {PROJECT}", links=links)


def _link(entry: Entry, base: str) -> str:
    # A plus is a space to some servers; quote() makes it %2B.
    where = f"{base}{quote(entry.name)}#sha256={entry.sha256}"
    attributes = {"href": where}
    if entry.requires_python:
        attributes["data-requires-python"] = entry.requires_python
    if entry.metadata_sha256:
        for key in ("data-core-metadata", "data-dist-info-metadata"):
            attributes[key] = f"sha256={entry.metadata_sha256}"
    text = " ".join(f'{k}="{escape(v)}"' for k, v in attributes.items())
    return f"<a {text}>{escape(entry.name)}</a><br>\n"


def root_page() -> str:
    """The page that lists the one project."""
    link = f'<a href="{PROJECT}/">{PROJECT}</a>\n'
    return _PAGE.format(title="Simple index", links=link)

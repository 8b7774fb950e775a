# SPDX-License-Identifier: Apache-2.0
"""The package index: its address, how to talk to it, and what it offers.

The library for it takes a third of a second to import, and most runs ask no index:
it is imported where it is used.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from scripts.base.errors import Unusable

if TYPE_CHECKING:
    import requests
    from pypi_simple import DistributionPackage, ProjectPage

TIMEOUT = (15.0, 60.0)
"""Seconds to connect, and between two pieces of an answer."""
TRIES = 4
BACKOFF = 0.5
"""Seconds before the second try; doubled before each later one."""

ELSEWHERE = (
    "set UPSTREAM_INDEX_URL to an index that has it, or UPSTREAM_DIR to a folder"
)


@dataclass(frozen=True)
class Offer:
    """A file as the index announces it; None is what it leaves out."""

    filename: str
    url: str
    sha256: str | None
    size: int | None
    """Bytes."""
    yanked: bool


@dataclass(frozen=True)
class Index:
    """A simple package index (PEP 503 and 691)."""

    url: str
    session: requests.Session

    def offers(self, project: str) -> list[Offer]:
        """All files of a project, in the order of the index's page.

        Raises:
            Unusable: The index cannot be reached or has no such project.
        """
        from pypi_simple import UnsupportedContentTypeError, UnsupportedRepoVersionError
        from pypi_simple.errors import NoSuchProjectError

        try:
            page = self._page(project)
        except NoSuchProjectError as e:
            raise self._trouble(project, "it has no such project") from e
        except (
            OSError,  # what requests raises, too
            ValueError,  # no JSON, or JSON of another shape
            UnsupportedContentTypeError,
            UnsupportedRepoVersionError,
        ) as e:
            raise self._trouble(project, reason(e)) from e
        return [self._offer(package) for package in page.packages]

    def length(self, offer: Offer) -> int | None:
        """Bytes of a file whose length the page leaves out; None if unknown."""
        try:
            if urlsplit(offer.url).scheme == "file":
                return local_path(offer.url).stat().st_size
            answer = self.session.head(
                offer.url,
                headers={"Accept-Encoding": "identity"},
                timeout=TIMEOUT,
                allow_redirects=True,
            )
        except OSError:
            return None
        announced = answer.headers.get("Content-Length", "")
        return int(announced) if answer.ok and announced.isdigit() else None

    def _page(self, project: str) -> ProjectPage:
        from pypi_simple import ProjectPage, PyPISimple

        if urlsplit(self.url).scheme != "file":
            client = PyPISimple(self.url, session=self.session)
            return client.get_project_page(project, timeout=TIMEOUT)
        base = f"{self.url.rstrip('/')}/{project}/"
        html = (local_path(base) / "index.html").read_bytes()
        return ProjectPage.from_html(project, html, base_url=base)

    def _offer(self, package: DistributionPackage) -> Offer:
        url = urlsplit(package.url)
        ours = urlsplit(self.url)
        # As pip does: who may read the index's page may read its files.
        if "@" in ours.netloc and url.netloc == ours.netloc.rpartition("@")[2]:
            url = url._replace(netloc=ours.netloc)
        sha256 = package.digests.get("sha256")
        return Offer(
            filename=package.filename,
            url=urlunsplit(url),
            sha256=sha256.lower() if sha256 else None,
            size=package.size,
            yanked=package.is_yanked,
        )

    def _trouble(self, project: str, found: str) -> Unusable:
        return Unusable(
            f"the package index gives no list of the files of {project}",
            where=masked(self.url),
            found=found,
            next=ELSEWHERE,
        )


def open_index() -> Index:
    """The index that the machine is set up for.

    In this order: UPSTREAM_INDEX_URL, PIP_INDEX_URL, UV_DEFAULT_INDEX,
    UV_INDEX_URL, pip's configuration, the library's default.
    """
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    pip = pip_settings()
    names = ("UPSTREAM_INDEX_URL", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    chosen = next(filter(None, map(os.environ.get, names)), None)
    chosen = chosen or pip.get("index-url") or PYPI_SIMPLE_ENDPOINT
    # uv allows a name before the address.
    return Index(re.sub(r"^[\w.-]+=(?=\w+://)", "", chosen), _session(pip))


def _session(pip: dict[str, str]) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    session = requests.Session()  # honours *_PROXY, .netrc and REQUESTS_CA_BUNDLE
    ca = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if ca := ca or pip.get("cert"):
        session.verify = ca
    if proxy := pip.get("proxy"):
        session.proxies = {"http": proxy, "https": proxy}
    retry = Retry(
        total=TRIES,
        backoff_factor=BACKOFF,
        status_forcelist=(429, 500, 502, 503, 504),
        retry_after_max=60,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


@cache
def pip_settings() -> dict[str, str]:
    """pip's own settings, its environment before its files; empty without pip."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    found: dict[str, dict[str, str]] = {"global.": {}, ":env:.": {}}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(global\.|:env:\.)([\w-]+)=('.*'|\".*\")", line)
        if match:
            found[match[1]][match[2]] = ast.literal_eval(match[3])
    # pip lists its files by their names; the one that is named counts most.
    named = configparser.RawConfigParser()
    with suppress(configparser.Error):
        named.read(os.environ.get("PIP_CONFIG_FILE", ""), encoding="utf-8")
    most = dict(named["global"]) if named.has_section("global") else {}
    return found["global."] | most | found[":env:."]


def local_path(url: str) -> Path:
    """The path that a file:// URL stands for."""
    return Path(url2pathname(urlsplit(url).path))


def masked(url: str) -> str:
    """The URL without user and password, fit for a message.

    >>> masked("http://me:secret@mirror.invalid/simple/")
    'http://***@mirror.invalid/simple/'
    """
    return re.sub(r"(?<=://)[^/@\s]*@", "***@", url)


def reason(error: BaseException) -> str:
    """The first line of an error, without passwords."""
    return masked((str(error) or type(error).__name__).splitlines()[0])

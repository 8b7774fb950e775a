# SPDX-License-Identifier: Apache-2.0
"""A package index on 127.0.0.1 that misbehaves on request."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from scripts.upstream.lock import Artifact


class Fault(Enum):
    """What happens to one request for a file; they are used up in order."""

    CUT = auto()
    """Half of what was asked for, then the connection closes."""
    HOLD = auto()
    """Half of what was asked for, then silence until `Site.release`."""
    BUSY = auto()
    """Status 503."""
    NO_RANGE = auto()
    """The whole file with status 200, whatever range was asked for."""
    NOT_SATISFIABLE = auto()
    """Status 416."""
    WRONG_RANGE = auto()
    """Status 206, but from the first byte."""
    ENDLESS = auto()
    """No length, and far more bytes than the file has."""


@dataclass
class Request:
    """One request as the server saw it."""

    method: str
    target: str
    range: str | None
    authorization: str | None


@dataclass
class Site:
    """Files of one project, and the page that lists them."""

    files: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, str] = field(default_factory=dict)
    """sha256 by file name, where the page is to say another one."""
    faults: list[Fault] = field(default_factory=list)
    html: bool = False
    """A PEP 503 page, which tells no length, instead of PEP 691 JSON."""
    absolute: bool = False
    """The page names its files by whole URLs."""
    requests: list[Request] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    """Set once half of a held answer is out."""
    release: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple/"

    def add(self, filename: str, data: bytes) -> Artifact:
        """Offer a file; returns what a lock would say of it."""
        self.files[filename] = data
        return Artifact(filename, len(data), hashlib.sha256(data).hexdigest())

    def fetched(self, filename: str) -> list[Request]:
        """The requests for one file."""
        return [
            r
            for r in self.requests
            if r.method == "GET" and r.target.endswith(f"/{filename}")
        ]

    def page(self) -> tuple[str, bytes]:
        base = f"http://127.0.0.1:{self.port}/" if self.absolute else "../../"
        rows = [
            (name, self.announced.get(name, hashlib.sha256(data).hexdigest()), data)
            for name, data in self.files.items()
        ]
        if self.html:
            links = "".join(
                f'<a href="{base}files/{n}#sha256={h}">{n}</a>\n' for n, h, _ in rows
            )
            return "text/html", f"<!DOCTYPE html><html>{links}</html>".encode()
        files = [
            {
                "filename": n,
                "url": f"{base}files/{n}",
                "hashes": {"sha256": h},
                "size": len(data),
            }
            for n, h, data in rows
        ]
        body = {"meta": {"api-version": "1.1"}, "name": "vllm", "versions": []}
        return (
            "application/vnd.pypi.simple.v1+json",
            json.dumps(body | {"files": files}).encode(),
        )


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: Any) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        site = self.site
        asked = self.headers.get("Range")
        site.requests.append(
            Request(self.command, self.path, asked, self.headers.get("Authorization"))
        )
        # As a proxy is asked, the target is a whole URL.
        path = urlsplit(self.path).path
        if path == "/simple/vllm/":
            kind, page = site.page()
            self._send(200, page, {"Content-Type": kind})
        elif (name := path.removeprefix("/files/")) in site.files:
            self._file(site.files[name], asked, body=body)
        else:
            self._send(404, b"nothing here")

    def _file(self, data: bytes, asked: str | None, *, body: bool) -> None:
        if not body:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return
        fault = self.site.faults.pop(0) if self.site.faults else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if fault is Fault.BUSY:
            return self._send(503, b"busy")
        if fault is Fault.NOT_SATISFIABLE:
            return self._send(416, b"")
        if fault is Fault.WRONG_RANGE:
            where = f"bytes 0-{len(data) - 1}/{len(data)}"
            return self._send(206, data, {"Content-Range": where})
        if fault is Fault.NO_RANGE:
            start = 0
        if fault is Fault.ENDLESS:
            self.send_response(200)
            self.end_headers()
            for _ in range(1000):
                self.wfile.write(data)
            return None
        partial = asked is not None and fault is not Fault.NO_RANGE
        self.send_response(206 if partial else 200)
        if partial:
            span = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send_header("Content-Range", span)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        rest = data[start:]
        half = rest[: len(rest) // 2]
        if fault is Fault.CUT:
            self.wfile.write(half)
        elif fault is Fault.HOLD:
            self.wfile.write(half)
            self.wfile.flush()
            self.site.held.set()
            self.site.release.wait(30)
        else:
            self.wfile.write(rest)
        return None

    def _send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up on purpose here."""


@contextmanager
def serve() -> Iterator[Site]:
    """Serve an empty site until the block ends."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with _Server(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        site.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            site.release.set()
            server.shutdown()
            thread.join()

# SPDX-License-Identifier: Apache-2.0
"""Which index is asked, and the way there: settings, proxy, password, folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.upstream import index
from scripts.upstream.cache import object_path
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Artifact
from tests.unit.package_index import Fault, Site
from tests.unit.upstream.fetched import DATA, NAME

pytestmark = pytest.mark.usefixtures("machine")


def test_file_that_the_index_lacks(site: Site, artifact: Artifact) -> None:
    with pytest.raises(Unusable, match=r"index has no vllm-9\.tar\.gz"):
        obtain(replace(artifact, filename="vllm-9.tar.gz"))
    with pytest.raises(Unusable, match="no list of the files of other"):
        obtain(replace(artifact, filename="other-9.tar.gz"))


def test_index_page_that_is_none(
    artifact: Artifact, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Site, "page", lambda _: ("application/vnd.pypi.simple.v1+json", b"{]")
    )
    with pytest.raises(Unusable, match="gives no list"):
        obtain(artifact)
    monkeypatch.setattr(Site, "page", lambda _: ("image/png", b""))
    with pytest.raises(Unusable, match="gives no list"):
        obtain(artifact)


# Which index, and the way there


def test_index_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    index.pip_settings.cache_clear()
    default = index.open_index().url
    assert default.startswith("https://")
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = http://conf.invalid/simple\ncert = /ca.pem\n"
        "proxy = http://proxy.invalid:1\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    index.pip_settings.cache_clear()
    found = index.open_index()
    assert found.url == "http://conf.invalid/simple"
    assert found.session.verify == "/ca.pem"
    assert found.session.proxies["https"] == "http://proxy.invalid:1"
    for name, value, url in [
        ("UV_INDEX_URL", "http://uv1.invalid", "http://uv1.invalid"),
        ("UV_DEFAULT_INDEX", "corp=http://uv2.invalid", "http://uv2.invalid"),
        ("PIP_INDEX_URL", "http://pip.invalid", "http://pip.invalid"),
        ("UPSTREAM_INDEX_URL", "http://up.invalid", "http://up.invalid"),
    ]:
        monkeypatch.setenv(name, value)
        assert index.open_index().url == url
    monkeypatch.setenv("SSL_CERT_FILE", "/ssl.pem")
    assert index.open_index().session.verify == "/ssl.pem"
    monkeypatch.setenv("PIP_CERT", "/pip.pem")
    assert index.open_index().session.verify == "/pip.pem"
    index.pip_settings.cache_clear()


def test_proxy_is_honoured(
    site: Site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_INDEX_URL", "http://index.invalid/simple/")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{site.port}")
    assert obtain(artifact).read_bytes() == DATA
    assert [r.target for r in site.requests] == [
        "http://index.invalid/simple/vllm/",
        f"http://index.invalid/files/{NAME}",
    ]


@pytest.mark.parametrize("absolute", [False, True])
def test_password_reaches_index_and_file_but_no_message(
    site: Site,
    artifact: Artifact,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    absolute: bool,
) -> None:
    site.absolute = absolute
    url = site.url.replace("://", "://me:secret@")
    monkeypatch.setenv("UPSTREAM_INDEX_URL", url)
    site.faults = [Fault.CUT]
    obtain(artifact)
    assert {r.authorization for r in site.requests} == {"Basic bWU6c2VjcmV0"}
    site.files[NAME] = DATA[:-1]
    site.announced[NAME] = artifact.sha256
    object_path(artifact).unlink()
    with pytest.raises(Finding) as caught:
        obtain(artifact)
    assert "secret" not in str(caught.value) + capsys.readouterr().err


def test_index_in_a_folder(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    simple = tmp_path / "my mirror/simple/vllm"
    simple.mkdir(parents=True)
    file = simple.parent.parent / NAME
    file.write_bytes(DATA)
    (simple / "index.html").write_text(
        f'<a href="../../{NAME}#sha256={artifact.sha256}">{NAME}</a>', encoding="utf-8"
    )
    monkeypatch.setenv("UPSTREAM_INDEX_URL", simple.parent.as_uri())
    assert obtain(artifact).read_bytes() == DATA
    file.write_bytes(DATA[:-1] + b"x")
    with pytest.raises(Finding, match="is not the file"):
        obtain(artifact)
    monkeypatch.setenv("UPSTREAM_INDEX_URL", tmp_path.as_uri())
    with pytest.raises(Unusable, match="gives no list"):
        obtain(artifact)

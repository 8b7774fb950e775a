# SPDX-License-Identifier: Apache-2.0
"""Files come verified, or not at all."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import ROOT, cache, index, transfer
from scripts.cache import cache_dir, object_path
from scripts.errors import Finding, Unusable
from scripts.fetch import obtain
from scripts.lock import Artifact
from tests.scripts.webhelp import Fault, Site, serve

NAME = "vllm-1.2.3.tar.gz"
DATA = random.Random(0).randbytes(300_001)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


@pytest.fixture
def artifact(site: Site) -> Artifact:
    return site.add(NAME, DATA)


@pytest.fixture(autouse=True)
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A machine with nothing set but an empty cache and the test's index."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith(("PIP_", "UV_", "UPSTR")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("SM12X_OFFLINE", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "BACKOFF", 0.0)
    if "site" in request.fixturenames:
        url = request.getfixturevalue("site").url
        monkeypatch.setenv("UPSTREAM_INDEX_URL", url)


def kept_files() -> list[str]:
    """Names of everything in the cache that could be used one day."""
    found = cache_dir().rglob("*")
    return sorted(
        p.name
        for p in found
        if p.is_file() and p.parent.name not in ("locks", "stamps")
    )


# Where the cache is


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("/a b/c", "/x", "/a b/c"),
        ("", "/x", "/x/vllm-sm12x"),
        ("", "relative", "/home/me/.cache/vllm-sm12x"),
        ("", "", "/home/me/.cache/vllm-sm12x"),
    ],
)
def test_cache_place(
    monkeypatch: pytest.MonkeyPatch, own: str, xdg: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SM12X_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert cache_dir() == Path(expected)


def test_no_place_for_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    for name in ("SM12X_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(Unusable, match="no place for the cache"):
        cache_dir()


# The way of a file that is as it should be


@pytest.mark.parametrize("html", [False, True])
def test_download_then_cache(site: Site, artifact: Artifact, html: bool) -> None:
    site.html = html
    path = obtain(artifact)
    assert path.read_bytes() == DATA
    assert path.name == NAME
    assert path.parent.name == artifact.sha256
    assert not path.stat().st_mode & 0o222
    asked = len(site.requests)
    assert obtain(artifact) == path
    assert len(site.requests) == asked
    assert kept_files() == [NAME]


def test_cache_works_without_network(site: Site, artifact: Artifact) -> None:
    path = obtain(artifact)
    asked = len(site.requests)
    assert obtain(artifact, offline=True) == path
    assert len(site.requests) == asked


@pytest.mark.parametrize("variable", ["SM12X_OFFLINE", "PIP_NO_INDEX"])
def test_offline_and_empty(
    site: Site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(Unusable, match="network may not be used") as caught:
        obtain(artifact)
    text = str(caught.value)
    for part in (NAME, artifact.sha256, str(cache_dir()), "UPSTREAM_DIR"):
        assert part in text
    assert not site.requests
    monkeypatch.setenv(variable, "0")
    assert obtain(artifact).read_bytes() == DATA


def test_no_network_and_empty(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_INDEX_URL", "http://me:secret@127.0.0.1:9/simple/")
    with pytest.raises(Unusable, match="package index gives no list") as caught:
        obtain(artifact)
    assert "UPSTREAM_DIR" in str(caught.value.next)
    assert "***@127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_path_with_spaces(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "a b" / "ü"))
    assert obtain(artifact).read_bytes() == DATA


# UPSTREAM_DIR


def test_upstream_dir_comes_first(
    site: Site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "up stream"
    folder.mkdir()
    (folder / NAME).write_bytes(DATA)
    (folder / NAME).chmod(0o444)
    folder.chmod(0o555)
    monkeypatch.setenv("UPSTREAM_DIR", str(folder))
    before = folder.stat()
    assert obtain(artifact, offline=True) == folder / NAME
    assert obtain(artifact) == folder / NAME
    assert folder.stat().st_mtime_ns == before.st_mtime_ns
    assert not site.requests
    assert kept_files() == []


def test_upstream_dir_without_the_file(artifact: Artifact, tmp_path: Path) -> None:
    assert obtain(artifact, upstream_dir=tmp_path) == object_path(artifact)


def test_upstream_dir_that_is_none(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="UPSTREAM_DIR is no folder"):
        obtain(artifact, upstream_dir=tmp_path / "typo")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (DATA[:-1] + b"x", "sha256 "),
        (DATA[:-1], "300,000 bytes"),
        (DATA + b"x", "300,002 bytes"),
        (None, "not a regular file"),
    ],
)
def test_upstream_dir_with_another_file(
    site: Site, artifact: Artifact, tmp_path: Path, data: bytes | None, found: str
) -> None:
    path = tmp_path / NAME
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    with pytest.raises(Finding, match="is not the file") as caught:
        obtain(artifact, upstream_dir=tmp_path)
    assert caught.value.where == str(path)
    assert artifact.sha256 in str(caught.value.expected)
    assert found in str(caught.value.found)
    assert not site.requests, "nothing else may be tried in its place"
    assert path.exists(), "the folder is not ours"


# What the cache holds is not trusted


@pytest.mark.parametrize("offline", [False, True])
def test_altered_in_the_cache(
    site: Site, artifact: Artifact, capsys: pytest.CaptureFixture[str], offline: bool
) -> None:
    path = obtain(artifact)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + b"x")
    if offline:
        with pytest.raises(Unusable, match="network may not be used"):
            obtain(artifact, offline=True)
        assert not path.exists()
    else:
        assert obtain(artifact).read_bytes() == DATA
        assert len(site.fetched(NAME)) == 2
    assert "removed from the cache" in capsys.readouterr().err


def settle(path: Path) -> None:
    """Make a file look old enough to be remembered as verified."""
    os.utime(path, (1, 1))


def test_verified_once_until_it_changes(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = obtain(artifact)
    read: list[Path] = []

    def count(path: Path) -> str:
        read.append(path)
        return artifact.sha256

    monkeypatch.setattr(cache, "digest", count)
    obtain(artifact)
    assert read == [path], "so young a file could still change unseen"
    monkeypatch.setattr(cache, "SETTLED", -1.0)
    obtain(artifact)
    assert len(read) == 2
    obtain(artifact)
    assert len(read) == 2, "verified and unchanged"
    monkeypatch.setenv("SM12X_PARANOID", "1")
    obtain(artifact)
    assert len(read) == 3
    monkeypatch.delenv("SM12X_PARANOID")
    settle(path)
    obtain(artifact)
    assert len(read) == 4, "its time changed"
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)
    obtain(artifact)
    assert len(read) == 5, "another inode"


# Transfers that go wrong


def test_cut_goes_on_where_it_stopped(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.CUT, Fault.CUT]
    assert obtain(artifact).read_bytes() == DATA
    assert [r.range for r in site.fetched(NAME)] == [
        None,
        "bytes=150000-",
        "bytes=225000-",
    ]


@pytest.mark.parametrize(
    "fault", [Fault.NO_RANGE, Fault.NOT_SATISFIABLE, Fault.WRONG_RANGE]
)
def test_server_without_ranges(site: Site, artifact: Artifact, fault: Fault) -> None:
    site.faults = [Fault.CUT, fault]
    assert obtain(artifact).read_bytes() == DATA
    assert site.fetched(NAME)[1].range == "bytes=150000-"


def test_busy_server(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.BUSY, Fault.BUSY]
    assert obtain(artifact).read_bytes() == DATA
    assert len(site.fetched(NAME)) == 3


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.CUT])
def test_tries_are_bounded(site: Site, artifact: Artifact, fault: Fault) -> None:
    site.faults = [fault] * 100
    with pytest.raises(Unusable, match="cannot download") as caught:
        obtain(artifact)
    assert NAME in caught.value.what
    assert artifact.sha256 in str(caught.value.expected)
    assert len(site.fetched(NAME)) <= 2 * index.TRIES
    # What came is kept for the next run, but never as a whole file.
    assert not object_path(artifact).exists()
    site.faults = []
    assert obtain(artifact).read_bytes() == DATA
    if fault is Fault.CUT:
        assert site.fetched(NAME)[-1].range is not None


def test_progress_gives_tries_back(
    site: Site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "GAIN", 1000)
    site.faults = [Fault.CUT] * (index.TRIES + 2)
    assert obtain(artifact).read_bytes() == DATA


def test_wrong_digest_keeps_nothing(site: Site, artifact: Artifact) -> None:
    site.announced[NAME] = artifact.sha256
    site.files[NAME] = DATA[:-1] + b"x"
    with pytest.raises(Finding, match=f"{NAME} is not the file") as caught:
        obtain(artifact)
    assert artifact.sha256 in str(caught.value.expected)
    assert "sha256" in str(caught.value.found)
    assert "/files/" in str(caught.value.where)
    assert kept_files() == []


def test_other_digest_announced(site: Site, artifact: Artifact) -> None:
    site.announced[NAME] = "0" * 64
    with pytest.raises(Finding, match="is not the file") as caught:
        obtain(artifact)
    assert caught.value.found == f"sha256 {'0' * 64}"
    assert not site.fetched(NAME), "said before anything is transferred"


@pytest.mark.parametrize("change", [-1, 1])
def test_other_length(site: Site, artifact: Artifact, change: int) -> None:
    site.announced[NAME] = artifact.sha256
    site.files[NAME] = (DATA + b"x")[: len(DATA) + change]
    with pytest.raises(Finding, match=r"another .* than the one that is pinned"):
        obtain(artifact)
    assert kept_files() == []


def test_endless_answer_is_stopped(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.ENDLESS]
    with pytest.raises(Finding, match=r"another .* than the one that is pinned"):
        obtain(artifact)
    assert kept_files() == []


@pytest.mark.parametrize("left", [DATA[:1000], b"x" * 1000, b"x" * len(DATA), DATA * 2])
def test_part_of_an_earlier_run(site: Site, artifact: Artifact, left: bytes) -> None:
    part = cache_dir() / "parts" / artifact.sha256
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    assert obtain(artifact).read_bytes() == DATA
    assert kept_files() == [NAME]


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
    assert index.open_index("http://arg.invalid").url == "http://arg.invalid"
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
    site: Site, artifact: Artifact, capsys: pytest.CaptureFixture[str], absolute: bool
) -> None:
    site.absolute = absolute
    url = site.url.replace("://", "://me:secret@")
    site.faults = [Fault.CUT]
    obtain(artifact, index_url=url)
    assert {r.authorization for r in site.requests} == {"Basic bWU6c2VjcmV0"}
    site.files[NAME] = DATA[:-1]
    site.announced[NAME] = artifact.sha256
    object_path(artifact).unlink()
    with pytest.raises(Finding) as caught:
        obtain(artifact, index_url=url)
    assert "secret" not in str(caught.value) + capsys.readouterr().err


def test_index_in_a_folder(artifact: Artifact, tmp_path: Path) -> None:
    simple = tmp_path / "my mirror/simple/vllm"
    simple.mkdir(parents=True)
    file = simple.parent.parent / NAME
    file.write_bytes(DATA)
    (simple / "index.html").write_text(
        f'<a href="../../{NAME}#sha256={artifact.sha256}">{NAME}</a>', encoding="utf-8"
    )
    url = simple.parent.as_uri()
    assert obtain(artifact, index_url=url).read_bytes() == DATA
    file.write_bytes(DATA[:-1] + b"x")
    with pytest.raises(Finding, match="is not the file"):
        obtain(artifact, index_url=url)
    with pytest.raises(Unusable, match="gives no list"):
        obtain(artifact, index_url=tmp_path.as_uri())


# Other processes: killed, at once, without room, without rights


SCRIPT = """\
import os, resource, sys
from pathlib import Path
from scripts import index
from scripts.errors import ForkError
from scripts.fetch import obtain
from scripts.lock import Artifact
import scripts.download
index.BACKOFF = 0.0
name, size, sha256, limit, user = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
if int(user):
    os.seteuid(int(user))
try:
    print(ascii(str(obtain(Artifact(name, int(size), sha256)))))
except ForkError as e:
    sys.stderr.write(str(e))
    sys.exit(e.exit_code)
"""


def start(
    artifact: Artifact, limit: int = 0, user: int = 0, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    args = (artifact.filename, artifact.size, artifact.sha256, limit, user)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, args)],
        cwd=ROOT,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def test_killed_run_is_resumed(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.HOLD]
    process = start(artifact)
    assert site.held.wait(30)
    part = cache_dir() / "parts" / artifact.sha256
    deadline = threading.Event()
    while not (part.exists() and part.stat().st_size):
        assert not deadline.wait(0.02) and process.poll() is None
    process.send_signal(signal.SIGKILL)
    end(process)
    have = part.stat().st_size
    assert 0 < have < len(DATA)
    site.release.set()
    assert obtain(artifact).read_bytes() == DATA
    assert site.fetched(NAME)[1].range == f"bytes={have}-"
    assert kept_files() == [NAME]


def test_two_runs_at_once_fetch_once(site: Site, artifact: Artifact) -> None:
    site.faults = [Fault.HOLD]
    first = start(artifact)
    assert site.held.wait(30)
    second = start(artifact)
    assert second.stderr is not None
    waiting = second.stderr.readline().decode()
    assert "waiting for another run: fetch vllm-1.2.3.tar.gz" in waiting
    # The held half ends in a cut; the same run goes on with the rest.
    site.release.set()
    for process in (first, second):
        code, out, err = end(process)
        assert (code, out.strip()) == (0, ascii(str(object_path(artifact)))), err
    assert [r.range for r in site.fetched(NAME)] == [None, "bytes=150000-"]
    assert object_path(artifact).read_bytes() == DATA


def test_full_disk(site: Site, artifact: Artifact) -> None:
    code, _, err = end(start(artifact, limit=100_000))
    assert code == Unusable.exit_code, err
    assert f"cannot write {NAME}" in err
    assert "SM12X_CACHE" in err
    assert "room for 300,001 bytes" in err
    assert not object_path(artifact).exists()
    assert obtain(artifact).read_bytes() == DATA


def test_cache_that_cannot_be_made(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(Unusable, match="cannot write to the cache") as caught:
        obtain(artifact)
    assert "SM12X_CACHE" in str(caught.value.next)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that nobody but its owner may write to."""
    # pytest's own folders cannot even be read by another user.
    with tempfile.TemporaryDirectory(prefix="sm12x-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        for p in (path, *path.rglob("*")):
            if p.is_dir():
                p.chmod(0o755)


def lock_up(folder: Path) -> None:
    for p in (folder, *folder.rglob("*")):
        p.chmod(0o555 if p.is_dir() else 0o444)


NOBODY = 65534 if os.geteuid() == 0 else 0


def test_read_only_cache_that_is_empty(artifact: Artifact, read_only: Path) -> None:
    lock_up(read_only)
    env = {"SM12X_CACHE": str(read_only)}
    code, _, err = end(start(artifact, user=NOBODY, env=env))
    assert code == Unusable.exit_code, err
    assert "cannot write to the cache" in err
    assert not list(read_only.iterdir())


def test_read_only_cache_that_is_full(
    site: Site, artifact: Artifact, read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM12X_CACHE", str(read_only))
    path = obtain(artifact)
    shutil.rmtree(read_only / "locks")
    lock_up(read_only)
    asked = len(site.requests)
    code, out, err = end(start(artifact, user=NOBODY))
    assert (code, out.strip()) == (0, ascii(str(path))), err
    assert len(site.requests) == asked


def test_damage_in_a_read_only_cache(
    artifact: Artifact, read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM12X_CACHE", str(read_only))
    path = obtain(artifact)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1])
    lock_up(read_only)
    code, _, err = end(start(artifact, user=NOBODY))
    assert code == Finding.exit_code, err
    assert f"{NAME} is not the file" in err


def test_locale_without_utf8(site: Site, artifact: Artifact, tmp_path: Path) -> None:
    env = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "SM12X_CACHE": str(tmp_path / "é ü"),
    }
    code, out, err = end(start(artifact, env=env))
    assert code == 0, err
    assert "\\udcc3" in out, "the locale reached the process"
    kept = list((tmp_path / "é ü").rglob(NAME))
    assert [p.read_bytes() for p in kept] == [DATA]
    kept[0].chmod(0o644)
    kept[0].write_bytes(b"")
    code, out, err = end(start(artifact, env=env | {"SM12X_OFFLINE": "1"}))
    assert code == Unusable.exit_code, err
    assert "removed from the cache" in err

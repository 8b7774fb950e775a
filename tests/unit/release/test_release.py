# SPDX-License-Identifier: Apache-2.0
"""`make release` on the small checkout: the files, the index, what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PathDistribution
from pathlib import Path
from threading import Thread

import pytest
from packaging.version import Version
from pypi_simple import ProjectPage

from scripts import reports
from scripts.base.errors import Finding, Unusable
from scripts.release import changelog
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock, update
from scripts.wheel import patched_sdist
from tests.unit.release.shop import TAG, Shop, shop
from tests.unit.series.check.planted import tamper
from tests.unit.small import Small, git, message
from tests.unit.small_wheel import BUILT, LOCAL

SDIST = "vllm-1.2.3+sm12x.1.tar.gz"
VERSION = "1.2.3+sm12x.1"
FILES = {
    BUILT: "wheel",
    f"{BUILT}.cdx.json": "sbom",
    f"{BUILT}.metadata": "metadata",
    SDIST: "sdist",
    "SHA256SUMS": "checksums",
}


def _sealed(patch: pytest.MonkeyPatch, root: Path) -> None:
    patch.setenv("UPSTREAM_DIR", str(root / "upstream"))
    patch.setenv("SM12X_CACHE", str(root.parent / "cache"))
    patch.setenv("SM12X_OFFLINE", "1")
    for name in ("NAME", "EMAIL"):
        patch.setenv(f"GIT_COMMITTER_{name}", "ada@example.org")


@pytest.fixture
def store(small: Small, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop without a network."""
    _sealed(monkeypatch, small.root)
    small.unrelease()
    return shop(small)


@pytest.fixture(scope="module")
def template(
    small_template: Small, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shop, list[str]]:
    """A shop that has been through both runs, and what the second said."""
    root = tmp_path_factory.mktemp("released") / "checkout"
    shutil.copytree(small_template.root, root, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        _sealed(patch, root)
        Small(root).unrelease()
        made = shop(Small(root))
        with pytest.raises(Finding, match="has to be in the change log"):
            made.release()
        made.commit(f"release: {VERSION}")
        return made, made.release()


@pytest.fixture
def done(
    template: tuple[Shop, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    """Its copy, yours to break."""
    root = tmp_path / "checkout"
    shutil.copytree(template[0].root, root, symlinks=True)
    _sealed(monkeypatch, root)
    return Shop(Small(root))


def test_everything_is_there(done: Shop, template: tuple[Shop, list[str]]) -> None:
    store, said = done, template[1]
    commit = store.commit_id()
    assert [row.split()[0] for row in said[:5]] == ["built"] * 5
    assert said[-1].startswith(f"tag: none; make release TAG=1 makes {TAG}")
    assert {p.name for p in store.out.iterdir() if p.is_file()} - {
        ".release.lock",
        ".wheel.lock",
    } == set(FILES)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
        cwd=store.out,
        check=True,
    )
    listed = (store.out / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    assert [row.split("  ")[1] for row in listed] == sorted({*FILES} - {"SHA256SUMS"})
    report = reports.read(store.at, "release")
    assert report is not None
    assert {f["name"]: f["kind"] for f in report.data["files"]} == FILES
    assert (report.data["commit"], report.data["tagged"]) == (commit, False)
    for file in report.data["files"]:
        assert file["size"] == (store.out / file["name"]).stat().st_size
    with zipfile.ZipFile(store.out / BUILT) as z:
        bill = z.read(f"{LOCAL}/sboms/vllm-sm12x.cdx.json")
        assert (store.out / f"{BUILT}.metadata").read_bytes() == z.read(
            f"{LOCAL}/METADATA"
        )
    assert (store.out / f"{BUILT}.cdx.json").read_bytes() == bill
    assert git(store.root, "status", "--porcelain") == ""


def test_a_second_run_keeps_what_passes(done: Shop) -> None:
    store = done
    before = {store.out / n: (store.out / n).stat().st_mtime_ns for n in FILES}
    assert [row.split()[0] for row in store.release()[:5]] == ["kept"] * 5
    assert {p: p.stat().st_mtime_ns for p in before} == before
    whole = {name: (store.out / name).read_bytes() for name in FILES}
    for name in (BUILT, SDIST):
        path = store.out / name
        path.write_bytes(whole[name][:-1000] + bytes(1000))
    (store.out / f"{BUILT}.metadata").unlink()
    again = {row.split()[-1]: row.split()[0] for row in store.release()[:5]}
    built = {BUILT, SDIST, f"{BUILT}.metadata"}
    assert {name for name, how in again.items() if how == "built"} == built
    assert {name: (store.out / name).read_bytes() for name in FILES} == whole


def test_an_interrupted_run_goes_on(
    done: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {name: (done.out / name).read_bytes() for name in FILES}
    shutil.rmtree(done.out)

    def stop(lock: Lock, patches: list[Patch], sdist: Path, out: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(patched_sdist, "build", stop)
        with pytest.raises(KeyboardInterrupt):
            done.release()
    assert not (done.out / SDIST).exists() and (done.out / BUILT).exists()
    again = {row.split()[-1]: row.split()[0] for row in done.release()[:5]}
    assert (again[BUILT], again[SDIST]) == ("kept", "built")
    assert {name: (done.out / name).read_bytes() for name in FILES} == whole


def test_dry_run_writes_nothing(store: Shop) -> None:
    said = "\n".join(store.release(dry_run=True))
    assert f"would release {VERSION} as {TAG}" in said
    assert "  vLLM 1.2.3 with 3 patches. The first release." in said
    assert "  A first word." in said
    assert f"{BUILT}: would be built" in said
    assert git(store.root, "status", "--porcelain") == ""
    assert not store.out.exists()
    assert not (store.root / "build/reports").exists()


def test_the_tag_is_made_here_once(done: Shop) -> None:
    store = done
    said = store.release(tag=True)
    assert said[-1].startswith(f"tag: {TAG} made here; git push")
    assert git(store.root, "tag") == TAG
    text = git(store.root, "tag", "-l", "--format=%(contents)", TAG)
    assert text.startswith(f"vLLM for SM12x {VERSION}\n\nvLLM 1.2.3 with 3 patches.")
    assert text.endswith("A first word.")
    report = reports.read(store.at, "release")
    assert report is not None and report.data["tagged"] is True
    assert store.release(tag=True)[-1] == f"tag: {TAG} is on this commit"


# What is refused


def reasons(store: Shop) -> str:
    with pytest.raises(Finding, match="cannot be released") as caught:
        store.release()
    assert not store.out.exists()
    return str(caught.value.found)


def test_dirty_tree(store: Shop) -> None:
    (store.root / "new.txt").write_text("x", encoding="utf-8")
    with (store.root / "CHANGELOG.md").open("a", encoding="utf-8") as f:
        f.write("more\n")
    found = reasons(store)
    assert " M CHANGELOG.md" in found
    assert "?? new.txt" in found
    with pytest.raises(Finding, match="cannot be released"):
        store.release(dry_run=True)


def test_tag_on_another_commit(store: Shop) -> None:
    git(store.root, "tag", TAG)
    assert "A first word" in "\n".join(store.release(dry_run=True))
    (store.root / "new.txt").write_text("x", encoding="utf-8")
    store.commit()
    assert f"{TAG} is the tag of" in reasons(store)


def test_number_gone_by(store: Shop) -> None:
    git(store.root, "tag", "v1.2.3+sm12x.2")
    git(store.root, "tag", "v1.2.4+sm12x.1")  # of another pin
    found = reasons(store)
    assert f"v1.2.3+sm12x.2 is there, so that {VERSION} is a number gone by" in found
    assert "1.2.4" not in found


def test_number_that_the_log_gave_to_another_series(done: Shop) -> None:
    """All that a clone without tags sees of a release."""
    done.small.drop()
    done.export()
    first = done.commit_id()
    done.commit("another series under the old number")
    shutil.rmtree(done.out)
    found = reasons(done)
    assert f"gave {VERSION} to another series, in {first[:12]}" in found
    assert "make release NEXT=1" in found
    log = done.root / "CHANGELOG.md"
    text = log.read_text(encoding="utf-8").replace(f"## {VERSION} - ", "### ")
    log.write_text(text, encoding="utf-8")
    done.commit("never published: taken back")
    assert "would release" in "\n".join(done.release(dry_run=True))


def test_series_whose_check_fails(store: Shop) -> None:
    tamper(store.small, 2, lambda data: data.replace(b"Forwarded: no\n", b""))
    store.commit()
    found = reasons(store)
    assert "make check fails:" in found
    assert "missing trailer" in found


def test_all_reasons_at_once(store: Shop) -> None:
    tamper(store.small, 2, lambda data: data.replace(b"Forwarded: no\n", b""))
    git(store.root, "tag", "v1.2.3+sm12x.2")
    found = reasons(store)
    for part in ("the tree differs", "a number gone by", "make check fails"):
        assert part in found


def test_no_git_checkout(store: Shop) -> None:
    (store.root / ".git").rename(store.root / "author/.git-away")
    with pytest.raises(Unusable, match="from a git checkout"):
        store.release()


def test_no_change_log(store: Shop) -> None:
    (store.root / "CHANGELOG.md").unlink()
    store.commit()
    with pytest.raises(Unusable, match="cannot take this release"):
        store.release()


# The change log


def test_the_log_says_what_became_of_each_patch(done: Shop) -> None:
    store = done
    git(store.root, "tag", TAG)
    small = store.small
    small.drop()
    small.edit(
        message("config: one more name"),
        "vllm/config/kernel.py",
        '    "sm12x",\n',
        '    "sm12x",\n    "more",\n',
    )
    small.edit(
        message("docs: name it"), "docs/backends.md", "- marlin", "- marlin\n- sm12x"
    )
    # The second patch, with another line.
    flag = "GIT_SEQUENCE_EDITOR=sed -i '2s/^pick/edit/'"
    env = dict([flag.split("=", 1)])
    run(small.repo, "git", "rebase", "-q", "-i", "base", **env)
    probe = small.repo / "vllm/utils/flashinfer.py"
    text = probe.read_text(encoding="utf-8").replace("can be called", "can run")
    probe.write_text(text, encoding="utf-8")
    git(small.repo, "commit", "-q", "-a", "--amend", "--no-edit")
    git(small.repo, "rebase", "--continue")
    store.export()
    # As NEXT=1 does.
    update(small.lock_path, {"series.release": 2, "series.released-tree": None})
    path = store.root / "CHANGELOG.md"
    log = path.read_text(encoding="utf-8")
    path.write_text(log.replace("Nothing yet.", "My words,\n\n- kept."), "utf-8")
    store.commit("a new series")
    with pytest.raises(Finding, match="change log"):
        store.release()
    after = path.read_text(encoding="utf-8")
    body = changelog.section(after, "1.2.3+sm12x.2")
    assert body == (
        "vLLM 1.2.3. Patches since 1.2.3+sm12x.1: "
        "2 added, 1 changed, 1 dropped, 1 as they were.\n\n"
        "- added 0003 config: one more name\n"
        "- added 0004 docs: name it\n"
        "- changed 0002 utils: probe for the sm12x kernels\n"
        "- dropped 0003 config: refuse sm12x where its kernels are missing\n\n"
        "My words,\n\n- kept."
    )
    assert changelog.section(after, VERSION) == changelog.section(log, VERSION)
    assert changelog.released(after) == ["1.2.3+sm12x.2", VERSION]
    assert changelog.sections(after)["Unreleased"] == changelog.NOTHING


def run(at: Path, *args: str, **env: str) -> None:
    whole = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null"} | env
    for who in ("AUTHOR", "COMMITTER"):
        whole |= {f"GIT_{who}_NAME": "Ada", f"GIT_{who}_EMAIL": "ada@example.org"}
    subprocess.run(args, cwd=at, env=whole, check=True, capture_output=True)


def test_a_version_is_written_once() -> None:
    text = "# Log\n\n## Unreleased\n\n## 1+sm12x.1 - 2026-01-01\n\nOld.\n"
    with pytest.raises(Unusable, match="cannot take"):
        changelog.release(text, "1+sm12x.1", "2026-02-02", "Facts.")
    after = changelog.release(text, "1+sm12x.2", "2026-02-02", "Facts.")
    assert changelog.section(after, "1+sm12x.2") == "Facts."
    assert after.endswith("\n## 1+sm12x.1 - 2026-01-01\n\nOld.\n")


# The index


def page(store: Shop) -> ProjectPage:
    text = (store.out / "simple/vllm/index.html").read_text(encoding="utf-8")
    base = "https://example.org/r/simple/vllm/"
    return ProjectPage.from_html("vllm", text, base_url=base)


def test_the_index_as_a_reader_sees_it(done: Shop) -> None:
    store = done
    wheel, sdist = page(store).packages
    assert (wheel.filename, sdist.filename) == (BUILT, SDIST)
    assert wheel.version is not None and Version(wheel.version) == Version(VERSION)
    assert wheel.url == f"https://example.org/r/{BUILT.replace('+', '%2B')}"
    sums = dict(
        reversed(row.split("  "))
        for row in (store.out / "SHA256SUMS").read_text("ascii").splitlines()
    )
    for package in (wheel, sdist):
        assert package.digests == {"sha256": sums[package.filename]}
    assert wheel.has_metadata is True
    assert wheel.metadata_digests == {"sha256": sums[f"{BUILT}.metadata"]}
    assert not sdist.has_metadata
    store.release(files_url="https://files.example.org/v1/")
    assert page(store).packages[1].url == (
        f"https://files.example.org/v1/{SDIST.replace('+', '%2B')}"
    )


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A plain web server over a folder; its address and what was asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            asked.append(self.path)

    handler = partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def pip(*args: str | Path) -> None:
    """pip with no setting of the machine."""
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.lower().endswith("_proxy") and not k.startswith("PIP_")
    }
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *args],
        env=env | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"},
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("way", ["file", "http"])
def test_pip_installs_from_the_index(done: Shop, tmp_path: Path, way: str) -> None:
    site = tmp_path / "site"
    with served(done.out) as (url, asked):
        where = done.out.as_uri() if way == "file" else url
        pip(
            *("install", "--no-deps", "--target", site),
            *("--index-url", f"{where}/simple/", f"vllm=={VERSION}"),
        )
    assert PathDistribution(site / LOCAL).version == VERSION
    if way == "http":
        assert f"/{BUILT.replace('+', '%2B')}.metadata" in asked


def test_pip_refuses_an_altered_file(done: Shop, tmp_path: Path) -> None:
    wheel = done.out / BUILT
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        pip(
            *("install", "--no-deps", "--target", tmp_path / "site"),
            *("--index-url", f"{done.out.as_uri()}/simple/", f"vllm=={VERSION}"),
        )
    assert b"DO NOT MATCH THE HASHES" in caught.value.stderr

# SPDX-License-Identifier: Apache-2.0
"""A hand-made upstream of 20 files and a series of three patches on it.

git makes the series and computes the ids of the lock, not the tools that the
tests look at. `small_files.py` has the files, `small_build.py` makes it of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scripts.upstream import lock as lock_file
from scripts.upstream.sdist_contents import Reader, source
from tests.unit.small_files import TOP

FORMAT = (
    "--zero-commit",
    "--full-index",
    "--no-signature",
    "--no-stat",
    "--no-renames",
    "--no-numbered",
    "--no-encode-email-headers",
)


def message(
    subject: str,
    body: str = "Users choose it by name.",
    test: str = "tests/config/test_kernel.py::test_names",
) -> str:
    """A commit message with trailers that are in order."""
    return (
        f"{subject}\n\n{body}\n\n"
        "Origin: vllm-project/vllm#40082, rewritten\n"
        "Forwarded: no\n"
        "Upstream-PR: none\n"
        "Remove-When: Upstream selects this backend itself.\n"
        f"Test: {test}\n"
    )


def git(repo: Path, *args: str, stdin: bytes | None = None) -> str:
    """Run git apart from the tools' own wrapper; stdout without outer blanks."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env |= {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_EDITOR": "true",
        "GIT_AUTHOR_NAME": "Ada Author",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": "1795455327 +0000",
        "GIT_COMMITTER_NAME": "Ada Author",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_COMMITTER_DATE": "1795455327 +0000",
        "LC_ALL": "C",
    }
    done = subprocess.run(
        ["git", *args], cwd=repo, env=env, input=stdin, capture_output=True, check=True
    )
    return done.stdout.decode("utf-8").strip()


@dataclass(frozen=True)
class Small:
    """A checkout in miniature: archive, lock and series."""

    root: Path
    """What the checkout is to the tools: `upstream.lock` and `patches/`."""

    @property
    def upstream_dir(self) -> Path:
        """The offline folder, holding the archive alone."""
        return self.root / "upstream"

    @property
    def sdist(self) -> Path:
        return self.upstream_dir / f"{TOP}.tar.gz"

    @property
    def read(self) -> Reader:
        """Reads the archive, as the tools take it."""
        return partial(source, self.sdist, self.lock.sdist)

    @property
    def lock_path(self) -> Path:
        return self.root / "upstream.lock"

    @property
    def lock(self) -> lock_file.Lock:
        """The lock as the file has it now."""
        return lock_file.load(self.lock_path)

    @property
    def patches(self) -> Path:
        return self.root / "patches"

    @property
    def repo(self) -> Path:
        """The git repository that the series comes from; the tag `base` in it."""
        return self.root / "author"

    @property
    def names(self) -> list[str]:
        """File names of the series, in order."""
        lines = (self.patches / "series").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith("#")]

    def commit(self, text: str, files: Mapping[str, str | bytes | None]) -> None:
        """Add a commit to `repo`; None deletes a file."""
        for name, data in files.items():
            path = self.repo / name
            if data is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
        git(self.repo, "add", "-A")
        git(
            self.repo,
            "commit",
            "-q",
            "--cleanup=verbatim",
            "-F-",
            stdin=text.encode("utf-8"),
        )

    def edit(self, text: str, path: str, old: str, new: str) -> None:
        """Add a commit that replaces `old` by `new` in one file."""
        before = (self.repo / path).read_bytes().decode("utf-8")
        assert before.count(old) == 1, (path, old)
        self.commit(text, {path: before.replace(old, new)})

    def drop(self) -> None:
        """Take the last commit of `repo` away."""
        git(self.repo, "reset", "-q", "--hard", "HEAD^")

    def export(self) -> None:
        """Make `patches/` and the lock's result from `repo`, by git alone.

        It is the release's tree too: what is none is for a test to say.
        """
        shutil.rmtree(self.patches, ignore_errors=True)
        self.patches.mkdir()
        made = git(self.repo, "format-patch", *FORMAT, "-o", str(self.patches), "base")
        names = [Path(line).name for line in made.splitlines()]
        (self.patches / "series").write_text(
            "".join(f"{name}\n" for name in names), encoding="utf-8"
        )
        tree = git(self.repo, "rev-parse", "HEAD^{tree}")
        trees = {"series.patched-tree": tree, "series.released-tree": tree}
        lock_file.update(self.lock_path, trees)

    def unrelease(self) -> None:
        """The lock as it is before a release."""
        lock_file.update(self.lock_path, {"series.released-tree": None})

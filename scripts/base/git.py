# SPDX-License-Identifier: Apache-2.0
"""git, sealed: no setting of the user or the machine reaches a result."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from scripts.base.errors import Finding, ForkError, Unusable
from scripts.base.files import MAKE_ROOM

IDENTITY = ("vLLM SM12x patch series", "vllm-sm12x@localhost")
"""Committer of every commit that the tools make; authors stay their own."""

# What git says when the machine is at fault and not the input.
_MACHINE = (
    "No space left on device",
    "Read-only file system",
    "Permission denied",
    # git's own words, in place of the system's, when a checkout cannot write.
    "Out of diskspace",
    "unable to write file",
)

NULL_ID = "0" * 40

# Each setting closes a door through which a machine could change bytes.
SETTINGS = {
    "core.autocrlf": "false",  # a checkout equals its blobs
    "core.eol": "lf",
    "core.fileMode": "true",
    "core.deltaBaseCacheLimit": "32m",  # 60 MB less for a checkout, no slower
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",  # nobody's hooks run in build/vllm
    "core.quotePath": "false",
    "core.untrackedCache": "false",
    "core.looseCompression": "1",
    "pack.compression": "1",  # build/vllm is short-lived: speed over size
    "commit.gpgSign": "false",
    "diff.algorithm": "myers",
    "diff.context": "3",
    "diff.indentHeuristic": "true",
    "diff.interHunkContext": "0",
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
    "diff.orderFile": "/dev/null",
    "diff.renames": "false",
    "diff.suppressBlankEmpty": "false",
    "fastimport.unpackLimit": "1",  # keep the pack: no second process unpacks it
    "format.useAutoBase": "false",
    "format.pretty": "medium",
    "gc.auto": "0",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",
}


def sealed_environment() -> dict[str, str]:
    """The process environment without whatever could steer git."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    # Proxies and certificates of the user hold for a clone, as for a download.
    for keep in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSH_COMMAND", "GIT_ASKPASS"):
        if keep in os.environ:
            env[keep] = os.environ[keep]
    name, mail = IDENTITY
    return env | {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": mail,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": mail,
        "LC_ALL": "C",
        "TZ": "UTC",
    }


@dataclass(frozen=True)
class Git:
    """One repository, given by the folder that git is started in."""

    path: Path

    def args(self, *args: str) -> list[str]:
        settings = [x for k, v in SETTINGS.items() for x in ("-c", f"{k}={v}")]
        return ["git", *settings, *args]

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        ok: Iterable[int] = (0,),
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git and return its bytes.

        Raises:
            Finding: It ended with a code that is not in `ok`.
            Unusable: There is no git.
        """
        try:
            done = subprocess.run(
                self.args(*args),
                cwd=self.path,
                env=sealed_environment() | (env or {}),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as e:
            raise Unusable(
                "cannot start git",
                where=str(self.path),
                next="install git 2.39 or newer",
            ) from e
        if done.returncode not in tuple(ok):
            raise self._failure(args[0], done.returncode, done.stderr)
        return done

    def _failure(self, verb: str, code: int, words: bytes) -> ForkError:
        said = words.decode("utf-8", "replace").strip()[-2000:]
        if any(reason in said for reason in _MACHINE):
            return Unusable(
                f"git {verb} cannot write",
                where=str(self.path),
                found=said,
                next=MAKE_ROOM,
            )
        return Finding(
            f"git {verb} failed with exit code {code}",
            where=str(self.path),
            found=said or None,
        )

    def text(self, *args: str) -> str:
        """stdout of `run`, decoded and without its last newline."""
        return self.run(*args).stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def resolve(self, name: str) -> str | None:
        """Object id that `name` stands for, or None."""
        done = self.run("rev-parse", "--verify", "--quiet", name, ok=(0, 1, 128))
        return done.stdout.decode().strip() or None

    @contextmanager
    def feed(self, *args: str) -> Iterator[BinaryIO]:
        """Run git and write to its stdin, for what is too large for memory.

        Raises:
            Finding: git failed, or stopped reading before the block ended.
        """
        # stderr goes to a file: a pipe that nobody reads could block git.
        with TemporaryFile() as words:
            process = subprocess.Popen(
                self.args(*args),
                cwd=self.path,
                env=sealed_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=words,
            )
            assert process.stdin is not None
            try:
                yield cast(BinaryIO, process.stdin)
            except BrokenPipeError:
                pass  # git says why, below
            except BaseException:
                process.kill()
                raise
            finally:
                with suppress(BrokenPipeError):
                    process.stdin.close()
                code = process.wait()
            words.seek(0)
            if code:
                raise self._failure(args[0], code, words.read())

    @contextmanager
    def blobs(self) -> Iterator[BlobReader]:
        """Read many objects through one git process."""
        process = subprocess.Popen(
            self.args("cat-file", "--batch"),
            cwd=self.path,
            env=sealed_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            yield BlobReader(process)
        finally:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            process.stdout.close()
            process.wait()


@dataclass(frozen=True)
class BlobReader:
    """Answers of one `git cat-file --batch`."""

    process: subprocess.Popen[bytes]

    def read(self, name: str) -> bytes | None:
        """Content of the object `name` (an id or `rev:path`), or None."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(name.encode("utf-8", "surrogateescape") + b"\n")
        self.process.stdin.flush()
        header = self.process.stdout.readline()
        if header.rstrip().endswith((b" missing", b" ambiguous")) or not header:
            return None
        size = int(header.split()[-1])
        data = self.process.stdout.read(size)
        self.process.stdout.read(1)
        return data

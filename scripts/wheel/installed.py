# SPDX-License-Identifier: Apache-2.0
"""Where a Python has its vLLM installed, found without importing vLLM."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.errors import Finding, Unusable
from scripts.wheel.metadata import read_record, record_hash

# Runs in the other interpreter: its import system says where vLLM lies and
# whether what is imported is what is installed. find_spec of a top-level name
# imports nothing.
_PROBE = """
import importlib.metadata as m, importlib.util as u, json
try:
    d = m.distribution("vllm")
    said = {"version": d.version, "site": str(d.locate_file("")),
            "url": d.read_text("direct_url.json")}
except m.PackageNotFoundError:
    said = {}
s = u.find_spec("vllm")
print(json.dumps({**said, "origin": s.origin if s else None}))
"""
_SECONDS = 60


@dataclass(frozen=True)
class Installed:
    """One installed vLLM."""

    site: Path
    """The folder that holds `vllm/` and its `.dist-info`."""
    info: Path
    """The `.dist-info` folder."""
    version: str

    @property
    def record(self) -> str:
        """Path of RECORD below `site`."""
        return f"{self.info.name}/RECORD"


def find(python: str) -> Installed:
    """The vLLM of an environment.

    Args:
        python: Path or name of the environment's interpreter. It is run as
            `PYTHON -I`, so a user's own site folder does not count.

    Raises:
        Unusable: It cannot be run, has no vLLM, or has one that was not
            installed as files of its own (editable, shadowed, no RECORD).
    """
    said = _ask(python)
    if "version" not in said:
        raise Unusable(
            "there is no vLLM in the environment of this Python",
            where=python,
            expected="an installed distribution named vllm",
            found="none" if said["origin"] is None else f"only {said['origin']}",
            next="name the Python that runs vLLM: "
            "make patch-installed PYTHON=/path/to/venv/bin/python",
        )
    site = Path(said["site"])
    infos = [p for p in site.glob("vllm-*.dist-info") if (p / "METADATA").is_file()]
    origin = Path(said["origin"]) if said["origin"] else None
    if _is_editable(said["url"]) or not infos:
        raise _not_plain("it is an editable install", site, said["origin"])
    if len(infos) > 1:
        names = ", ".join(sorted(p.name for p in infos))
        raise _not_plain("several versions lie over each other", site, names)
    if not (infos[0] / "RECORD").is_file():
        raise _not_plain("its installer wrote no RECORD", site, str(infos[0]))
    init = site / "vllm" / "__init__.py"
    if origin is None or not init.exists() or not init.samefile(origin):
        raise _not_plain("another vllm shadows it", init, str(origin))
    return Installed(site=site, info=infos[0], version=said["version"])


def _ask(python: str) -> dict[str, str]:
    program = shutil.which(python)
    if program is None:
        raise Unusable(
            "the Python cannot be run",
            where=python,
            expected="an executable file, or a name on PATH",
            found="a folder" if Path(python).is_dir() else "none",
            next="make patch-installed PYTHON=/path/to/venv/bin/python",
        )
    try:
        done = subprocess.run(
            [program, "-I", "-c", _PROBE],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=True,
        )
        said: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as e:
        stderr = getattr(e, "stderr", None)
        raise Unusable(
            "the Python does not say where its packages are",
            where=python,
            expected="a Python 3.11 or newer that starts",
            found=(stderr or str(e)).strip()[-1000:],
        ) from e
    return said


def _is_editable(direct_url: str | None) -> bool:
    if direct_url is None:
        return False
    try:
        return bool(json.loads(direct_url)["dir_info"]["editable"])
    except (ValueError, KeyError, TypeError):
        return False


def _not_plain(why: str, where: Path, found: str | None) -> Unusable:
    return Unusable(
        f"the installed vLLM cannot be patched: {why}",
        where=str(where),
        expected="a vLLM installed from a wheel, with RECORD",
        found=found,
        next="pip install the pinned wheel, or install the fork's own: make wheel",
    )


@contextlib.contextmanager
def alone(at: Installed) -> Iterator[None]:
    """Keep a second run out; leaves no file behind, so reverts are complete.

    Raises:
        Unusable: Another run is at work in this environment, or the file
            system refuses to go on.
    """
    try:
        fd = os.open(at.info, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(fd)
    except BlockingIOError:
        raise Unusable(
            "another run is at work in this environment",
            where=str(at.info),
            next="wait for it to end, then run this again",
        ) from None
    except OSError as e:
        raise Unusable(
            f"the installed vLLM cannot be changed: {e.strerror or e}",
            where=str(e.filename or at.site),
            next="free the disk, or make the folder writable, and run it again: "
            "it finishes or undoes what was begun",
        ) from e


def edit_record(
    record: bytes, rows: Mapping[str, tuple[str, int] | None], where: str = "RECORD"
) -> bytes:
    r"""RECORD with some rows changed; every other line keeps its bytes.

    The format is that of "Recording installed projects" (PyPA
    specifications): CSV with path, `sha256=` and unpadded urlsafe base64, size.

    >>> edit_record(b"a,,1\r\nb,,2\r\n", {"b": None, 'c,"d': ("00", 3)})
    b'a,,1\r\n"c,""d",sha256=AA,3\r\n'

    Args:
        record: The file's bytes.
        rows: Path to hex SHA-256 and size in bytes, or None for a path whose
            row goes. Rows that are not there yet are added at the end.
        where: Name of the file, for messages.

    Raises:
        Finding: It is no CSV in UTF-8.
    """
    lines = record.splitlines(keepends=True)
    # pip ends its lines with CR LF, uv with LF.
    end = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    out: list[bytes] = []
    left = dict(rows)
    for line in lines:
        try:
            path = _path_of(line)
        except (UnicodeDecodeError, csv.Error, StopIteration) as e:
            raise Finding("RECORD cannot be read", where, "CSV", repr(line)) from e
        if path not in rows:
            out.append(line if line.endswith(b"\n") else line + end)
        elif (new := left.pop(path, None)) is not None:
            out.append(_row(path, *new) + end)
    added = (_row(path, *new) + end for path, new in left.items() if new is not None)
    return b"".join([*out, *added])


def record_paths(record: bytes, where: str = "RECORD") -> set[str]:
    """The paths that RECORD names.

    Raises:
        Finding: It is no CSV in UTF-8.
    """
    return {row.name for row in read_record(record, where)}


def _path_of(line: bytes) -> str:
    text = line.decode("utf-8")
    if text.startswith('"'):
        return next(csv.reader([text]))[0]
    return text.partition(",")[0].rstrip("\r\n")


def _row(path: str, sha256: str, size: int) -> bytes:
    if any(c in path for c in ',"\r\n'):
        path = '"' + path.replace('"', '""') + '"'
    return f"{path},{record_hash(bytes.fromhex(sha256))},{size}".encode()

# SPDX-License-Identifier: Apache-2.0
"""Where a Python has its vLLM installed, found without importing vLLM."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.base import interpreter
from scripts.base.errors import Unusable
from scripts.base.files import MAKE_ROOM

# Runs in the other interpreter: its import system says where vLLM lies and
# whether what is imported is what is installed. find_spec of a top-level name
# imports nothing. Whatever vLLM would be started with counts, the user's own site
# folder and PYTHONPATH too; the current folder does not.
_PROBE = """
import sys
sys.path[:] = [p for p in sys.path if p]
import importlib.metadata as m, importlib.util as u, json
said = {"prefixes": [sys.prefix, sys.base_prefix], "pycache": sys.pycache_prefix}
try:
    d = m.distribution("vllm")
    said["site"] = str(d.locate_file(""))
    said["url"] = d.read_text("direct_url.json")
    said["version"] = d.version if d.read_text("METADATA") else None
except m.PackageNotFoundError:
    pass
s = u.find_spec("vllm")
print(json.dumps({**said, "origin": s.origin if s else None}))
"""


@dataclass(frozen=True)
class Installed:
    """One installed vLLM."""

    site: Path
    """The folder that holds `vllm/` and its `.dist-info`."""
    info: Path
    """The `.dist-info` folder."""
    version: str
    python: str = "python"
    """Path or name of its interpreter."""
    pycache: Path | None = None
    """PYTHONPYCACHEPREFIX of its interpreter: where all byte code lies then."""

    @property
    def record(self) -> str:
        """Path of RECORD below `site`."""
        return f"{self.info.name}/RECORD"


def find(python: str) -> Installed:
    """The vLLM of an environment.

    Args:
        python: Path or name of the environment's interpreter. It is run with the
            settings that are in force, so a user's own site folder and what
            PYTHONPATH names count, as they do when vLLM is started.

    Raises:
        Unusable: It cannot be run, has no vLLM, or has one that was not
            installed as files of its own (editable, shadowed, no RECORD, behind
            a link that leaves the environment).
    """
    said = interpreter.ask(python, "-c", _PROBE, again="make patch-installed")
    if "site" not in said:
        raise Unusable(
            "there is no vLLM in the environment of this Python",
            where=python,
            expected="an installed distribution named vllm",
            found="none" if said["origin"] is None else f"only {said['origin']}",
            next="name the Python that runs vLLM: "
            "make patch-installed PYTHON=/path/to/venv/bin/python",
        )
    site = Path(said["site"]).absolute()
    every = sorted(site.glob("vllm-*.dist-info"))
    infos = [p for p in every if (p / "METADATA").is_file()]
    origin = Path(said["origin"]) if said["origin"] else None
    if _is_editable(said["url"]):
        raise _not_plain("it is an editable install", site, said["origin"])
    if not every:
        found = f"no vllm-*.dist-info; it is imported from {said['origin']}"
        raise _not_plain("no installer put it there", site, found)
    if not infos or said["version"] is None:
        names = ", ".join(str(p / "METADATA") for p in every)
        raise _not_plain("its installer's METADATA is gone", site, f"no {names}")
    if len(infos) > 1:
        names = ", ".join(sorted(p.name for p in infos))
        raise _not_plain("several versions lie over each other", site, names)
    if not (infos[0] / "RECORD").is_file():
        raise _not_plain("its installer wrote no RECORD", site, str(infos[0]))
    init = site / "vllm" / "__init__.py"
    if origin is None or not init.exists() or not init.samefile(origin):
        raise _not_plain("another vllm shadows it", init, str(origin))
    pycache = Path(said["pycache"]) if said["pycache"] else None
    at = Installed(site, infos[0], said["version"], python, pycache)
    for prefix in map(Path, said["prefixes"]):
        if site.is_relative_to(prefix):
            _require_inside(prefix, [site])
    require_own(at, ["vllm/__init__.py", at.record])
    return at


def require_own(at: Installed, paths: Iterable[str]) -> None:
    """Refuse files whose folders are links that leave the environment.

    Args:
        at: The installed vLLM.
        paths: Files below its site folder, there or not.

    Raises:
        Unusable: A folder of one lies elsewhere, where others may use it.
    """
    _require_inside(at.site, {(at.site / path).parent for path in paths})


def _require_inside(root: Path, folders: Iterable[Path]) -> None:
    real = root.resolve()
    away = [f for f in sorted(folders) if not f.resolve().is_relative_to(real)]
    if away:
        raise Unusable(
            "the installed vLLM is shared: a folder of it lies outside the environment",
            where="\n".join(map(str, away)),
            expected=f"folders of its own below {real}",
            found="\n".join(f"a link to {f.resolve()}" for f in away),
            next="install vLLM there as files of its own (uv pip install "
            "--link-mode=copy --reinstall-package vllm), then run this again",
        )


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
            next=f"{MAKE_ROOM}: it finishes or undoes what was begun",
        ) from e

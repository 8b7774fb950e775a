# SPDX-License-Identifier: Apache-2.0
"""A hand-made vLLM that pip can install, and what lies where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

from scripts.wheel.installed.find import Installed
from scripts.wheel.metadata import row
from tests.unit.small_files import VERSION, upstream

INFO = f"vllm-{VERSION}.dist-info"
PIP = ("--disable-pip-version-check", "-q")


class File(NamedTuple):
    data: bytes
    mode: int
    mtime: int
    inode: int


def snapshot(site: Path) -> dict[str, File | str | None]:
    """Everything below `site`: files, link targets, None for folders."""
    found: dict[str, File | str | None] = {}
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_dir():
            found[name] = None
        else:
            s = path.stat()
            found[name] = File(path.read_bytes(), s.st_mode, s.st_mtime_ns, s.st_ino)
    return found


def contents(site: Path) -> dict[str, bytes | None]:
    """As `snapshot`, without what two equal patches may differ in."""
    seen = snapshot(site)
    return {k: v.data if isinstance(v, File) else None for k, v in seen.items()}


def wheel(path: Path, version: str = VERSION) -> Path:
    """A wheel of the hand-made upstream."""
    info = f"vllm-{version}.dist-info"
    files = {k: v for k, v in upstream().items() if k.startswith("vllm/")}
    meta = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n"
    files[f"{info}/METADATA"] = meta.encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: test\n"
        b"Root-Is-Purelib: false\nTag: py3-none-any\n"
    )
    rows = [row(name, data) for name, data in files.items()]
    lines = [f"{r.name},{r.hash},{r.size}\n" for r in rows]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    path /= f"vllm-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as z:
        for name, data in files.items():
            z.writestr(name, data)
    return path


def pip(python: Path, *args: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), *args, *PIP],
        check=True,
        capture_output=True,
    )


def python_of(venv: Path) -> str:
    return str(venv / "bin/python")


def site_of(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


def installed(template: Path, site: Path) -> Installed:
    """A copy of an installed vLLM with byte code, as `find` gives it."""
    shutil.copytree(site_of(template), site, symlinks=True)
    for module in ("vllm/config/kernel", "vllm/utils/__init__", "vllm/__init__"):
        cache = site / Path(module).parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        for tag in ("cpython-311", "cpython-399.opt-1"):
            name = cache / f"{Path(module).name}.{tag}.pyc"
            name.write_bytes(f"{module} {tag}".encode())
            os.utime(name, ns=(10**18, 10**18))
    os.utime(site / "vllm/config/kernel.py", ns=(10**18 + 7, 10**18 + 7))
    (site / "vllm/config/kernel.py").chmod(0o640)
    return Installed(site, site / INFO, VERSION)


def new_byte_code(site: Path) -> None:
    """What Python writes when it imports the patched modules."""
    for module in ("config/kernel", "utils/flashinfer", "sm12x/moe"):
        cache = site / "vllm" / Path(module).parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        for tag in ("cpython-311", "cpython-377"):
            (cache / f"{Path(module).name}.{tag}.pyc").write_bytes(b"new")

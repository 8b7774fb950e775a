# SPDX-License-Identifier: Apache-2.0
"""A hand-made upstream wheel to go with the hand-made upstream, by zipfile.

It has what a real one has: compiled files, a data file with commas in its name,
a RECORD in another order than the archive, deflated members, Unix modes.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from scripts.upstream import lock as lock_file
from tests.unit.small import Small
from tests.unit.small_files import VERSION, upstream

TAG = "cp38-abi3-manylinux_2_28_x86_64"
NAME = f"vllm-{VERSION}-{TAG}.whl"
INFO = f"vllm-{VERSION}.dist-info"
LOCAL = f"vllm-{VERSION}+sm12x.1.dist-info"
BUILT = f"vllm-{VERSION}+sm12x.1-{TAG}.whl"
SO = "vllm/_C.abi3.so"
CONFIG = "vllm/configs/E=1,N=2,device_name=X.json"
WHEN = (2026, 11, 1, 9, 43, 4)


def wheel_files() -> dict[str, bytes]:
    """Members of the hand-made wheel by name, without RECORD."""
    # Neither all zero nor random: a compiled file compresses somewhat.
    code = b"\x7fELF" + b"".join(i.to_bytes(4, "big") for i in range(1 << 15))
    files = {SO: code, "vllm/vllm-rs": b"\x7fELF" + b"rust" * 99, CONFIG: b"{}\n"}
    files |= {k: v for k, v in upstream().items() if k.startswith("vllm/")}
    return files | {
        f"{INFO}/licenses/LICENSE": b"Apache License, Version 2.0\n",
        f"{INFO}/METADATA": (
            f"Metadata-Version: 2.4\nName: vllm\nVersion: {VERSION}\n"
            "License-File: LICENSE\nRequires-Dist: torch==2.14.0\n"
            "Dynamic: license-file\n\nVersion: 1.2.3\n\nis a line of the text.\n"
        ).encode(),
        f"{INFO}/WHEEL": f"Wheel-Version: 1.0\nGenerator: hand\n"
        f"Root-Is-Purelib: false\nTag: {TAG}\n".encode(),
        f"{INFO}/top_level.txt": b"vllm\n",
    }


def record(files: Mapping[str, bytes], info: str) -> bytes:
    """RECORD for `files`, names sorted but for RECORD, by csv alone."""
    out = io.StringIO(newline="")
    rows = csv.writer(out, lineterminator="\n")
    for name in sorted(files, key=lambda n: (n.startswith(info), n)):
        hashed = urlsafe_b64encode(sha256(files[name]).digest()).rstrip(b"=")
        rows.writerow((name, f"sha256={hashed.decode()}", len(files[name])))
    rows.writerow((f"{info}/RECORD", "", ""))
    return out.getvalue().encode()


def pack_wheel(files: Mapping[str, bytes], path: Path, info: str = INFO) -> None:
    """Write a wheel as upstream's builder does."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in {**files, f"{info}/RECORD": record(files, info)}.items():
            member = zipfile.ZipInfo(name, WHEN)
            member.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o100755 if data[:4] == b"\x7fELF" else 0o100644
            member.external_attr = mode << 16
            member.create_system = 3
            z.writestr(member, data)


def add_wheel(small: Small, files: Mapping[str, bytes] | None = None) -> Path:
    """Put a wheel beside the archive and pin it; its path."""
    path = small.upstream_dir / NAME
    pack_wheel(wheel_files() if files is None else files, path)
    data = path.read_bytes()
    key = f"vllm.wheels.{os.uname().machine}"
    lock_file.update(
        small.lock_path,
        {
            f"{key}.filename": NAME,
            f"{key}.size": len(data),
            f"{key}.sha256": sha256(data).hexdigest(),
        },
    )
    return path


def rewrite(path: Path, change: Mapping[str, bytes | None], to: Path) -> Path:
    """Copy a wheel by zipfile with members replaced, added or (None) removed.

    Headers of the others stay; RECORD is whatever `change` makes it.
    """
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        infos = {i.filename: i for i in old.infolist()}
        last = infos.popitem()[1]
        template = infos[f"{LOCAL}/METADATA"]
        for name in change:
            if name not in infos and name != last.filename:
                extra = zipfile.ZipInfo(name, template.date_time)
                extra.external_attr = 0o100644 << 16
                extra.create_system = 3
                infos[name] = extra
        for name, info in {**infos, last.filename: last}.items():
            data = change[name] if name in change else old.read(info)
            if data is not None:
                new.writestr(info, data)
    return to

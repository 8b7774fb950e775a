# SPDX-License-Identifier: Apache-2.0
"""Of what was compiled for sm_12x, the shared library that runs on Hopper."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from scripts.base.errors import Finding
from scripts.base.files import digest, write
from scripts.hopper import abi, ptx
from scripts.hopper.assemble import SHIM, Tools, assemble, link
from scripts.hopper.assemble import __file__ as ASSEMBLE
from scripts.hopper.statements import Untranslatable
from scripts.hopper.statements import __file__ as STATEMENTS


def made(
    tools: Tools, folder: Path, out: Path, what: dict[str, Any], checked: bool
) -> dict[str, Any]:
    """What the manifest says of a kernel, whose libraries are put into the bundle.

    Args:
        tools: What assembles and links.
        folder: Of the cache: host.o, kernel.ptx, kernel.json; what is made stays there.
        out: The bundle.
        what: The kernel's kind and detail.
        checked: A second library is made, for compute-sanitizer.
    """
    told: dict[str, Any] = json.loads((folder / "kernel.json").read_text("utf-8"))
    usual = _library(tools, folder, out, what, told["symbol"])
    more = {}
    if checked:
        kept = _library(tools, folder, out, what, told["symbol"], keep_abi=True)
        more["checked"] = kept["library"]
    return {
        **what,
        "symbol": told["symbol"],
        "tvm_ffi": told["tvm_ffi"],
        **usual,
        **more,
    }


def _library(
    tools: Tools,
    folder: Path,
    out: Path,
    what: dict[str, Any],
    symbol: str,
    keep_abi: bool = False,
) -> dict[str, Any]:
    """Translate, assemble and link what is in the folder; put it into the bundle."""
    kind = "checked" if keep_abi else "library"
    ready = folder / f"{kind}-{_made_with(tools)}.json"
    library = ready.with_suffix(".so")
    if not ready.exists():
        text = (folder / "kernel.ptx").read_text(encoding="utf-8")
        try:
            sm_90a = ptx.translate(text)
        except Untranslatable as e:
            raise Finding(
                "a kernel cannot be translated for Hopper",
                where=f"{what['kind']} {what['detail']}",
                found=str(e),
                next="add it to scripts/hopper/has.ptx if ptxas takes it for sm_90a; "
                "else teach scripts/hopper/ptx.py an exact replacement",
            ) from e
        followed = abi.counted(abi.kept(sm_90a.text))
        translated = followed if keep_abi else sm_90a.text
        # To assemble takes longer than all else here.
        name = hashlib.sha256(f"{tools.version}\0{translated}".encode()).hexdigest()[
            :16
        ]
        source, cubin = folder / "hopper.ptx", folder / f"{name}.cubin"
        source.write_text(translated, encoding="utf-8")
        if not cubin.exists():
            assemble(tools, source, cubin.with_suffix(".part"))
            cubin.with_suffix(".part").rename(cubin)
        link(tools, folder / "host.o", cubin, library)
        names = list(ptx.entries(text))
        facts = {"replaced": sm_90a.counts, "entries": names, "cubin": digest(cubin)}
        write(ready, json.dumps(facts).encode())
    facts = json.loads(ready.read_text(encoding="utf-8"))
    name = f"kernels/{symbol}-{facts['cubin'][:8]}.so"
    shutil.copyfile(library, out / name)
    return {"library": name, "sha256": digest(library), **facts}


def _made_with(tools: Tools) -> str:
    """Digest of what makes a library of what was compiled."""
    total = hashlib.sha256(tools.version.encode())
    for path in (
        ptx.__file__,
        STATEMENTS,
        abi.__file__,
        ptx.HELPERS,
        ptx.HAS,
        SHIM,
        ASSEMBLE,
    ):
        total.update(Path(path).read_bytes())
    return total.hexdigest()[:16]

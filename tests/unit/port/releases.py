# SPDX-License-Identifier: Apache-2.0
"""Releases of the hand-made upstream, and a port to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.checkout import Checkout
from scripts.port.report.summary import Summary
from scripts.port.run import Wanted, port
from tests.unit.small import Small, message
from tests.unit.small_files import pack, upstream

KERNEL = "vllm/config/kernel.py"
PROBE = "vllm/utils/flashinfer.py"
NEW = "1.3.0"

BESIDE = {KERNEL: ('    "marlin",\n', '    "marlin",\n    "humming",\n')}
REWRITTEN = {
    KERNEL: (
        "    def is_auto(self) -> bool:\n"
        '        """Whether nobody chose a backend."""\n'
        '        return self.moe_backend == "auto"\n',
        "    def is_auto(self, strict: bool) -> bool:\n"
        '        return strict and self.moe_backend == "auto"\n',
    ),
    PROBE: (
        '    return importlib.util.find_spec("flashinfer") is not None\n',
        "    return False\n",
    ),
}


def release(
    small: Small,
    edits: Mapping[str, tuple[str, str] | None],
    version: str = NEW,
    more: Mapping[str, str] | None = None,
) -> None:
    """A release beside the pinned one; None deletes a file, `more` adds some."""
    files = upstream()
    files |= {path: text.encode() for path, text in (more or {}).items()}
    for path, edit in edits.items():
        if edit is None:
            del files[path]
            continue
        old, new = (part.encode() for part in edit)
        assert files[path].count(old) == 1, (path, old)
        files[path] = files[path].replace(old, new)
    made = small.root / "made.tar.gz"
    pack(files, made)
    made.rename(small.upstream_dir / f"vllm-{version}.tar.gz")


def state(root: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and "author" not in p.parts and p.name != ".apply.lock"
    }


def go(small: Small, **more: object) -> Summary:
    return port(Checkout(small.root), Wanted(NEW, proof=False, **more))  # type: ignore[arg-type]


def add_probe_of_our_own(small: Small) -> None:
    """A fourth patch, on the line that `REWRITTEN` rewrites."""
    small.edit(
        message("utils: look for the fork's FlashInfer"),
        PROBE,
        'find_spec("flashinfer")',
        'find_spec("flashinfer_sm12x")',
    )
    small.export()

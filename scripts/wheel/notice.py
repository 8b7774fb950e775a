# SPDX-License-Identifier: Apache-2.0
"""The notice of modification that goes into a wheel's licence folder.

Apache License 2.0, section 4(b): "You must cause any modified files to carry
prominent notices stating that You changed the files".
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.lock import Lock
from scripts.series.mailbox import Patch
from scripts.wheel.payload import Payload

NAME = "NOTICE.sm12x"


def render(lock: Lock, patches: Sequence[Patch], payload: Payload) -> bytes:
    """The notice's bytes: what this is, every patch, every changed file."""
    lines = [
        f"vLLM {lock.local_version}",
        "",
        f"This is a modified copy of vLLM {lock.version} (tag {lock.tag}, commit",
        f"{lock.commit}). It is not a release of the vLLM project, and the vLLM",
        "project neither made nor endorses it. The licence is upstream's: see",
        "LICENSE in this folder.",
        "",
        "Notice of modification (Apache License 2.0, section 4(b)). Upstream's wheel",
        "was changed by these patches, named with the SHA-256 digest of each:",
        "",
    ]
    for patch in patches:
        lines += [f"  {patch.name}", f"    {patch.subject}", f"    {patch.sha256}"]
    lines += ["", "Files that they change, add or remove:", ""]
    for path in sorted(payload.patches):
        numbers = ", ".join(name[:4] for name in payload.patches[path])
        verb = "removed" if path not in payload.put else "changed or added"
        lines.append(f"  {path} ({verb} by {numbers})")
    lines += [
        "",
        "The version was changed in vllm/_version.py and in METADATA; METADATA,",
        "RECORD, this notice and the SBOM tell of it. Every other file, and every",
        "compiled file, is upstream's byte for byte.",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8")

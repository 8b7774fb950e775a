# SPDX-License-Identifier: Apache-2.0
"""The notice of modification that goes into a wheel or a source archive.

Apache License 2.0, section 4(b): "You must cause any modified files to carry
prominent notices stating that You changed the files".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.wheel.embedded_files import Embedded

NAME = "NOTICE.sm12x"


def render(lock: Lock, patches: Sequence[Patch], embedded: Embedded) -> bytes:
    """The wheel's notice: what this is, every patch, every changed file."""
    files = {
        path: ([name[:4] for name in names], path in embedded.put)
        for path, names in embedded.patches.items()
    }
    return compose(
        lock,
        patches,
        files,
        title=f"vLLM {lock.local_version}",
        licence="LICENSE in this folder.",
        changed=[
            "Notice of modification (Apache License 2.0, section 4(b)). "
            "Upstream's wheel",
            "was changed by these patches, named with the SHA-256 digest of each:",
        ],
        rest=[
            "The version was changed in vllm/_version.py and in METADATA; METADATA,",
            "RECORD, this notice and the SBOM tell of it. Every other file, and every",
            "compiled file, is upstream's byte for byte.",
            *(
                f"METADATA requires {name} {new}, where upstream's requires {old}."
                for name, (old, new) in lock.moved.items()
            ),
        ],
    )


def compose(
    lock: Lock,
    patches: Sequence[Patch],
    files: Mapping[str, tuple[Sequence[str], bool]],
    *,
    title: str,
    licence: str,
    changed: Sequence[str],
    rest: Sequence[str],
) -> bytes:
    """A notice's bytes.

    Args:
        lock: The pin.
        patches: The series.
        files: Path to the numbers of the patches that touch it, and whether it
            is still there.
        title: First line.
        licence: Where upstream's licence lies.
        changed: Lines that say what was changed, before the list of patches.
        rest: Lines after the list of files.
    """
    lines = [
        title,
        "",
        f"This is a modified copy of vLLM {lock.version} (tag {lock.tag}, commit",
        f"{lock.commit}). It is not a release of the vLLM project, and the vLLM",
        "project neither made nor endorses it. The licence is upstream's: see",
        licence,
        "",
        *changed,
        "",
    ]
    for patch in patches:
        lines += [f"  {patch.name}", f"    {patch.subject}", f"    {patch.sha256}"]
    lines += ["", "Files that they change, add or remove:", ""]
    for path, (numbers, there) in sorted(files.items()):
        verb = "changed or added" if there else "removed"
        lines.append(f"  {path} ({verb} by {', '.join(numbers)})")
    return ("\n".join([*lines, "", *rest]) + "\n").encode("utf-8")

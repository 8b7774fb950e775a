# SPDX-License-Identifier: Apache-2.0
"""Debian: `debian/` of a source package of format 3.0 (quilt).

The package is complete as far as dpkg-source needs it; how vLLM is built is the
distribution's own, and `debian/rules` says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

from scripts.base.git import IDENTITY
from scripts.base.object_ids import Entry
from scripts.distro.bundle import Bundle, Item
from scripts.distro.dep3 import with_header
from scripts.distro.limits import Kind
from scripts.distro.place import Files
from scripts.upstream.lock import Lock
from scripts.upstream.sdist import EXECUTABLE, FILE

CANNOT = (Kind.EMPTY_NEW, Kind.EMPTY_GONE)
MAINTAINER = f"{IDENTITY[0]} <{IDENTITY[1]}>"

_CONTROL = """\
Source: vllm
Section: science
Priority: optional
Maintainer: {maintainer}
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.6.2
Homepage: {homepage}
Rules-Requires-Root: no

Package: python3-vllm
Architecture: amd64 arm64
Depends: ${{misc:Depends}}
Description: LLM inference and serving, with kernels for SM120 and SM121 GPUs
 vLLM {version} with the patch series for NVIDIA SM120 and SM121 GPUs,
 release {release} of it.
"""
_RULES = """\
#!/usr/bin/make -f
# The source package is complete. How vLLM is built is the distribution's own:
# VLLM_VERSION_OVERRIDE={local} names the result after the fork.

build build-arch build-indep binary binary-arch binary-indep:
\t@echo "debian/rules: put your own build of vLLM here" >&2; exit 2

clean:

.PHONY: build build-arch build-indep binary binary-arch binary-indep clean
"""
_COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: vllm
Source: {homepage}
Comment: vLLM holds files of others, which say so themselves; nobody has looked
 them all up for this file.

Files: *
Copyright: contributors to the vLLM project
License: Apache-2.0

License: Apache-2.0
 On Debian systems, see /usr/share/common-licenses/Apache-2.0.
"""


def version(lock: Lock) -> str:
    """Version of the source package; a distribution's own -1 is newer.

    Upstream's part names upstream's archive, so the fork's is in the revision.
    """
    return f"{lock.version}-0sm12x{lock.number}"


def archive(lock: Lock) -> str:
    """File name of upstream's archive, as dpkg-source looks for it."""
    return f"vllm_{lock.version}.orig.tar.gz"


def files(bundle: Bundle, homepage: str, maintainer: str = MAINTAINER) -> Files:
    """`debian/`, the same bytes on every machine.

    Args:
        bundle: The patches, in order.
        homepage: Upstream's address.
        maintainer: `Name <address>`.
    """
    lock = bundle.lock
    words = {
        "homepage": homepage,
        "local": lock.local_version,
        "maintainer": maintainer,
        "release": lock.number,
        "version": lock.version,
    }
    texts = {
        "changelog": _changelog(lock, maintainer),
        "control": _CONTROL.format(**words),
        "copyright": _COPYRIGHT.format(**words),
        "rules": _RULES.format(**words),
        "source/format": "3.0 (quilt)\n",
        "patches/series": "".join(f"{item.name}\n" for item in bundle.items),
    }
    found = {
        f"debian/{path}": Entry(
            EXECUTABLE if path == "rules" else FILE, text.encode("utf-8")
        )
        for path, text in texts.items()
    }
    for item in bundle.items:
        found[f"debian/patches/{item.name}"] = Entry(FILE, quilted(item))
    return found


def quilted(item: Item) -> bytes:
    """One patch as Debian keeps it: ours with a DEP-3 header, theirs as it is."""
    return with_header(item.patch, item.data) if item.patch else item.data


def _changelog(lock: Lock, maintainer: str) -> str:
    when = format_datetime(datetime.fromtimestamp(lock.epoch, UTC))
    return (
        f"vllm ({version(lock)}) UNRELEASED; urgency=medium\n\n"
        f"  * vLLM {lock.version} with the SM12x patch series, "
        f"release {lock.number}.\n\n"
        f" -- {maintainer}  {when}\n"
    )

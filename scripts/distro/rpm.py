# SPDX-License-Identifier: Apache-2.0
"""RPM: the patches, a list of them to include, and a spec file that does."""

from __future__ import annotations

from scripts.base.object_ids import Entry
from scripts.distro.bundle import Bundle
from scripts.distro.limits import Kind
from scripts.distro.place import Files
from scripts.upstream.sdist import FILE

CANNOT: tuple[Kind, ...] = ()
LIST = "sm12x.inc"

_LIST = """\
# The SM12x patch series on vLLM {version}: %%include it in a spec's preamble.
# %%autosetup -p1 then applies it, without fuzz.
%global sm12x_base {version}
%global sm12x_release {release}
# Give it to the build, so that the result is named after the fork.
%global sm12x_version {local}
# git's ids of the source tree before and after.
%global sm12x_tree {before}
%global sm12x_patched_tree {after}
{patches}"""
_SPEC = """\
Name:           vllm
Version:        {version}
Release:        0.sm12x{release}%{{?dist}}
Summary:        LLM inference and serving, with kernels for SM120 and SM121 GPUs
License:        Apache-2.0
URL:            {homepage}
Source0:        {archive}
Source1:        {list}
%include %{{_sourcedir}}/{list}

%description
vLLM {version} with the patch series for NVIDIA SM120 and SM121 GPUs, release
{release} of it.

%prep
%autosetup -p1 -n vllm-%{{version}}

%build
echo "put your own build of vLLM here" >&2
exit 2
"""


def files(bundle: Bundle, homepage: str) -> Files:
    """Files for `SOURCES`, and `vllm.spec`; the same bytes on every machine."""
    lock = bundle.lock
    numbers = enumerate(bundle.items, 1)
    listed = _LIST.format(
        version=lock.version,
        release=lock.number,
        local=lock.local_version,
        before=lock.tree,
        after=bundle.tree,
        patches="".join(f"Patch{n}: {item.name}\n" for n, item in numbers),
    )
    spec = _SPEC.format(
        version=lock.version,
        release=lock.number,
        homepage=homepage,
        archive=lock.sdist.filename,
        list=LIST,
    )
    found = {item.name: Entry(FILE, item.data) for item in bundle.items}
    texts = {LIST: listed, "vllm.spec": spec}
    return found | {name: Entry(FILE, text.encode()) for name, text in texts.items()}

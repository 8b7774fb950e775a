# SPDX-License-Identifier: Apache-2.0
"""Arch: a PKGBUILD with sources, digests and `prepare()`."""

from __future__ import annotations

from scripts.distro.bundle import Bundle
from scripts.distro.limits import Kind
from scripts.distro.place import Files

CANNOT: tuple[Kind, ...] = ()

_PKGBUILD = """\
# SPDX-License-Identifier: Apache-2.0
# vLLM {version} with the SM12x patch series, release {release} of it.
# git's ids of the source tree: {before} before the patches,
# {after} after them.
pkgname=python-vllm-sm12x
pkgver={version}
pkgrel={pkgrel}
pkgdesc='LLM inference and serving, with kernels for SM120 and SM121 GPUs'
arch=(x86_64 aarch64)
url='{homepage}'
license=(Apache-2.0)
provides=("python-vllm=$pkgver")
conflicts=(python-vllm)
_patches=(
{patches})
source=('{archive}'
        "${{_patches[@]}}")
sha256sums=(
{sums})

prepare() {{
  cd "vllm-$pkgver"
  local name
  for name in "${{_patches[@]}}"; do
    # No fuzz: a hunk that has to be searched a place is an error.
    patch -p1 -F0 --no-backup-if-mismatch -i "$srcdir/$name"
  done
}}

build() {{
  # Names the result after the fork.
  export VLLM_VERSION_OVERRIDE='{local}'
  error 'put your own build of vLLM here'
  return 2
}}

package() {{
  return 2
}}
"""


def files(bundle: Bundle, homepage: str) -> Files:
    """`PKGBUILD` and the patches beside it; the same bytes on every machine."""
    lock = bundle.lock
    sums = [lock.sdist.sha256, *(item.sha256 for item in bundle.items)]
    text = _PKGBUILD.format(
        version=lock.version,
        release=lock.number,
        # makepkg takes an integer, and one more behind a point.
        pkgrel=lock.release if lock.is_release else f"{lock.last_release}.1",
        local=lock.local_version,
        before=lock.tree,
        after=bundle.tree,
        homepage=homepage,
        archive=lock.sdist.filename,
        patches="".join(f"  '{item.name}'\n" for item in bundle.items),
        sums="".join(f"  '{value}'\n" for value in sums),
    )
    return bundle.with_file("PKGBUILD", text)

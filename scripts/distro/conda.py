# SPDX-License-Identifier: Apache-2.0
"""conda: a recipe of schema version 1, as rattler-build and conda-forge read it."""

from __future__ import annotations

import re

from scripts.base.errors import Finding
from scripts.distro.bundle import Bundle, Item
from scripts.distro.limits import Kind
from scripts.distro.place import Files

CANNOT = (Kind.EMPTY_GONE, Kind.MODE, Kind.CRLF)

_NAMES = re.compile(rb"^--- ([^/\s]+)/\S.*\n\+\+\+ ([^/\s]+)/\S", re.MULTILINE)

_RECIPE = """\
# SPDX-License-Identifier: Apache-2.0
# vLLM {version} with the SM12x patch series, release {release} of it.
# git's ids of the source tree: {before} before the patches,
# {after} after them.
schema_version: 1

context:
  version: "{version}"

package:
  name: vllm
  version: ${{{{ version }}}}

source:
  # The archive lies beside this file; a `url:` may stand in its place, the
  # digest holds for both.
  - path: {archive}
    sha256: {sha256}
    patches:
{patches}
build:
  number: {number}
{string}  script:
    env:
      # Names the result after the fork.
      VLLM_VERSION_OVERRIDE: "{local}"
    content:
      - echo "put your own build of vLLM here" >&2
      - exit 2

about:
  homepage: {homepage}
  license: Apache-2.0
  license_file: LICENSE
  summary: LLM inference and serving, with kernels for SM120 and SM121 GPUs
"""


def files(bundle: Bundle, homepage: str) -> Files:
    """`recipe.yaml` and the patches beside it; the same bytes on every machine.

    Raises:
        Finding: rattler-build would pass over a patch without a word.
    """
    lock = bundle.lock
    for item in bundle.items:
        _require_names(item)
    text = _RECIPE.format(
        version=lock.version,
        release=lock.number,
        number=lock.last_release,
        # conda's number is an integer; what is no release differs by its string.
        string="" if lock.is_release else f'  string: "dev{lock.patched_tree[:10]}"\n',
        local=lock.local_version,
        before=lock.tree,
        after=bundle.tree,
        homepage=homepage,
        archive=lock.sdist.filename,
        sha256=lock.sdist.sha256,
        patches="".join(f"      - {item.name}\n" for item in bundle.items),
    )
    return bundle.with_file("recipe.yaml", text)


def _require_names(item: Item) -> None:
    for old, new in _NAMES.findall(item.data):
        if (old, new) != (b"a", b"b") and old not in (new, new + b".orig"):
            raise Finding(
                "rattler-build passes over this patch",
                where=item.name,
                expected="a/ and b/ before the names, or <top>.orig/ and <top>/",
                found=f"{old.decode()}/ and {new.decode()}/",
                next="quilt refresh -p ab writes it anew",
            )

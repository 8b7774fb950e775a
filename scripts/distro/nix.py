# SPDX-License-Identifier: Apache-2.0
"""Nix: an expression with the source's hash, the patches, and an override."""

from __future__ import annotations

from base64 import b64encode

from scripts.distro.bundle import Bundle
from scripts.distro.limits import Kind
from scripts.distro.place import Files

CANNOT: tuple[Kind, ...] = ()

_NIX = """\
# SPDX-License-Identifier: Apache-2.0
# vLLM {version} with the SM12x patch series, release {release} of it:
#   let sm12x = callPackage ./sm12x.nix {{ }};
#   in python3Packages.vllm.overrideAttrs sm12x.override
{{ fetchurl }}:
rec {{
  pname = "vllm";
  version = "{version}";
  # What the build should call the result.
  localVersion = "{local}";
  # git's ids of the source tree before and after.
  tree = "{before}";
  patchedTree = "{after}";
  src = fetchurl {{
    urls = [ "mirror://pypi/v/vllm/{archive}" ];
    hash = "{hash}";
  }};
  patches = [
{patches}  ];
  # Ours come first; patches that were made on upstream's files may have to go.
  override = old: {{
    inherit version src;
    patches = patches ++ (old.patches or [ ]);
    env = (old.env or {{ }}) // {{ VLLM_VERSION_OVERRIDE = localVersion; }};
  }};
}}
"""


def sri(sha256: str) -> str:
    """A hex digest as Nix and browsers write it (W3C, Subresource Integrity).

    >>> sri("00" * 32)
    'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
    """
    return f"sha256-{b64encode(bytes.fromhex(sha256)).decode()}"


def files(bundle: Bundle, homepage: str) -> Files:
    """`sm12x.nix` and the patches beside it; the same bytes on every machine."""
    lock = bundle.lock
    text = _NIX.format(
        version=lock.version,
        release=lock.number,
        local=lock.local_version,
        before=lock.tree,
        after=bundle.tree,
        archive=lock.sdist.filename,
        hash=sri(lock.sdist.sha256),
        patches="".join(f"    ./{item.name}\n" for item in bundle.items),
    )
    return bundle.with_file("sm12x.nix", text)

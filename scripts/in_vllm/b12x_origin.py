# SPDX-License-Identifier: Apache-2.0
"""Which of two distributions the top-level ``b12x`` package comes from.

The b12x distribution is that package. flashinfer-python has one ``b12x/__init__.py``,
which leads to a copy of its own. Installing one writes over the file of the other, and
removing one takes it away, so what pip lists may not be what is imported. Nothing but
the standard library is used, and nothing is imported to find out.
"""

import base64
import hashlib
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_INIT = "b12x/__init__.py"


@dataclass(frozen=True)
class _Claim:
    """A distribution that has installed ``b12x/__init__.py``."""

    name: str
    version: str
    path: Path
    sha256: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def fix(self) -> str:
        return f"pip install --force-reinstall --no-deps {self.name}=={self.version}"


@dataclass(frozen=True)
class B12xOrigin:
    """What ``import b12x`` finds.

    Attributes:
        live: The distribution and its version, or None if it is of none.
        path: The file that is imported, or None if there is none.
        problem: What is broken, with the command that fixes it, or None. One package
            over the files of the other works, whichever came last.

    """

    live: str | None = None
    path: str | None = None
    problem: str | None = None


def find_b12x() -> B12xOrigin:
    """Find out where ``b12x`` comes from, and whether it is whole."""
    # Not importlib.util.find_spec(), which answers for what was imported already.
    spec = PathFinder.find_spec("b12x")
    path = spec.origin if spec is not None else None
    claims = [c for c in map(_claim, ("b12x", "flashinfer-python")) if c is not None]
    if path is None:
        if not claims:
            return B12xOrigin()
        gone = claims[0]
        return B12xOrigin(
            problem=f"{_INIT} of {gone} is gone, as after removing another "
            f"distribution that had it; run `{gone.fix}`"
        )
    # One elsewhere on the path is not what is imported.
    claims = [c for c in claims if c.path == Path(path).resolve()]
    digest = hashlib.sha256(Path(path).read_bytes()).digest()
    sha256 = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    live = next((c for c in claims if c.sha256 in (None, sha256)), None)
    if live is None and claims:
        owners = " nor ".join(map(str, claims))
        return B12xOrigin(
            path=path,
            problem=f"{path} is neither what {owners} has installed; "
            f"run `{claims[0].fix}`",
        )
    return B12xOrigin(live=str(live) if live is not None else None, path=path)


def _claim(name: str) -> _Claim | None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    for file in found.files or ():
        if file.as_posix() == _INIT:
            sha256 = file.hash.value if file.hash is not None else None
            path = Path(str(found.locate_file(file))).resolve()
            return _Claim(name, found.version, path, sha256)
    return None

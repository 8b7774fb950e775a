# SPDX-License-Identifier: Apache-2.0
"""What a release of vLLM says about itself: its files' names and its sdist."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from scripts.base.errors import Finding
from scripts.base.object_ids import blob_id, tree_id
from scripts.upstream.sdist import members

PROJECT = "vllm"
ARCHES = ("x86_64", "aarch64")
KINDS = ("sdist", *ARCHES)
COMPANIONS = ("flashinfer-python", "nvidia-cutlass-dsl", "torch")
VERSION_FILE = "vllm/_version.py"
REQUIREMENTS = "requirements/cuda.txt"


def as_version(text: str) -> Version | None:
    """The version that a text or a tag is, if it is one.

    >>> str(as_version("v0.32.0")), as_version("main")
    ('0.32.0', None)
    """
    try:
        return Version(text.removeprefix("v"))
    except InvalidVersion:
        return None


def tag_of(version: Version | str) -> str:
    """The tag of a release, upstream's or the fork's.

    >>> tag_of("0.33.0+sm12x.1")
    'v0.33.0+sm12x.1'
    """
    return f"v{version}"


def version_of(filename: str) -> Version | None:
    """The version in the name of a wheel or an sdist.

    >>> str(version_of("vllm-0.34.0.tar.gz")), version_of("vllm.txt")
    ('0.34.0', None)
    """
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (InvalidSdistFilename, InvalidWheelFilename):
        return None


@dataclass(frozen=True)
class Release:
    """What the sdist holds that a pin records."""

    version: str
    commit: str
    """As upstream's build wrote it: the start of the full id."""
    epoch: int
    """Seconds since 1970, of the newest file."""
    tree: str
    companions: dict[str, str]


def kind_of(filename: str, version: Version) -> str | None:
    """`sdist` or an architecture, if the file is one that is pinned.

    >>> kind_of("vllm-0.33.0.tar.gz", Version("0.33.0"))
    'sdist'
    >>> wheel = "vllm-0.33.0-cp38-abi3-manylinux_2_28_aarch64.whl"
    >>> kind_of(wheel, Version("0.33.0"))
    'aarch64'
    >>> kind_of(wheel, Version("0.34.0")) is None
    True
    """
    if not re.fullmatch(r"[\w.+-]+", filename):
        return None
    try:
        if filename.endswith(".whl"):
            name, found, _, tags = parse_wheel_filename(filename)
            platforms = sorted(tag.platform for tag in tags)
            arches = [
                a
                for a in ARCHES
                if any(p.startswith("manylinux") and p.endswith(a) for p in platforms)
            ]
            kind = arches[0] if len(arches) == 1 else None
        else:
            name, found = parse_sdist_filename(filename)
            kind = "sdist" if filename.endswith(".tar.gz") else None
    except (InvalidSdistFilename, InvalidWheelFilename):
        return None
    return kind if (name, found) == (PROJECT, version) else None


def build_of(filename: str) -> tuple[int, str]:
    """The build tag of a wheel; the least for one without, and for an archive.

    >>> build_of("vllm-0.33.0-2-cp38-abi3-manylinux_2_28_aarch64.whl")
    (2, '')
    >>> build_of("vllm-0.33.0.tar.gz")
    (-1, '')
    """
    tag = parse_wheel_filename(filename)[2] if filename.endswith(".whl") else ()
    return (tag[0], tag[1]) if tag else (-1, "")


def choose(names: Iterable[str], version: Version, where: str) -> dict[str, str]:
    """File name by kind; a kind that has none is left out.

    Of wheels that differ in their build tag it is the highest, as pip takes it.

    Raises:
        Finding: A kind has two files.
    """
    chosen: dict[str, str] = {}
    of_kind = ((kind_of(name, version), name) for name in sorted(names))
    known = [(kind, build_of(name), name) for kind, name in of_kind if kind]
    for kind, build, name in known:
        if build < max(b for k, b, _ in known if k == kind):
            continue
        if kind in chosen:
            raise Finding(
                f"vLLM {version} has two files for {kind}",
                where=where,
                found=f"{chosen[kind]}\n{name}",
                next="put the one to pin into a folder and set UPSTREAM_DIR to it",
            )
        chosen[kind] = name
    return chosen


def read(sdist: Path) -> Release:
    """Read the whole sdist.

    Raises:
        Finding: It is damaged, or lacks what a pin records.
        Unusable: The file cannot be read.
    """
    epoch = 0
    blobs: dict[str, tuple[int, str]] = {}
    texts: dict[str, str] = {}
    for member in members(sdist):
        blobs[member.path] = (member.mode, blob_id(member.data))
        epoch = max(epoch, member.mtime)
        if member.path in (VERSION_FILE, REQUIREMENTS):
            texts[member.path] = member.data.decode("utf-8", "replace")
    for path in (VERSION_FILE, REQUIREMENTS):
        if path not in texts:
            raise Finding(
                "the sdist lacks a file that the pin is read from",
                where=f"{sdist}, {path}",
                next="pin a release of vLLM that has it",
            )
    where = f"{sdist}, {VERSION_FILE}"
    said = texts[VERSION_FILE]
    return Release(
        version=_one(said, r"\bversion = '([^']+)'", where),
        commit=_one(said, r"\bcommit_id = 'g?([0-9a-f]{7,40})'", where),
        epoch=epoch,
        tree=tree_id(blobs),
        companions=companions(texts[REQUIREMENTS], f"{sdist}, {REQUIREMENTS}"),
    )


def _one(text: str, pattern: str, where: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise Finding(
            "the sdist does not say what the pin records",
            where=where,
            expected=f"a line that matches {pattern}",
            found="no such line",
            next="pin a release, not a development build",
        )
    return match[1]


def _requirement(line: str) -> Requirement | None:
    # As pip reads it: a comment starts the line or follows a blank.
    bare = re.sub(r"(^|\s+)#.*$", "", line).strip()
    try:
        return Requirement(bare)
    except InvalidRequirement:
        return None  # an option of pip, such as -r common.txt


def but_companions(requirements: str) -> list[str]:
    """The lines of a requirements file without the versions of `COMPANIONS`.

    >>> but_companions("-r common.txt\\ntorch==2.14.0\\nnumba == 0.65.0")
    ['-r common.txt', 'torch', 'numba == 0.65.0']
    """

    def bare(line: str) -> str:
        found = _requirement(line)
        if found is None or canonicalize_name(found.name) not in COMPANIONS:
            return line
        found.specifier = SpecifierSet()
        return str(found)

    return list(map(bare, requirements.splitlines()))


def companions(requirements: str, where: str) -> dict[str, str]:
    """Versions that a requirements file pins for `COMPANIONS`.

    >>> names = "flashinfer-python", "nvidia-cutlass-dsl[cu13]", "torch"
    >>> companions("\\n".join(f"{n} == 1.2.0  # new" for n in names), "cuda.txt")
    {'flashinfer-python': '1.2.0', 'nvidia-cutlass-dsl': '1.2.0', 'torch': '1.2.0'}

    Raises:
        Finding: One is not pinned with `==`, or pinned to several versions.
    """
    pins: dict[str, set[str]] = {name: set() for name in COMPANIONS}
    for requirement in map(_requirement, requirements.splitlines()):
        if requirement and (name := canonicalize_name(requirement.name)) in pins:
            pins[name].add(str(requirement.specifier))
    for pinned, found in pins.items():
        if not re.fullmatch(r"==[^,;*]+", ";".join(found)):
            raise Finding(
                f"upstream pins no one version of {pinned}",
                where=where,
                expected=f"{pinned}==X.Y.Z",
                found=" and ".join(sorted(found)) or "no line for it",
                next="pin a release that does, or read what replaced it",
            )
    return {pinned: found.pop().removeprefix("==") for pinned, found in pins.items()}

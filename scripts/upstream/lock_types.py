# SPDX-License-Identifier: Apache-2.0
"""What stands in `upstream.lock`, key by key; `lock.schema.json` is made of it.

python -m scripts.upstream.lock_types > scripts/upstream/lock.schema.json
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

SCHEMA = 1
"""Goes up when a key goes or changes its meaning."""

# `$` alone would let a line end pass.
_END = r"$(?!\n)"
Name = Annotated[str, Meta(pattern=f"^[A-Za-z0-9][A-Za-z0-9_.+-]*{_END}")]
Sha256 = Annotated[str, Meta(pattern=f"^[0-9a-f]{{64}}{_END}")]
ObjectId = Annotated[str, Meta(pattern=f"^[0-9a-f]{{40}}{_END}")]
Commit = Annotated[str, Meta(pattern=f"^[0-9a-f]{{7,40}}{_END}")]
Size = Annotated[int, Meta(description="Bytes.")]


def _says(text: str) -> Meta:
    return Meta(description=text)


@dataclass(frozen=True)
class Artifact:
    """One file of the upstream release."""

    filename: Name
    size: Size
    """Bytes."""
    sha256: Sha256


@dataclass(frozen=True)
class Own:
    """A companion that the series requires in place of the one that upstream pins."""

    version: Annotated[str, _says("The version that it requires.")]
    patch: Annotated[str, _says("File name of the patch that requires it.")]
    """File name of the patch that says so."""
    why: Annotated[str, _says("The reason, in words.")]


class _Table(msgspec.Struct, frozen=True, rename="kebab"):
    pass


class Sdist(_Table, frozen=True, rename="kebab"):
    """The released source archive."""

    filename: Name
    size: Size
    sha256: Sha256
    tree: Annotated[ObjectId, _says("git's id of the tree that it unpacks to.")]


class Git(_Table, frozen=True, rename="kebab"):
    """What make apply SOURCE=git resolved; there only after its use."""

    commit: Annotated[Commit | UnsetType, _says("Upstream's commit at the tag.")] = (
        UNSET
    )
    tree: Annotated[ObjectId | UnsetType, _says("Its tree.")] = UNSET
    patched_tree: Annotated[
        ObjectId | UnsetType, _says("Its tree after the whole series.")
    ] = UNSET


class Vllm(_Table, frozen=True, rename="kebab"):
    """The upstream release."""

    version: Annotated[str, _says("As the package index names it.")]
    tag: Annotated[str, _says("Upstream's tag for it.")]
    commit: Annotated[
        Commit,
        _says(
            "Upstream's commit, as the release carries it: the start of the full id."
        ),
    ]
    epoch: Annotated[
        int, _says("Date of everything that is built, in seconds since 1970.")
    ]
    sdist: Annotated[Sdist, _says("The released source archive.")]
    wheels: Annotated[
        dict[str, Artifact],
        _says("The released wheels, by architecture as uname -m prints it."),
    ]
    git: Annotated[
        Git | UnsetType,
        _says("What make apply SOURCE=git resolved; there only after its use."),
    ] = UNSET


class Series(_Table, frozen=True, rename="kebab"):
    """The patch series."""

    release: Annotated[
        int, Meta(ge=1, description="N of the fork's version X.Y.Z+sm12x.N.")
    ]
    patched_tree: Annotated[
        ObjectId, _says("git's id of the sdist's tree after the whole series.")
    ]
    released_tree: Annotated[
        ObjectId | UnsetType,
        _says(
            "What patched-tree was when release N went out; absent before. While both "
            "are the same, builds are named X.Y.Z+sm12x.N; else X.Y.Z+sm12x.M.dev and "
            "the start of patched-tree, M the last release on this pin or 0."
        ),
    ] = UNSET
    companions: Annotated[
        dict[str, Own] | UnsetType,
        _says(
            "Of companions, those that the series requires in another version than "
            "upstream pins."
        ),
    ] = UNSET


class File(_Table, frozen=True, rename="kebab"):
    """All of it."""

    schema: Annotated[
        Literal[1],
        Meta(
            description="Number of this schema.",
            extra_json_schema={"const": SCHEMA, "type": "integer"},
        ),
    ]
    vllm: Annotated[Vllm, _says("The upstream release.")]
    series: Annotated[Series, _says("The patch series.")]
    companions: Annotated[
        dict[str, str],
        _says(
            "Distribution name to the version that upstream pins; series.companions "
            "goes before it."
        ),
    ]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the lock, for other programs."""
    made = msgspec.json.schema(File)
    definitions = made["$defs"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:vllm-sm12x:upstream.lock:{SCHEMA}",
        **definitions.pop("File"),
        "title": f"upstream.lock, schema {SCHEMA}",
        "description": "The pin, TOML read as JSON. Keys that are not named here may "
        "come; a reader passes over them. The number of the schema goes up when a key "
        "goes or changes its meaning.",
        "$defs": definitions,
    }


def text() -> str:
    """The same as the file `lock.schema.json`."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    print(text(), end="")

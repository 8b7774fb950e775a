# SPDX-License-Identifier: Apache-2.0
"""The same line as a recipe of the tools that owners of a DGX Spark use.

`eugr` is eugr/spark-vllm-docker, whose run-recipe.py reads recipes of version 1 and
fills the command by str.format; `sparkrun` reads version 2, and both take YAML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.base.errors import Unusable
from scripts.doctor.model.assess import Assessment
from scripts.doctor.model.serve import Flag, model_id

TOOLS = ("eugr", "sparkrun")
_IMAGE = "vllm-sm12x"
_PORT = 8000


def recipe(tool: str, folder: Path, said: Sequence[Flag], found: Assessment) -> str:
    """A recipe as YAML.

    Args:
        tool: One of `TOOLS`.
        folder: The checkpoint.
        said: Flags of the line.
        found: What it is.

    Raises:
        Unusable: There is no such tool, or the GPU is none that it runs.
    """
    if tool not in TOOLS:
        raise Unusable(
            "there are no recipes of that tool here",
            where="RECIPE=",
            expected=" or ".join(TOOLS),
            found=tool,
            next="make doctor MODEL=folder GPU=spark RECIPE=sparkrun",
        )
    if not found.wanted.gpu.unified:
        raise Unusable(
            "these recipes are for DGX Sparks, one GPU a machine",
            where=f"RECIPE={tool}",
            expected="GPU=spark",
            found=found.wanted.gpu.name,
            next=f"make doctor MODEL=folder GPU=spark RECIPE={tool}",
        )
    return "\n".join(_recipe(tool, folder, said, found)) + "\n"


def _recipe(
    tool: str, folder: Path, said: Sequence[Flag], found: Assessment
) -> Iterator[str]:
    nodes = found.wanted.ranks
    # What no YAML, no shell and no str.format takes for something else.
    bare = re.sub(r"[^\w.-]", "-", folder.resolve().name) or "model"
    name = model_id(folder) or bare
    yield f"# By `make doctor RECIPE={tool}`; no line of it ran on a DGX Spark."
    yield f"# The image is this repository's: podman build -t {_IMAGE} ."
    if not model_id(folder):
        yield "# `model` has to be its name at the hub, which a folder does not tell."
    if tool == "eugr":
        yield 'recipe_version: "1"'
        yield f"name: {_text(bare)}"
    else:
        yield 'recipe_version: "2"'
    yield f"description: {_text(_described(found))}"
    yield f"model: {_text(name)}"
    if tool == "sparkrun":
        yield "runtime: vllm-distributed"
        yield f"min_nodes: {nodes}"
        yield f"max_nodes: {nodes}"
    else:
        yield f"cluster_only: {'true' if nodes > 1 else 'false'}"
        yield f"solo_only: {'false' if nodes > 1 else 'true'}"
    yield f"container: {_IMAGE}"
    yield "defaults:"
    yield f"  port: {_PORT}"
    yield "  host: 0.0.0.0"
    for flag in said:
        yield f"  {flag.key}: {_scalar(flag.value)}  # {flag.why}"
    yield "command: |"
    words = [f"vllm serve {name if tool == 'eugr' else '{model}'}"]
    words += ["--host {host}", "--port {port}"]
    words += [f"{flag.name} {{{flag.key}}}" for flag in said]
    if tool == "eugr" and nodes > 1:
        words.append("--distributed-executor-backend ray")
    for word in words[:-1]:
        yield f"  {word} \\"
    yield f"  {words[-1]}"


def _described(found: Assessment) -> str:
    nodes = found.wanted.ranks
    where = "one DGX Spark" if nodes == 1 else f"{nodes} DGX Sparks"
    return f"{where}, {found.tokens:,} tokens of KV cache predicted"


def _scalar(value: str) -> str:
    try:
        float(value)
    except ValueError:
        return _text(value)
    return value


def _text(value: str) -> str:
    """A text as YAML takes it: every JSON string is one."""
    return json.dumps(value)

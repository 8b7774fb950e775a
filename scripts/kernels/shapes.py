# SPDX-License-Identifier: Apache-2.0
"""`shapes.toml`: for which architectures and layers kernels are compiled."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.base.chips import ARCHITECTURES
from scripts.base.errors import Unusable

PATH = Path(__file__).with_name("shapes.toml")


@dataclass(frozen=True)
class Model:
    """The layers of one model; sizes are those of the whole model."""

    name: str
    experts: int
    top_k: int
    hidden: int
    intermediate: int
    activation: str
    """vLLM's name of it."""
    tensor_parallel: tuple[int, ...]
    max_tokens: tuple[int, ...]
    tiles: tuple[int, ...]
    columns: tuple[tuple[int, int], ...]
    rows: tuple[tuple[int, int], ...]
    w4a16: bool = True
    """Whether experts with BF16 activations are asked for as well."""

    def request(self) -> dict[str, Any]:
        """What scripts/in_vllm/kernel_sweep.py wants to know of it."""
        moe = [
            {"tp": tp, "max-tokens": limit, "method": "NVFP4", "backend": "auto"}
            for tp in self.tensor_parallel
            for limit in (*self.max_tokens, *(self.tiles if tp == 1 else ()))
        ]
        first = moe[0]
        if self.w4a16:
            moe.append({**first, "method": "W4A16_NVFP4"})
        return {
            "name": self.name,
            "experts": self.experts,
            "top-k": self.top_k,
            "hidden": self.hidden,
            "intermediate": self.intermediate,
            "activation": self.activation,
            "moe": moe,
            "linear": self._linears(),
        }

    def _linears(self) -> list[dict[str, Any]]:
        cases = [
            {"n": n // tp, "k": k, "tp": tp}
            for tp in self.tensor_parallel
            for n, k in self.columns
        ]
        cases += [
            {"n": n, "k": k // tp, "tp": tp}
            for tp in self.tensor_parallel
            for n, k in self.rows
        ]
        names = ("auto", "flashinfer_b12x")
        return [{**case, "backend": name} for case in cases for name in names]


@dataclass(frozen=True)
class Shapes:
    architectures: Mapping[str, int]
    """Name to the number of multiprocessors that its double has."""
    models: tuple[Model, ...]


def load(path: Path = PATH) -> Shapes:
    """Read a shapes file.

    Raises:
        Unusable: It is no TOML, or an entry lacks a key or has one of another type.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        architectures = {
            str(a["name"]): int(a["multiprocessors"]) for a in data["architecture"]
        }
        models = tuple(_model(entry) for entry in data["model"])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise _bad(path, str(e)) from e
    except KeyError as e:
        raise _bad(path, f"no {e.args[0]}") from e
    except (TypeError, ValueError) as e:
        raise _bad(path, str(e)) from e
    if unknown := sorted(set(architectures) - set(ARCHITECTURES)):
        raise _bad(path, f"architecture {', '.join(unknown)}")
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise _bad(path, "two models of one name")
    return Shapes(architectures, models)


def narrowed(
    shapes: Shapes, arch: str, count: int | None, names: Sequence[str] | None
) -> Shapes:
    """One architecture, with that many multiprocessors, and these models.

    Raises:
        Unusable: There is no such architecture or model.
    """
    models = {model.name: model for model in shapes.models}
    _known(arch, ARCHITECTURES)
    for name in names or ():
        _known(name, models)
    count = count or shapes.architectures[arch]
    return Shapes({arch: count}, tuple(models[n] for n in names or models))


def _known(name: str, names: Iterable[str]) -> None:
    if name not in (known := list(names)):
        raise Unusable(
            "there is no such architecture or model",
            where=name,
            expected=", ".join(known),
            next=f"name one of these, as {known[0]}"
            if known
            else "name another SHAPES",
        )


def _model(entry: Mapping[str, Any]) -> Model:
    return Model(
        name=str(entry["name"]),
        experts=_count(entry, "experts"),
        top_k=_count(entry, "top-k"),
        hidden=_count(entry, "hidden"),
        intermediate=_count(entry, "intermediate"),
        activation=str(entry["activation"]),
        tensor_parallel=tuple(map(int, entry["tensor-parallel"])),
        max_tokens=tuple(map(int, entry["max-tokens"])),
        tiles=tuple(map(int, entry.get("tiles", ()))),
        columns=tuple((int(n), int(k)) for n, k in entry["columns"]),
        rows=tuple((int(n), int(k)) for n, k in entry["rows"]),
    )


def _count(entry: Mapping[str, Any], key: str) -> int:
    value = entry[key]
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{key} of {entry['name']} is {value!r}")
    return value


def _bad(path: Path, found: str) -> Unusable:
    return Unusable(
        "the shapes file cannot be used",
        where=str(path),
        expected="[[architecture]] and [[model]] tables as in its comments",
        found=found,
        next="correct it, or git checkout -- scripts/kernels/shapes.toml",
    )

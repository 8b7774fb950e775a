# SPDX-License-Identifier: Apache-2.0
"""What the files of a checkpoint have, beside what its config.json stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.doctor.model.families import Model
from scripts.doctor.model.inventory import first, fix
from scripts.doctor.model.layers import Kind, kind_of, layer_of
from scripts.doctor.model.mixers import Module
from scripts.doctor.remark import Remark, fault


def against(
    said: Sequence[Module], made: Sequence[Module], it: Model
) -> Iterator[Remark]:
    """Where the files have other layers or shapes than config.json stands for.

    Args:
        said: By config.json; none of a family that is not known.
        made: By the headers.
        it: The model.
    """
    there = {layer_of(module.name) for module in made}
    lacking = sorted(set(range(len(it.mixers))) - there)
    if lacking:
        yield fault(
            f"{len(lacking)} of the {len(it.mixers)} layers that config.json counts "
            f"are in no file: {first(str(n) for n in lacking)}",
            fix("description"),
        )
    shapes = {m.name: (m.rows, m.cols, m.experts) for m in said if m.cols > 1}
    odd = []
    for module in made:
        want = shapes.get(module.name)
        kind = kind_of(module.name, len(it.mixers))
        if kind not in (Kind.DRAFT, Kind.VISION) and want is not None:
            have = module.rows, module.cols, module.experts
            odd += [] if have == want else [(module.name, have, want)]
    for name, have, want in odd[:1]:
        yield fault(
            f"{len(odd)} modules have another shape in the files than by config.json, "
            f"as {name[:120]}: {_shape(have)}, and not {_shape(want)}",
            fix("description"),
        )


def _shape(sizes: tuple[int, int, int]) -> str:
    rows, cols, experts = sizes
    return (
        f"{experts} experts of {rows} x {cols}" if experts > 1 else f"{rows} x {cols}"
    )

# SPDX-License-Identifier: Apache-2.0
"""The GPU of this machine, or a plain word that the one needed is not here."""

from __future__ import annotations

import sys

from scripts.base.chips import CAPABILITIES
from scripts.base.errors import Unusable
from scripts.doctor.facts import Gpu, look

"""Compute capabilities that the b12x kernels are compiled for."""


def found(python: str = sys.executable, again: str = "make doctor") -> Gpu:
    """The first GPU that the driver names; arguments as of ``look``.

    Raises:
        Unusable: There is none, or no such Python.
    """
    gpus = look(python, again).gpus
    if not gpus:
        raise Unusable(
            "there is no NVIDIA GPU here",
            where="nvidia-smi",
            expected="a GPU and its driver",
            found="none",
            next="run it on a machine that has one; make doctor says what is here",
        )
    return gpus[0]


def sm12x(gpu: Gpu) -> Gpu:
    """The GPU, if the b12x kernels can run on it.

    Raises:
        Unusable: It is of another capability; nothing was run.
    """
    if gpu.capability not in CAPABILITIES:
        raise Unusable(
            "this GPU is no SM12x: nothing was run, and nothing is claimed",
            where=gpu.name,
            expected="compute capability " + " or ".join(CAPABILITIES),
            found=gpu.capability,
            next="run it on an RTX PRO 6000, an RTX 50xx or a DGX Spark",
        )
    return gpu

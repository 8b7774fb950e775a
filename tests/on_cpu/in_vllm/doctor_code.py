# SPDX-License-Identifier: Apache-2.0
"""The doctor's modules that need nothing but Python, for tests in vLLM's process."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Behind all else, so that nothing of this checkout hides a module of vLLM's process.
sys.path.append(str(ROOT))

from scripts.doctor.model import (  # noqa: E402
    families,
    fields,
    kv,
    mixers,
    quantization,
    refused,
)
from scripts.doctor.model.blocks import Experts  # noqa: E402
from scripts.kernels import workspace  # noqa: E402

MODELS = ROOT / "tests" / "unit" / "doctor" / "models"

__all__ = ["MODELS", "Experts", "families", "fields", "kv", "mixers", "refused"]
__all__ += ["quantization", "workspace"]

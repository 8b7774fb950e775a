# SPDX-License-Identifier: Apache-2.0
"""The GPUs that the series is for."""

from __future__ import annotations

ARCHITECTURES = {"sm_120a": (12, 0), "sm_121a": (12, 1)}
"""What code is compiled for, to the compute capability."""
CAPABILITIES = tuple(f"{major}.{minor}" for major, minor in ARCHITECTURES.values())
"""As drivers write them: 12.0 and 12.1."""

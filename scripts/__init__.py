# SPDX-License-Identifier: Apache-2.0
"""Tools that keep the SM12x patch series alive on a pinned vLLM."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: `upstream.lock`, `patches/` and `build/` lie here."""

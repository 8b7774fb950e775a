# SPDX-License-Identifier: Apache-2.0
"""The hand-made upstream, for the port too."""

from __future__ import annotations

from tests.scripts.conftest import small, small_template

__all__ = ["small", "small_template"]

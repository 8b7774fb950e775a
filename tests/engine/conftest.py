# SPDX-License-Identifier: Apache-2.0
"""The patched tree, as the tests of the series have it."""

from __future__ import annotations

from tests.on_cpu.conftest import checkout, patched_tree

__all__ = ["checkout", "patched_tree"]

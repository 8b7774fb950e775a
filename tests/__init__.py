# SPDX-License-Identifier: Apache-2.0
"""Tests, and the programs among them: their Ctrl-C is heard from the start, too."""

import scripts

__all__ = ["scripts"]

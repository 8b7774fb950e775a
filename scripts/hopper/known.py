# SPDX-License-Identifier: Apache-2.0
"""Reports of compute-sanitizer that were looked into, and whose they are."""

from __future__ import annotations

# FlashInfer release, tool, kind of kernel: what it is.
REPORTS: dict[tuple[str, str, str], str] = {}

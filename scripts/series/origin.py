# SPDX-License-Identifier: Apache-2.0
"""Where the commit that the series stands on comes from."""

from __future__ import annotations

from enum import Enum

UPSTREAM_URL = "https://github.com/vllm-project/vllm"


class Source(Enum):
    """Where the base commit comes from."""

    SDIST = "sdist"
    """The released source archive: one commit of our own making."""
    GIT = "git"
    """Upstream's repository at the tag: upstream's own commit."""

# SPDX-License-Identifier: Apache-2.0
"""Fixtures that more than one test module uses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scripts.small import Small, build


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The hand-made upstream, made once a worker; use `small`."""
    return build(tmp_path_factory.mktemp("small") / "checkout")


@pytest.fixture
def small(small_template: Small, tmp_path: Path) -> Small:
    """A hand-made upstream with a series of three patches, yours to break.

    `.sdist`, `.lock`, `.lock_path`, `.patches`, `.root`, `.upstream_dir`; and
    `.repo` with `.commit`, `.edit` and `.export` to make further patches.
    """
    root = tmp_path / "checkout"
    shutil.copytree(small_template.root, root, symlinks=True)
    return Small(root)

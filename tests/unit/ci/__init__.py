# SPDX-License-Identifier: Apache-2.0
"""Tests of the bot and of the workflows."""

from __future__ import annotations

from pathlib import Path

fake_gh_path = Path(__file__).with_name("fake_gh.py")

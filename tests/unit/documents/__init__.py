# SPDX-License-Identifier: Apache-2.0
"""Tests of what README, docs and Containerfile say."""

# SPDX-License-Identifier: Apache-2.0
"""Tests of the tools (scripts/), of the series, of kernels, and the bench."""

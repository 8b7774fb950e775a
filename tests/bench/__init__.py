# SPDX-License-Identifier: Apache-2.0
"""Ratios against the usual tools: `python -m tests.bench`, or `make bench`."""

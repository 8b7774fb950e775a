# SPDX-License-Identifier: Apache-2.0
"""Carry the series to another upstream release, as far as can be proved."""

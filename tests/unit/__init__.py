# SPDX-License-Identifier: Apache-2.0
"""Tests of the package `scripts`, a module or a few for each of its modules."""

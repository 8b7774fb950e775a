# SPDX-License-Identifier: Apache-2.0
"""Tests of the package `scripts`, one module for each of its modules."""

# SPDX-License-Identifier: Apache-2.0
"""The kernel proof: its parts on small texts, and planted faults compiled for real."""

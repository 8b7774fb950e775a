# SPDX-License-Identifier: Apache-2.0
"""Zip archives, read strictly and copied raw."""

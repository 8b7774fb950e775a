# SPDX-License-Identifier: Apache-2.0
"""One file of one patch merged: by text, by syntax, and whether that is right."""

# SPDX-License-Identifier: Apache-2.0
"""Functions that differ in their name alone: what a patch may land in by mistake."""

from __future__ import annotations


def gate(number: int) -> str:
    """A function `sm{number}_gate`, with the two blank lines behind it."""
    return f'''\
def sm{number}_gate(capability):
    """Whether the kernels for SM{number} may run."""
    if capability is None:
        return False
    major, minor = capability
    known = major in SUPPORTED
    exact = minor == 0
    wanted = known and exact
    if not wanted:
        return False
    return True


'''

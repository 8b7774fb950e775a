# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends in one line, whenever it comes.

Nothing is imported here that is not in every Python from its start.
"""

import os
import signal
import sys

CODE = 130
"""As a shell has it for a program that SIGINT ended."""


def words() -> str:
    """What is said: the command that goes on."""
    return f"stopped; to go on, run it again: {' '.join(sys.orig_argv)}"


def while_loading() -> None:
    """Until `loaded`, Ctrl-C ends the process at once; there is nothing to clean up."""

    def stop(*_: object) -> None:
        os.write(2, f"{words()}\n".encode())
        os._exit(CODE)

    signal.signal(signal.SIGINT, stop)


def loaded() -> None:
    """From now on Ctrl-C is an exception, so that locks and files are let go."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

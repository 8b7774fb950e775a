# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends in one line, whenever it comes.

Nothing is imported here that an interpreter does not have from its start: until
`while_loading` has run, Ctrl-C is Python's own traceback. make closes that gap as
well: it starts Python with SIGINT blocked, and one that came waits for this.
"""

import _signal  # type: ignore[import-not-found]
import os
import sys

CODE = 130
"""As a shell has it for a program that SIGINT ended."""


def words() -> str:
    """What is said: the command that goes on."""
    return f"stopped; to go on, run it again: {' '.join(sys.orig_argv)}"


def _end(*_: object) -> None:
    os.write(2, f"{words()}\n".encode())
    os._exit(CODE)


def _raise(*_: object) -> None:
    # Whoever presses it twice does not want to wait for what is let go.
    _signal.signal(_signal.SIGINT, _end)
    raise KeyboardInterrupt


def while_loading() -> None:
    """Until `loaded`, Ctrl-C ends the process at once; there is nothing to clean up."""
    _signal.signal(_signal.SIGINT, _end)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {_signal.SIGINT})


def loaded() -> None:
    """From now on Ctrl-C is an exception, so that locks and files are let go."""
    if _signal.getsignal(_signal.SIGINT) is _end:
        _signal.signal(_signal.SIGINT, _raise)


def over() -> None:
    """The verb has ended, and only its exit code is left: Ctrl-C changes nothing."""
    if _signal.getsignal(_signal.SIGINT) in (_raise, _end):
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)

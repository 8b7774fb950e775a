# SPDX-License-Identifier: Apache-2.0
"""What patches use, looked up in a second process while the next ones are merged.

Merging a patch and looking up what it uses take as long as each other, and the
answer seldom changes what the next patch is merged onto. So the merging goes on
before the answer is there; where the answer takes a patch out of the tree again, what
was merged since is merged anew. The outcome is that of one after the other.
"""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO, NamedTuple

from scripts.port.names.chain import Answer, Chain, Snapshot
from scripts.port.report.states import FileResult

DEPTH = 2
"""Most patches that are merged before the first of them is answered."""

Files = Sequence[FileResult]


class Message(NamedTuple):
    """What the first process tells of a patch."""

    number: int
    files: Files
    settled: bool
    """Whether this became of it: then nothing is to be looked up, and whatever was
    asked before it is void."""


class Pipe(NamedTuple):
    """To a process and from it."""

    to: BinaryIO
    back: BinaryIO


@dataclass
class _Looker:
    """A chain of its own that can go back to any patch."""

    chain: Chain
    states: list[Snapshot] = field(default_factory=list)
    """Before each patch, by its number."""

    def __post_init__(self) -> None:
        self.states.append(self.chain.state)

    def take(self, number: int, files: Files, settled: bool) -> None:
        self.chain.restore(self.states[number + settled])
        self.chain.take(files)
        self.states[number + 1 :] = [self.chain.state]


@dataclass
class Beside:
    """The second process, as the first one sees it."""

    pipe: Pipe | None
    """None where there is none, or none any more."""
    open: deque[bool] = field(default_factory=deque)
    """Whether each answer that is to come is still wanted."""

    @property
    def depth(self) -> int:
        return DEPTH if self.pipe else 1

    def ask(self, number: int, files: Files) -> None:
        """Let it look up a patch that was merged onto those before it."""
        if self.pipe:
            self.open.append(True)
            self._send(Message(number, files, settled=False))

    def settle(self, number: int, files: Files) -> None:
        """Tell it what became of a patch; what was asked of later ones is void."""
        self.open = deque(False for _ in self.open)
        self._send(Message(number, files, settled=True))

    def answer(self) -> Answer | None:
        """Of the patch that was asked first; None where nobody could tell."""
        while self.pipe:
            try:
                found: Answer | None = pickle.load(self.pipe.back)
            except (OSError, EOFError, pickle.UnpicklingError):
                self._gone()
                break
            if self.open.popleft():
                return found
        return None

    def _send(self, message: Message) -> None:
        if self.pipe:
            try:
                pickle.dump(message, self.pipe.to, pickle.HIGHEST_PROTOCOL)
                self.pipe.to.flush()
            except OSError:
                self._gone()

    def _gone(self) -> None:
        self.pipe = None
        self.open.clear()


@contextmanager
def beside(chain: Chain, patches: int) -> Iterator[Beside]:
    """A second process that has both trees; none where it would not help."""
    if chain.trees is None or patches < 2 or (os.cpu_count() or 1) < 2:
        yield Beside(None)
        return
    asked, told = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        # Of other threads, whose locks the child has no use for: it looks up, and ends.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            os.close(asked[1])
            os.close(told[0])
            with suppress(ValueError):  # a thread may not
                # The first process ends this one.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            with (
                os.fdopen(asked[0], "rb") as questions,
                os.fdopen(told[1], "wb") as answers,
            ):
                _serve(_Looker(chain), questions, answers)
        finally:
            os._exit(0)
    os.close(asked[0])
    os.close(told[1])
    pipe = Pipe(os.fdopen(asked[1], "wb"), os.fdopen(told[0], "rb"))
    try:
        yield Beside(pipe)
    finally:
        for stream in (pipe.back, pipe.to):
            with suppress(OSError):
                stream.close()
        os.waitpid(child, 0)


def _serve(looker: _Looker, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the first process has no more questions."""
    todo: SimpleQueue[Message | None] = SimpleQueue()
    void = 0
    """How many questions, counted from the first, need no answer any more."""

    def listen() -> None:
        # Always at hand, so that neither process waits for the other to read.
        nonlocal void
        count = 0
        with suppress(OSError, EOFError, pickle.UnpicklingError):
            while True:
                message: Message = pickle.load(questions)
                count += not message.settled
                if message.settled:
                    void = count
                todo.put(message)
        todo.put(None)

    Thread(target=listen, daemon=True).start()
    count = 0
    while (message := todo.get()) is not None:
        number, files, settled = message
        looker.take(number, files, settled)
        if settled:
            continue
        count += 1
        found: Answer | None = None
        if count > void:
            with suppress(Exception):  # it is raised where the user sees it
                found = looker.chain.look(files)
        pickle.dump(found, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

# SPDX-License-Identifier: Apache-2.0
"""What a patch enters under a name, and upstream enters in another file now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scripts.port.merge.registers import added, told
from scripts.port.names.breach import Breach, Side
from scripts.port.report.states import FileResult


def entered_apart(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Names that a patch enters, and that upstream enters in another file now."""
    for part in done:
        data = part.patched.data if part.patched else b""
        before = part.base.data if part.base else b""
        for how, name in sorted(added(part.path, before, data)):
            call = rb"""\b%s\(\s*(?:\w+\s*=\s*)?["']%s["']""" % (how, re.escape(name))
            entry = re.compile(call)
            for path in new.upstream(b'"%s"' % name):
                now, was = new.bare(path), old.bare(path)
                if path == part.target or now is None or now == was:
                    continue
                if entry.search(now.data) and not (was and entry.search(was.data)):
                    what = f"upstream says {told(how, name)}, too, in {path}"
                    yield Breach(part.path, 0, name.decode(), what)

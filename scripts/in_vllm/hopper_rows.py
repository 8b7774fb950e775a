# SPDX-License-Identifier: Apache-2.0
"""Which rows a part has where FlashInfer's own functions decide it.

While kernels are written down a part gives the same rows as on the GPU, without
figures; the bundle says them, so that none can be gone, or be there twice. No import
but of the standard library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Name = tuple[str, ...]
Folded = Mapping[str, Any]


def names(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], named: Sequence[str]
) -> Iterator[Name]:
    """What rows are called: of each its values in the columns ``named``."""
    at = [columns.index(name) for name in named]
    return (tuple(str(row[n]) for n in at) for row in rows)


def folded(called: Iterable[Name]) -> Folded:
    """Names, short: a folder for each column, the last one's values in a line.

    >>> folded([("M", "1", "all", "1"), ("M", "1", "all", "2")])
    {'M': {'1': {'all': '1 2'}}}
    """
    tree: dict[str, Any] = {}
    for *folders, name, last in called:
        level = tree
        for one in folders:
            level = level.setdefault(one, {})
        level[name] = f"{level[name]} {last}" if name in level else last
    return tree


def unfolded(tree: Folded) -> Counter[Name]:
    """Of ``folded``, how often each name is there.

    >>> unfolded({"M": {"1": {"all": "1 2 2"}}})[("M", "1", "all", "2")]
    2

    Raises:
        ValueError: It is no such tree.
    """
    found: Counter[Name] = Counter()
    for name, below in tree.items():
        if isinstance(below, str):
            found.update((name, last) for last in below.split())
        elif isinstance(below, Mapping):
            for rest, count in unfolded(below).items():
                found[(name, *rest)] += count
        else:
            raise ValueError(f"{name} is {below!r}, no rows")
    return found

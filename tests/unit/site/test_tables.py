# SPDX-License-Identifier: Apache-2.0
"""Tables that the page draws of a report."""

from __future__ import annotations

from scripts.site.tables import Table


def test_columns_of_numbers_are_found_once_a_table() -> None:
    """The template asks at each cell: a table of ten thousand rows has many."""
    table = Table("t", ("a", "b", "c"), (("x", 1, None), ("y", None, None)))
    assert table.numeric == [False, True, False]
    assert table.numeric is table.numeric
    assert Table("t", ("a", "b"), ()).numeric == [False, False]

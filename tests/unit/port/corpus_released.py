# SPDX-License-Identifier: Apache-2.0
"""Drifts and chains cut from real releases: what is carried, and what is refused.

77 drifts and 4 chains were set down, with their answers, by who knew neither the
port nor its corpus. At the first run 60 were right, 15 refused though there is an
answer, 2 wrong with the word that a person has to read them, none silently wrong; the
chains were right. `git am -3` and `git rebase` had 35, 19 and 23 silently wrong, and
`git am`, `patch` and quilt 26, with 18 to 23 silently wrong. Since then both wrong
ones are refused for what they are, and 5 of the 15 carried or dropped.
"""

from __future__ import annotations

from tests.unit.port.corpus_cuts import BY_SYNTAX
from tests.unit.port.corpus_cuts_ground import ON_GROUND, WHERE_IT_WENT
from tests.unit.port.corpus_cuts_names import BY_NAME, CHAINED, LANDED

_LEFT = {
    "both add an attribute at the same place",
    "a parameter by name only stands where ours goes",
    "a call of one line became one of many",
    "CMake: the guard around an extension went",
    "the test around one of two alike blocks changed",
    "a function moved and is imported where it was",
    "a function went to a file beside",
    "an import that ours needs went",
    "absorbed: the same branch of another function is none",
    "absorbed: one of two fields",
}
_ALL = (*BY_SYNTAX, *ON_GROUND, *WHERE_IT_WENT, *BY_NAME, *LANDED)

RELEASED = tuple(case for case in _ALL if case.name not in _LEFT)
LEFT_RELEASED = tuple(case for case in _ALL if case.name in _LEFT)
CHAINS_RELEASED = tuple(CHAINED)

# SPDX-License-Identifier: Apache-2.0
"""An environment that cannot be made leaves nothing, and says what pip lacked."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.base.errors import Unusable
from scripts.upstream import environments


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("small-1.0-py3-none-any.whl", "has no small==9: name another version"),
        ("other-1.0-py3-none-any.whl", "see that the package index is reached"),
    ],
)
def test_what_cannot_be_made_leaves_no_environment(
    there: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / there).touch()
    monkeypatch.setenv("SM12X_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("small==9\n", encoding="utf-8")
    with pytest.raises(Unusable) as refusal:
        environments.package_folder(wanted)
    assert said in str(refusal.value.next)
    assert not environments.location(wanted).exists()

# SPDX-License-Identifier: Apache-2.0
"""Where `make apply` works, and how it refuses to."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.checkout import Checkout
from scripts.series.apply import Wanted, apply


def bench(at: Checkout) -> Path:
    return at.build / "vllm"


def refusal(at: Checkout, **wanted: object) -> str:
    with pytest.raises(Finding) as caught:
        apply(Wanted(at, **wanted))  # type: ignore[arg-type]
    return str(caught.value)

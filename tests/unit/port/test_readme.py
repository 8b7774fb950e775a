# SPDX-License-Identifier: Apache-2.0
"""The README after a port: right where it follows from the lock, named where not."""

from __future__ import annotations

from dataclasses import replace

from scripts.checkout import Checkout
from scripts.port.report.readme import ported
from scripts.series import folder
from scripts.upstream import lock as lockfile
from scripts.upstream.lock import Lock
from tests.unit.small import Small


def locks(lock: Lock) -> tuple[Lock, Lock]:
    companions = {**lock.companions, "flashinfer-python": "9.9"}
    return lock, replace(lock, version="9.0.0", release=1, companions=companions)


def test_versions_and_links(small: Small) -> None:
    companions = {"flashinfer-python": "0.7.2", "torch": "2.1"}
    old, new = locks(replace(small.lock, companions=companions))
    new = replace(new, companions=new.companions | {"torch": "2.2"})
    text = "\n".join(
        (
            f"The pin is vLLM {old.version}; it makes `{old.local_version}`.",
            f"Measured on vLLM {old.version} with FlashInfer 0.7.2; no {old.version}1.",
            "| [0001](patches/0001-a.patch) | | see 0003 |",
            "| [0002](patches/0002-b.patch) | |",
            "| [0003](patches/0003-c.patch) | |",
            f"pip install vllm==={old.version}   # CUDA comes with PyTorch 2.1.",
        )
    )
    names = {
        "0001-a.patch": "0001-a.patch",
        "0002-b.patch": None,
        "0003-c.patch": "0002-c.patch",
    }
    done = ported(text, old, new, names)
    assert done.text.split("\n") == [
        "The pin is vLLM 9.0.0; it makes `9.0.0+sm12x.1`.",
        # A figure is of the pin that it was measured on.
        f"Measured on vLLM {old.version} with FlashInfer 0.7.2; no {old.version}1.",
        "| [0001](patches/0001-a.patch) | | see 0003 |",
        "| [0002](patches/0002-b.patch) | |",
        "| [0002](patches/0002-c.patch) | |",
        "pip install vllm===9.0.0   # CUDA comes with PyTorch 2.2.",
    ]
    assert done.by_hand == (
        f"README.md:2: it names {old.version}",
        "README.md:2: it names flashinfer-python 0.7.2",
        "README.md:3: 0003 is 0002 now",
        "README.md:4: 0002 left the series",
    )


def test_own_readme() -> None:
    at = Checkout()
    old, new = locks(lockfile.load(at.lock))
    text = (at.root / "README.md").read_text(encoding="utf-8")
    names = dict.fromkeys(folder.names(at.patches))
    same = ported(text, old, old, {name: name for name in names})
    assert same.text == text and same.by_hand == ()
    done = ported(text, old, new, {name: name for name in names})
    assert "The pin is vLLM 9.0.0; a release's wheel is `9.0.0+sm12x.1`" in (
        done.text.replace("\n", " ")
    )
    left = {int(row.split(":")[1]) for row in done.by_hand}
    rows = done.text.split("\n")
    named = (old.version, old.companions["flashinfer-python"])
    assert left == {
        n for n, row in enumerate(rows, 1) if any(each in row for each in named)
    }

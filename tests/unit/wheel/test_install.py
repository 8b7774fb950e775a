# SPDX-License-Identifier: Apache-2.0
"""`make install`: real pip and real uv, into real environments, on hand-made wheels."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from scripts import ROOT
from scripts.base.errors import Unusable
from scripts.cli.install import LINE
from scripts.series import folder as series
from scripts.upstream import lock
from scripts.wheel import install
from tests.unit.doctor.test_fixes import wheel
from tests.unit.documents.test_owner import README, STOCK
from tests.unit.small import Small
from tests.unit.small_clone import Clone, clone
from tests.unit.small_wheel import BUILT, add_wheel, wheel_files

UV = shutil.which("uv", path=f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}")
REQUIREMENTS = ROOT / "requirements" / "tools.txt"
VERSION = "1.2.3+sm12x.1"

pytestmark = pytest.mark.slow


@pytest.fixture
def at(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A clone whose upstream wheel needs one package, which a folder has."""
    add_wheel(small, wheel_files())
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", "torch", "2.14.0")
    for name in [n for n in os.environ if n.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    # uv has no such variable: an index without a package.
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "wheels").as_uri())
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    # Of this machine there is no uv unless a test says so.
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    return clone(small, tmp_path / "a clone")


def versions(python: Path) -> dict[str, str]:
    code = (
        "import importlib.metadata as m\n"
        "for d in m.distributions(): print(d.metadata['Name'], d.version)"
    )
    done = subprocess.run([python, "-c", code], check=True, capture_output=True)
    rows = done.stdout.decode().splitlines()
    return {name: version for name, _, version in (r.partition(" ") for r in rows)}


@pytest.fixture(scope="module")
def with_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with a pip of its own, to copy."""
    venv = tmp_path_factory.mktemp("with pip") / "v"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    return venv


def environment(
    at: Clone, kind: str, monkeypatch: pytest.MonkeyPatch, with_pip: Path
) -> Path:
    """An environment with pip, one of uv's, one that neither serves, or none yet."""
    venv = at.root.parent / "an env"
    if kind in ("uv", "neither"):
        command = [sys.executable, "-m", "venv", "--without-pip", str(venv)]
        subprocess.run(command, check=True)
    elif kind == "pip":
        shutil.copytree(with_pip, venv, symlinks=True)
    if kind == "uv":
        if UV is None:
            pytest.skip("no uv: pip install uv")
        monkeypatch.setenv("PATH", f"{Path(UV).parent}:/usr/bin:/bin")
    return venv


@pytest.mark.parametrize("kind", ["pip", "uv", "neither", "none yet"])
def test_wheel_and_requirements_come_then_the_doctor(
    at: Clone, kind: str, monkeypatch: pytest.MonkeyPatch, with_pip: Path
) -> None:
    venv = environment(at, kind, monkeypatch, with_pip)
    done = at.verb("install", "--venv", str(venv), "--arch", "x86_64")
    assert (at.root / "dist" / BUILT).is_file()
    found = versions(venv / "bin/python")
    assert found["vllm"] == VERSION, done.stderr
    assert found["torch"] == "2.14.0"
    tool = {"uv": "uv pip install --python", "neither": "-m pip --python"}
    assert tool.get(kind, "bin/python' -m pip install") in done.stderr
    # The doctor: of this torch there is nothing to import.
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 1, done.stderr
    assert re.search(rf"^vLLM +{re.escape(VERSION)}$", done.stdout, re.M)
    assert "PyTorch cannot be imported" in done.stdout
    assert re.search(r"^\S.*an env/bin/vllm serve \S+NVFP4$", done.stdout, re.M)
    assert re.search(r"^back to stock vLLM: .* vllm===1\.2\.3$", done.stdout, re.M)


@pytest.mark.parametrize("kind", ["pip", "uv", "none yet"])
def test_a_dry_run_says_what_would_come_and_writes_nothing(
    at: Clone, kind: str, monkeypatch: pytest.MonkeyPatch, with_pip: Path
) -> None:
    venv = environment(at, kind, monkeypatch, with_pip)
    done = at.verb("install", "--venv", str(venv), "--dry-run", "--arch", "x86_64")
    assert done.returncode == 0, done.stderr
    assert "torch==2.14.0\n" in done.stdout
    assert "2 packages would come" in done.stdout
    assert "nothing was installed" in done.stdout
    assert venv.exists() == (kind != "none yet")
    if venv.exists():
        assert "vllm" not in versions(venv / "bin/python")


def test_a_dry_run_is_by_a_pip_that_brings_metadata_alone(with_pip: Path) -> None:
    """Before 23.3 pip brought each package whole, gigabytes of them here."""
    made = install.plan(with_pip, Path("a.whl"), again=False, dry_run=True)
    (command,) = made.commands
    assert command[:4] == (sys.executable, "-m", "pip", "--python")
    (pin,) = re.findall(r"^pip==(.*)$", REQUIREMENTS.read_text("utf-8"), re.M)
    assert Version(pin) >= Version("23.3")
    assert Version(versions(Path(sys.executable))["pip"]) >= Version(pin)
    real = install.plan(with_pip, Path("a.whl"), again=False, dry_run=False)
    assert real.commands[0][0] == str(with_pip / "bin/python")


def test_the_same_version_built_anew_replaces_the_old(
    at: Clone, monkeypatch: pytest.MonkeyPatch, with_pip: Path
) -> None:
    venv = environment(at, "pip", monkeypatch, with_pip)
    given = ("install", "--venv", str(venv), "--arch", "x86_64")
    at.verb(*given)
    kernel = next(venv.glob("lib/*/site-packages/vllm/config/kernel.py"))
    kernel.write_text("old\n", encoding="utf-8")
    at.verb(*given)
    assert "sm12x" in kernel.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["pip", "uv"])
def test_the_way_back_is_stock_vllm_with_what_it_requires(
    at: Clone, kind: str, monkeypatch: pytest.MonkeyPatch, with_pip: Path
) -> None:
    """README's line, and what is said where the fork's own wheel is reverted."""
    venv, folder = environment(at, kind, monkeypatch, with_pip), at.root.parent
    pin = lock.load()
    name = "flashinfer-python"
    for version in (pin.companions[name], pin.upstream_companions[name]):
        wheel(folder / "wheels", name, version)
    needs = f"Requires-Dist: {name}=={{}}\n".format
    wheel(folder / "wheels", "vllm", pin.version, needs(pin.upstream_companions[name]))
    (folder / "fork").mkdir()
    fork = wheel(
        folder / "fork", "vllm", pin.release_version, needs(pin.companions[name])
    )
    python = venv / "bin/python"
    install.carry_out([(*install.installer(python), str(fork))])
    assert versions(python)[name] == pin.companions[name]
    told = install.way_back(python, pin.version)
    line = re.findall(rf"^env/bin/python (-m pip install {STOCK}) ", README, re.M)
    if kind == "pip":
        assert told == f"{shlex.quote(str(python))} {line[0]}"
    subprocess.run(told, shell=True, check=True)
    found = versions(python)
    assert found["vllm"] == pin.version
    assert found[name] == pin.upstream_companions[name]


def test_what_is_no_environment_is_refused(at: Clone, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    for path in (tmp_path / "full", tmp_path / "full/mine"):
        done = at.verb("install", "--venv", str(path))
        assert done.returncode == 2
        assert "this is no environment" in done.stderr
    assert not (at.root / "dist").exists()


def test_an_installer_that_fails_is_named(
    at: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_pip: Path
) -> None:
    venv = environment(at, "pip", monkeypatch, with_pip)
    shutil.rmtree(tmp_path / "wheels")
    (tmp_path / "wheels").mkdir()
    for more in ([], ["--dry-run"]):
        done = at.verb("install", "--venv", str(venv), "--arch", "x86_64", *more)
        assert done.returncode == 2
        assert "torch==2.14.0" in done.stderr
        assert "error: the installer failed" in done.stderr
    assert "vllm" not in versions(venv / "bin/python")


def test_a_wheel_of_another_version_is_no_reason_to_force(tmp_path: Path) -> None:
    plan = install.plan(tmp_path / "x", Path("a.whl"), again=False, dry_run=False)
    assert "--force-reinstall" not in str(plan)
    with pytest.raises(Unusable):
        install.carry_out([["false"]])


def test_the_line_of_the_log_is_what_the_series_writes() -> None:
    """Its parts as the patches have them; the layer, the GPU, the backend."""
    added = "\n".join(
        line[1:]
        for name in series.names()
        for line in (series.PATCHES / name).read_text(encoding="utf-8").splitlines()
        if line.startswith("+")
    )
    (layers,) = re.findall(
        r'f"(NVFP4 )\{_scheme_name\(activation_key\)\}( MoE)"', added
    )
    assert re.search(r'else "W4A4"$', added, re.M)
    (form,) = re.findall(r'"(%s on SM%d: %s)%s%s"', added)
    (backend,) = set(re.findall(r"FLASHINFER_CUTEDSL_SM12X(?= =)", added))
    written = form % ("W4A4".join(layers), 120, backend)
    assert written == LINE

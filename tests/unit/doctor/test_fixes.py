# SPDX-License-Identifier: Apache-2.0
"""Every fix that is a command is run: as it stands, by the environment's own pip."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pip
import pytest

from scripts import ROOT
from scripts.doctor.facts import Facts
from scripts.doctor.findings import remarks
from scripts.upstream.index import open_index
from tests.unit.doctor.machines import LOCK, SERIES, WELL
from tests.unit.doctor.test_findings import PLANTED

SPEC = re.compile(r"\'?([a-z0-9-]+)(?:\[\w+\])?[=>]=([\w.]+)\'?")
TO_DO = (
    "nothing, to look only",
    "install driver 580 or newer",
    "install nvcc of CUDA 13",
    "see CUDA_VISIBLE_DEVICES",
    "ask for another: make doctor",
    "sudo reboot",
    "nvidia-smi -q",
)
"""How a fix begins that a person does, not this machine."""


def fixes(facts: Facts) -> list[str]:
    found = []
    for plant, *_ in PLANTED.values():
        well = plant(facts)
        found += [remark.fix for remark in remarks(well, LOCK, SERIES)]
        found += [r.fix for r in remarks(replace(well, vllm={}), LOCK, SERIES)]
    return list(dict.fromkeys(found))


def commands(facts: Facts) -> list[str]:
    """The commands among the fixes, taken apart where a fix has two."""
    found = []
    for fix in fixes(facts):
        if fix.startswith(TO_DO):
            continue
        fix = re.sub(" in front of vllm serve.*", " true", fix)
        for part in re.split(r" && |; or (?:name another: )?|, then without", fix):
            found += [] if part in ("nothing", " REVERT=1") else [part]
    return list(dict.fromkeys(found))


def wheel(folder: Path, name: str, version: str, more: str = "") -> Path:
    """An empty wheel, so that nothing of some gigabytes has to come.

    Args:
        folder: Where it is written.
        name: Of the distribution.
        version: Of it.
        more: Lines of METADATA.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as z:
        meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"
        z.writestr(f"{stem}.dist-info/METADATA", meta)
        z.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        )
        z.writestr(f"{stem}.dist-info/RECORD", "")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of wheels for every version that a fix names, and an environment."""
    home = tmp_path_factory.mktemp("fixes")
    (home / "wheels").mkdir()
    text = "\n".join(fixes(WELL))
    for name, version in set(SPEC.findall(text)):
        wheel(home / "wheels", name, version)
    venv = home / "an env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    # A copy of ours: venv unpacks and compiles one of its own, for four seconds.
    (site,) = venv.glob("lib/python*/site-packages")
    for part in Path(pip.__file__).parent.parent.glob("pip*"):
        shutil.copytree(part, site / part.name)
    return home / "wheels", venv


def run(command: str, wheels: Path) -> None:
    env = os.environ | {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_DEFAULT_INDEX": wheels.as_uri(),
        "UV_NO_CONFIG": "1",
        "UV_FIND_LINKS": str(wheels),
    }
    if command.startswith("make "):
        command = command.replace("make ", "make --dry-run ", 1)
    done = subprocess.run(
        ["/bin/sh", "-euc", command], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_pip_runs_them_in_that_environment(place: tuple[Path, Path]) -> None:
    wheels, venv = place
    facts = replace(WELL, executable=str(venv / "bin/python"), prefix=str(venv))
    found = commands(facts)
    for command in found:
        run(command, wheels)
    pips = [c for c in found if " -m pip " in c]
    assert len(pips) >= 8
    assert all(c.startswith(shlex.quote(str(venv / "bin/python"))) for c in pips)
    assert not [c for c in found if re.match(r"(uv )?pip ", c)]


def test_uv_runs_them_where_there_is_no_pip(place: tuple[Path, Path]) -> None:
    wheels, venv = place
    uv = shutil.which("uv", path=f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("no uv: pip install uv")
    facts = replace(
        WELL, executable=str(venv / "bin/python"), prefix=str(venv), pip=False
    )
    found = [c for c in commands(facts) if c.startswith("uv pip ")]
    assert len(found) >= 8
    for command in found:
        run(command.replace("uv", shlex.quote(uv), 1), wheels)


@pytest.mark.upstream
def test_the_index_has_what_they_install() -> None:
    """Each version that a fix names can be had: asked, not brought."""
    wanted = set(SPEC.findall("\n".join(fixes(WELL)))) - {("b12x", "1.5.1")}
    assert {name for name, _ in wanted} >= {"torch", "flashinfer-python"}
    index = open_index()
    for name, version in sorted(wanted):
        files = [offer.filename for offer in index.offers(name)]
        assert [f for f in files if f.split("-")[1] == version], (name, version)

# SPDX-License-Identifier: Apache-2.0
"""Distributions' own tools, run on an export, and the trees that they make."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from scripts.base.object_ids import blob_id, tree_id
from scripts.checkout import Checkout
from scripts.distro.formats import Format, Wanted, export
from scripts.upstream.sdist import EXECUTABLE, FILE
from tests.unit.small import Small

PACKAGES = {
    "dpkg-source": "dpkg-dev",
    "lintian": "lintian",
    "makepkg": "makepkg",
    "nix-build": "nix-bin",
    "nix-instantiate": "nix-bin",
    "quilt": "quilt",
    "rpmbuild": "rpm",
}


def need(*tools: str) -> None:
    """Skip the test where a tool is absent, and name its package."""
    if missing := [t for t in tools if shutil.which(t) is None]:
        names = " ".join(sorted({PACKAGES[t] for t in missing}))
        pytest.skip(f"no {', '.join(missing)}: apt-get install {names}")


def run(*args: str | Path, cwd: Path, **env: str) -> str:
    """Run a program that has to end well; what it printed."""
    done = subprocess.run(
        [str(a) for a in args],
        cwd=cwd,
        env=os.environ | {"LC_ALL": "C.UTF-8"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def tree_of(root: Path, leave_out: Collection[str] = ()) -> str:
    """git's id of the files below `root`; some names at its top left out."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] in leave_out or path.is_dir():
            continue
        mode = EXECUTABLE if path.stat().st_mode & 0o100 else FILE
        found[name] = (mode, blob_id(path.read_bytes()))
    return tree_id(found)


def made(small: Small, form: Format, out: Path, **more: Path) -> Path:
    """The export of a hand-made checkout, and its archive found offline."""
    return export(Checkout(small.root), Wanted(form, out=out, **more)).path


def debian(folder: Path, top: str) -> str:
    """`dpkg-source -b` and `-x`; the tree that comes out, patches applied."""
    need("dpkg-source")
    (orig,) = folder.glob("*.orig.tar.gz")
    run("tar", "xf", orig.name, cwd=folder)
    shutil.copytree(folder / "debian", folder / top / "debian")
    run("dpkg-source", "-b", top, cwd=folder)
    (dsc,) = folder.glob("*.dsc")
    run("dpkg-source", "-x", dsc.name, "unpacked", cwd=folder)
    return tree_of(folder / "unpacked", ("debian", ".pc"))


def quilt(folder: Path, verb: str) -> str:
    """`quilt push -a` or `pop -a` in an unpacked source package; its tree."""
    need("quilt")
    run(
        "quilt",
        verb,
        "-a",
        cwd=folder,
        QUILT_PATCHES="debian/patches",
        QUILTRC="/dev/null",
    )
    return tree_of(folder, ("debian", ".pc"))


def rpm(folder: Path, top: str) -> str:
    """`rpmbuild -bp`; the tree that %prep makes."""
    need("rpmbuild")
    home = folder / "rpm"
    home.mkdir()
    topdir = ("--define", f"_topdir {home}", "--define", f"_sourcedir {folder}")
    run("rpmbuild", *topdir, "-bp", "vllm.spec", cwd=folder, HOME=str(home))
    return tree_of(home / "BUILD" / top)


def arch(folder: Path, top: str) -> str:
    """`makepkg --nobuild`: sources checked and prepared; the tree."""
    run("makepkg", "--nobuild", "--nodeps", cwd=folder, **makepkg(folder.parent))
    return tree_of(folder / "src" / top)


def makepkg(root: Path) -> dict[str, str]:
    """Environment in which makepkg runs as somebody else where we are root.

    makepkg refuses root, and pytest closes its folders to everybody else.
    """
    need("makepkg")
    if os.geteuid():
        return {}
    script = root / "bin/makepkg"
    script.parent.mkdir()
    script.write_text(
        f"""#!/bin/sh
set -eu
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R . "$work"
chown -R 65534:65534 "$work"
cd "$work"
HOME=$work setpriv --reuid=65534 --regid=65534 --clear-groups \
    {shutil.which("makepkg")} "$@"
[ ! -d src ] || cp -R -p src "$here"
""",
        encoding="utf-8",
    )
    script.chmod(0o755)
    return {"PATH": f"{script.parent}:{os.environ['PATH']}"}


def conda(folder: Path, top: str) -> str:
    """rattler-build up to the build script; the tree that it would run in."""
    build = pytest.importorskip("rattler_build", reason="pip: py-rattler-build")
    (variant,) = build.Stage0Recipe.from_file(folder / "recipe.yaml").render()
    session = build.DebugSession.create(
        variant, channels=[], output_dir=folder / "output"
    )
    own = (".source_info.json", "build_env.sh", "conda_build.sh")
    return tree_of(session.work_dir, own)


def nix(folder: Path, top: str) -> str:
    """nix-build of a derivation that applies the list; the tree.

    No nixpkgs is at hand: `fetchurl` gives the archive beside the expression,
    and nixpkgs' patchPhase is one line of shell here.
    """
    need("nix-build")
    (archive,) = folder.glob("*.tar.gz")
    (folder / "test.nix").write_text(
        f"""
let
  sm12x = import ./sm12x.nix {{ fetchurl = {{ urls, hash }}: ./{archive.name}; }};
in derivation {{
  name = "patched";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-euc" ''
    tar xf $src
    cd {top}
    for p in $patches; do patch -p1 -i $p; done
    cp -r . $out
  '' ];
  PATH = "/usr/bin:/bin";
  inherit (sm12x) src patches;
}}
""",
        encoding="utf-8",
    )
    home = folder / "nix"
    places = {
        "NIX_STORE_DIR": str(home / "store"),
        "NIX_STATE_DIR": str(home / "var"),
        "NIX_LOG_DIR": str(home / "log"),
        "NIX_CONF_DIR": str(home / "etc"),
        "NIX_DATA_DIR": str(home / "share"),
        "NIX_REMOTE": "",
        "HOME": str(home),
        "NIX_CONFIG": "sandbox = false\nbuild-users-group =\nsubstitute = false",
    }
    home.mkdir()
    out = run("nix-build", "test.nix", "--no-out-link", cwd=folder, **places)
    # The store makes files read-only, and keeps the executable bit.
    return tree_of(Path(out.strip().splitlines()[-1]))


TOOLS: dict[Format, Callable[[Path, str], str]] = {
    Format.DEBIAN: debian,
    Format.RPM: rpm,
    Format.NIX: nix,
    Format.ARCH: arch,
    Format.CONDA: conda,
}

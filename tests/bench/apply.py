# SPDX-License-Identifier: Apache-2.0
"""The series step of `make apply` against `git am` and against quilt."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.base.errors import Finding
from scripts.base.git import Git
from scripts.series import folder
from scripts.series.apply import Wanted, apply, make_commits
from scripts.series.base_commit import touched
from scripts.series.workbench import State, Workbench
from tests.bench.generated import generate
from tests.bench.measure import Took, alternate, child, settle, stopwatch
from tests.bench.report import Aim, Row, Sense, Side, Unit
from tests.bench.sandbox import Sandbox

COUNT = 100
"""Patches of the generated series."""
NOTES = """\
apply: on a work tree that stands at the base commit of the pinned source.
  series step: in this process; read patches/, replay and verify every blob,
  write the commits, compare the tree, check out the work tree, save the state.
  verb: the process python -m scripts apply, which also looks for work that
  would be lost. git am: one process, the same git settings, the same tree in
  the end. quilt push -a: no commits, on the plain files of the same tree. No
  side finds objects of an earlier round."""
_AM = Aim(Sense.RATIO, 1.0)
_NO_QUILT = "not installed: apt install quilt"


@dataclass(frozen=True)
class _Series:
    name: str
    folder: Path
    base: str
    tip: str
    tree: str

    @property
    def paths(self) -> list[Path]:
        return [self.folder / name for name in folder.names(self.folder)]


def rows(box: Sandbox) -> list[Row]:
    """Measure the series of this checkout, then the generated one."""
    base = apply(Wanted(box.checkout, until="0")).base
    ours = Workbench(box.checkout.build / "vllm")
    mail = copy(ours.path, box.root / "am")
    plain = copy(ours.path, box.root / "plain", ".git")
    made = box.root / "generated"
    generate(copy(ours.path, box.root / "maker"), base, COUNT, made)
    shutil.rmtree(box.root / "maker")
    found: list[Row] = []
    for where, verb in ((box.checkout.patches, True), (made, False)):
        found += _compare(box, _series(ours, base, where), ours, mail, plain, verb)
    return found


def copy(source: Path, target: Path, *without: str) -> Path:
    return Path(
        shutil.copytree(
            source, target, symlinks=True, ignore=shutil.ignore_patterns(*without)
        )
    )


def _series(ours: Workbench, base: str, where: Path) -> _Series:
    before = objects(ours.path)
    patches = folder.load(where)
    tip = make_commits(ours.git, base, patches)
    tree = ours.git.text("rev-parse", f"{tip}^{{tree}}")
    reset(ours.path, base, before)
    return _Series(f"{len(patches)} patches", where, base, tip, tree)


def _compare(
    box: Sandbox,
    series: _Series,
    ours: Workbench,
    mail: Path,
    plain: Path,
    verb: bool,
) -> list[Row]:
    start = ours.state()
    clean, clean_mail = objects(ours.path), objects(mail)
    want = _files(ours, series)

    def back() -> None:
        reset(ours.path, series.base, clean)
        ours.save(start)
        settle()

    def step() -> Took:
        back()
        with stopwatch() as watch:
            _step(ours, series)
        return watch.took

    def whole() -> Took:
        back()
        return box.verb("apply").took

    def am() -> Took:
        reset(mail, series.base, clean_mail)
        settle()
        with stopwatch() as watch:
            Git(mail).run("am", "--quiet", *map(str, series.paths))
        _same(Git(mail).text("rev-parse", "HEAD^{tree}"), series.tree, "git am")
        return watch.took

    def quilt() -> Took:
        settle()
        took = _quilt(plain, series, "push")
        for path, data in want.items():
            if (plain / path).read_bytes() != data:
                raise Finding("quilt made another file", where=path)
        _quilt(plain, series, "pop")
        shutil.rmtree(plain / ".pc")
        return took

    sides: dict[str, Callable[[], Took]] = {"series step": step, "git am": am}
    if shutil.which("quilt"):
        sides["quilt push -a"] = quilt
    if verb:
        sides["verb"] = whole
    times = alternate(sides, box.rounds, f"apply, {series.name}")
    back()
    side = {name: Side.timed(name, values) for name, values in times.items()}
    job, unit = f"apply, {series.name}", Unit.SECONDS
    found = [Row(job, unit, side["series step"], side["git am"], _AM)]
    if verb:
        found.append(Row(job, unit, side["verb"], side["git am"]))
    other = side.get("quilt push -a")
    skipped = None if other else _NO_QUILT
    found.append(Row(job, unit, side["series step"], other, skipped=skipped))
    return found


def _step(ours: Workbench, series: _Series) -> None:
    """What `apply` does between the base commit and its end."""
    patches = folder.load(series.folder)
    tip = make_commits(ours.git, series.base, patches)
    tree = ours.git.text("rev-parse", f"{tip}^{{tree}}")
    _same(tree, series.tree, "apply")
    state = State("sdist", series.base, tip, folder.fingerprint(patches), True)
    ours.move(state)


def _same(found: str, expected: str, who: str) -> None:
    if found != expected:
        raise Finding(f"{who} made another tree", None, expected, found)


def objects(repo: Path) -> set[Path]:
    return {p for p in (repo / ".git/objects").rglob("*") if p.is_file()}


def reset(repo: Path, base: str, keep: set[Path]) -> None:
    """Put everything back to `base`, and drop the objects made since."""
    git = Git(repo)
    git.run("reset", "--quiet", "--hard", base)
    for name in ("next", "tip"):
        git.run("update-ref", f"refs/sm12x/{name}", base)
    (repo / ".git/ORIG_HEAD").unlink(missing_ok=True)
    for path in objects(repo) - keep:
        path.unlink()


def _files(ours: Workbench, series: _Series) -> dict[str, bytes]:
    """What the series leaves in the files that it touches."""
    before = objects(ours.path)
    patches = folder.load(series.folder)
    tip = make_commits(ours.git, series.base, patches)
    with ours.git.blobs() as blobs:
        read = {path: blobs.read(f"{tip}:{path}") for path in touched(patches)}
    reset(ours.path, series.base, before)
    return {path: data for path, data in read.items() if data is not None}


def _quilt(tree: Path, series: _Series, verb: str) -> Took:
    env = {"QUILT_PATCHES": str(series.folder), "LC_ALL": "C"}
    return child(["quilt", "--quiltrc=-", verb, "-a", "-q"], tree, env=env).took

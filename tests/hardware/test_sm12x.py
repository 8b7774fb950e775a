# SPDX-License-Identifier: Apache-2.0
"""What an owner of an SM12x GPU runs, tried on doubles: the tools, not the hardware."""

from __future__ import annotations

import json
import platform
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.doctor.facts import Facts, Gpu
from scripts.hardware import gpu, owner, place, serve, subsets
from scripts.hardware.place import Place
from scripts.site.hardware import bench_page
from scripts.upstream import lock as lockfile

SOME = subsets.Subset("some", ("tests/test_some.py",), least=2)
NAMES = (
    "flashinfer_cutedsl_sm12x",
    "flashinfer_cutlass",
    "marlin",
    "flashinfer_b12x",
    "b12x",
)
# Speaks as much of `vllm` as the benchmark asks for; marlin cannot be served.
VLLM = """\
#!{python}
import http.server, json, pathlib, sys

def given(name):
    return sys.argv[sys.argv.index(name) + 1]

class Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

if sys.argv[1] == "serve":
    if given("--moe-backend") == "marlin":
        sys.exit("no such kernel")
    http.server.HTTPServer(("127.0.0.1", int(given("--port"))), Well).serve_forever()
many = int(given("--max-concurrency"))
told = {{"completed": int(given("--num-prompts")), "output_throughput": 10.0 * many,
        "median_ttft_ms": 5.0, "median_tpot_ms": 2.0}}
{plant}
out = pathlib.Path(given("--result-dir")) / given("--result-filename")
out.write_text(json.dumps(told))
"""


def program(folder: Path, plant: str = "") -> Path:
    path = folder / "vllm"
    path.write_text(VLLM.format(python=sys.executable, plant=plant), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_each_backend_has_its_turns(tmp_path: Path) -> None:
    found = serve.table(program(tmp_path), "some/model", rounds=2)
    assert found["ok"]
    assert {row[0] for row in found["rows"]} == {*NAMES} - {"marlin"}
    rows = {tuple(row[:3]): row[3:] for row in found["rows"]}
    assert rows["b12x", 1, "tokens/s"] == [10.0, 10.0, 10.0, 2]
    assert rows["b12x", 8, "tokens/s"] == [80.0, 80.0, 80.0, 2]
    assert found["notes"] == ["not served: marlin: no such kernel"]


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        ("sys.exit(3)", "exit status 3"),
        ("told['completed'] -= 1", "7 of 8 requests"),
    ],
)
def test_a_run_that_fails_is_no_figure(tmp_path: Path, plant: str, said: str) -> None:
    found = serve.table(program(tmp_path, plant), "some/model", rounds=1)
    assert not found["ok"] and not found["rows"]
    assert len(found["notes"]) == len(NAMES)
    assert sum(said in note for note in found["notes"]) == len(NAMES) - 1


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    mute = tmp_path / "vllm"
    mute.write_text("#!/bin/sh\necho loading\nexec sleep 60\n", encoding="utf-8")
    mute.chmod(0o755)
    with (
        pytest.raises(RuntimeError, match="loading"),
        serve.server(mute, "some/model", "marlin", seconds=0.5),
    ):
        pass


def results(folder: Path, *cases: str) -> Path:
    bodies = {
        "passed": "",
        "failed": '<failure message="assert 1 == 2&#10;more"/>',
        "error": '<error message="fixture"/>',
        "skipped": '<skipped message="needs an SM120 or SM121 GPU"/>',
    }
    text = "".join(
        f'<testcase name="test_{number}">{bodies[kind]}</testcase>'
        for number, kind in enumerate(cases)
    )
    xml = folder / "results.xml"
    xml.write_text(f"<testsuites>{text}</testsuites>", encoding="utf-8")
    return xml


@pytest.mark.parametrize(
    ("cases", "ok", "state"),
    [
        (("passed", "passed"), True, "ok"),
        (("passed", "passed", "skipped"), True, "ok"),
        (("passed", "skipped"), False, "too few ran"),
        (("skipped", "skipped"), False, "too few ran"),
        (("passed", "passed", "failed"), False, "FAILED"),
        (("passed", "passed", "error"), False, "FAILED"),
        ((), False, "too few ran"),
    ],
)
def test_skips_are_no_passes(
    tmp_path: Path, cases: tuple[str, ...], ok: bool, state: str
) -> None:
    ended = subsets.read(SOME, results(tmp_path, *cases))
    assert (ended.ok, ended.row()[1]) == (ok, state)
    if "failed" in cases:
        assert ended.why == "test_2: assert 1 == 2"
    elif cases and not ok and "error" not in cases:
        assert "needs an SM120" in ended.why


def test_a_session_without_results_failed(tmp_path: Path) -> None:
    ended = subsets.run(Place(Path("/bin/false"), tmp_path), SOME)
    assert not ended.ok and "wrote no results" in ended.why


def test_every_named_file_is_in_the_series_or_upstream() -> None:
    """The names are those of the patched tree; the 24 and 36 are the seed's."""
    patched = Checkout().build / "selection" / "build" / "vllm"
    if not patched.is_dir():
        pytest.skip("no patched tree here; the test of the whole run makes one")
    for subset in subsets.SUBSETS:
        for name in subset.files:
            assert (patched / name).is_file(), name


def test_no_gpu_and_another_gpu_exit_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(*gpus: Gpu) -> None:
        facts = Facts("3.12", "python", "x86_64", gpus=gpus)
        monkeypatch.setattr(gpu, "look", lambda *_: facts)

    for verb in (
        lambda: owner.test(Checkout(), double=False),
        lambda: owner.bench(Checkout(), double=False, model=None, rounds=1),
    ):
        machine()
        with pytest.raises(Unusable, match="no NVIDIA GPU"):
            verb()
        machine(Gpu("NVIDIA H100", "9.0", "580", "80 GB"))
        with pytest.raises(Unusable, match="nothing was run, and nothing is claimed"):
            verb()


def test_the_wheel_is_installed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lockfile.load()
    at = Checkout(tmp_path)
    at.lock.write_bytes(lockfile.PATH.read_bytes())
    empty = tmp_path / "requirements.txt"
    empty.write_text("", encoding="utf-8")
    monkeypatch.setattr(place, "REQUIREMENTS", empty)
    monkeypatch.setattr(place, "with_tests", lambda _, home: home)
    with pytest.raises(Unusable, match=r"make wheel ARCH="):
        place.installed(at)
    name = f"vllm-{lock.local_version}-py3-none-linux_{platform.machine()}.whl"
    info = f"vllm-{lock.local_version}.dist-info"
    tag = f"py3-none-linux_{platform.machine()}"
    (tmp_path / "dist").mkdir()
    with zipfile.ZipFile(tmp_path / "dist" / name, "w") as wheel:
        wheel.writestr("vllm/__init__.py", "here = True\n")
        head = f"Metadata-Version: 2.1\nName: vllm\nVersion: {lock.local_version}\n"
        wheel.writestr(f"{info}/METADATA", head)
        wheel.writestr(
            f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    first = place.installed(at)
    assert first.run("-c", "import vllm; assert vllm.here").returncode == 0
    made = first.python.stat().st_mtime_ns
    assert place.installed(at).python.stat().st_mtime_ns == made


@pytest.mark.upstream
@pytest.mark.slow
def test_the_whole_of_it_on_the_double() -> None:
    at = Checkout()
    found = owner.test(at, double=True)
    assert found["ok"], found
    assert not found["machine"]["hardware"]
    states = [row[1] for row in found["tests"]["rows"]]
    assert states == ["ok", "not run", "not run", "not run"]
    assert len(found["errors"]["rows"]) == 32
    text = owner.as_text(found)
    assert "says nothing of the hardware" in text and "no kernel ran" in text
    test_every_named_file_is_in_the_series_or_upstream()
    found = owner.bench(at, double=True, model=None, rounds=1)
    measured = {tuple(row[:2]) for row in found["sweep"]["rows"]}
    assert measured == {("MoE", NAMES[0]), ("MoE", "flashinfer_b12x")}
    why = "\n".join(found["sweep"]["notes"])
    assert all(f"not run: linear {name}" in why for name in ("auto", "marlin"))
    assert json.loads(json.dumps(found)) == found
    page = bench_page(found).decode()
    assert page.count("curve fork") == 2 and "says nothing of the hardware" in page

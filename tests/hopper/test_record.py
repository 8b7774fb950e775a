# SPDX-License-Identifier: Apache-2.0
"""Results of a run on a Hopper GPU: merged, held against the bounds, kept, shown."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import Finding, Unusable
from scripts.hopper import judge, known, record, render, runner

MACHINE = {
    "device": "NVIDIA H200",
    "capability": "9.0",
    "driver": "580",
    "torch": "2.11.0",
    "python": "3.12.3",
    "flashinfer-python": "9.9.9",
    "nvidia-cutlass-dsl": "4.8.0",
    "date": "2026-11-30",
}
BUNDLE = {
    "tree": "a" * 40,
    "ptxas": "13.5.37",
    "replaced": {"setmaxnreg": 2},
    "kinds": {"sm_120a": {"micro": 3}, "sm_121a": {}},
}
GOOD: dict[str, tuple[list[str], list[list[Any]]]] = {
    "instructions": (
        ["instruction", "what", "cases", "wrong"],
        [["mma", "random tiles", 512, 0], ["mma", "planted: a sign is lost", 3, 2]],
    ),
    "regimes": (
        ["regime", "tile", "activation", "scales", "tokens", "kernel-reference",
         "double-reference", "kernel-double", "worst row", "runs", "runs apart"],
        [
            ["static", 64, "silu", "separate", 40, 0.16, 0.16, 0.0, 0.0,
             "100 of 100 the same bits", 0.0],
            ["static", 64, "silu", "shared", 256, 0.15, 0.15, 0.0, 0.0,
             "100 of 100 the same bits", 0.0],
            ["micro", 64, "silu", "shared", 1, 0.15, 0.15, 0.003, 0.02,
             "7 of 100 the same bits", 0.004],
        ],
    ),
    "models": (
        ["model", "ranks", "experts", "top-k", "hidden", "intermediate", "kernel",
         "tokens", "rows", "kernel-reference", "double-reference", "kernel-double",
         "worst row"],
        [
            ["M", 1, 128, 8, 2048, 768, "static", 9, "all", 0.16, 0.16, 0.0004, 0.02],
            ["M", 1, 128, 8, 2048, 768, "static", 9, "all padded", "0 not zero", "",
             "", ""],
            ["M", 1, 128, 8, 2048, 768, "dynamic", 512, "all", 0.16, 0.16, 0.0135,
             0.02],
        ],
    ),
    "seed": (
        ["file", "capability", "passed", "failed", "skipped", "first failure"],
        [["tests/some.py", "12.0", 24, 0, 0, ""]],
    ),
    "sanitizer": (
        ["tool", "kind", "errors", "warnings", "launches", "first report"],
        [["racecheck", "static", 0, 0, 3, ""]],
    ),
}  # fmt: skip


def result(**parts: Any) -> dict[str, Any]:
    made = {
        name: {"columns": columns, "rows": rows, "failed": ""}
        for name, (columns, rows) in copy.deepcopy(GOOD).items()
    }
    return {"machine": dict(MACHINE), "bundle": BUNDLE, "parts": made | parts}


def changed(part: str, row: int, column: str, value: Any) -> dict[str, Any]:
    found = result()
    told = found["parts"][part]
    told["rows"][row][told["columns"].index(column)] = value
    return found


def test_a_good_run_breaks_nothing() -> None:
    assert judge.broken(result()) == []


@pytest.mark.parametrize(
    ("part", "row", "column", "value", "said"),
    [
        ("instructions", 0, "wrong", 1, "not exact"),
        ("instructions", 1, "wrong", 0, "no check sees"),
        ("regimes", 2, "kernel-double", 0.011, "kernel-double is beyond"),
        ("regimes", 0, "kernel-double", 0.001, "other bits than the double's"),
        ("regimes", 2, "worst row", 0.2, "worst row is beyond"),
        ("regimes", 1, "kernel-reference", 0.3, "kernel-reference is beyond"),
        ("regimes", 1, "kernel-reference", float("nan"), "kernel-reference is beyond"),
        ("models", 0, "kernel-double", 0.0011, "kernel-double is beyond 0.0010"),
        ("models", 2, "kernel-double", 0.0136, "kernel-double is beyond 0.0135"),
        ("models", 0, "kernel-reference", "not finite", "not finite"),
        ("models", 0, "kernel", "refused: no", "refused"),
        ("models", 1, "kernel-reference", "3 not zero", "padded rows"),
        ("seed", 0, "failed", 1, "failed or were skipped"),
        ("seed", 0, "skipped", 1, "failed or were skipped"),
        ("seed", 0, "passed", 0, "failed or were skipped"),
        ("sanitizer", 0, "errors", 4, "nobody has looked into"),
        ("sanitizer", 0, "warnings", 1, "nobody has looked into"),
        ("sanitizer", 0, "launches", "", "did not come to its end"),
    ],
)
def test_what_breaks_a_bound_is_named(
    part: str, row: int, column: str, value: Any, said: str
) -> None:
    (found,) = judge.broken(changed(part, row, column, value))
    assert found.startswith(f"{part}: ") and said in found


def test_a_part_that_did_not_end_breaks_the_run() -> None:
    lost = {"columns": [], "rows": [], "failed": "RuntimeError: gone"}
    assert judge.broken(result(graphs=lost)) == ["graphs: RuntimeError: gone"]


def test_a_report_that_was_looked_into_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = changed("sanitizer", 0, "errors", 4)
    why = {("9.9.9", "racecheck", "static"): "FlashInfer's"}
    monkeypatch.setattr(judge, "REPORTS", why)
    monkeypatch.setattr(render, "REPORTS", why)
    assert judge.broken(found) == []
    assert "FlashInfer's" in render.as_text(found, "a" * 40)
    assert all(len(key) == 3 and text for key, text in known.REPORTS.items())


def test_results_of_one_bundle_are_one() -> None:
    seed = result()["parts"]["seed"]
    other = {**result(), "parts": {"seed": seed, "engine": seed}}
    whole = record.merged([result(), other])
    assert len(whole["parts"]["seed"]["rows"]) == 2
    assert set(whole["parts"]) == {*GOOD, "engine"}
    for key, value in (("machine", {"device": "another"}), ("bundle", {"tree": "b"})):
        with pytest.raises(Finding, match=f"different {key}s"):
            record.merged([result(), {**other, key: value}])


def test_it_is_kept_and_comes_back(tmp_path: Path) -> None:
    path = record.save(result(), tmp_path)
    assert path.name == "flashinfer-9.9.9.json"
    (found,) = record.recorded(tmp_path)
    for part in found["parts"].values():
        assert part.pop("cut") == ""
    assert found == result()
    with pytest.raises(Finding, match="broke a bound"):
        record.save(changed("seed", 0, "failed", 1), tmp_path)
    with pytest.raises(Finding, match="no record"):
        record.recorded(tmp_path / "none")
    path.write_text(json.dumps({"machine": {}}), encoding="utf-8")
    with pytest.raises(Finding, match="no result of a run"):
        record.load(path)


def test_the_oldest_release_comes_first(tmp_path: Path) -> None:
    for release in ("0.7.10", "0.7.4", "0.7.2.post1"):
        found = result()
        found["machine"]["flashinfer-python"] = release
        record.save(found, tmp_path)
    releases = [record.release(one) for one in record.recorded(tmp_path)]
    assert releases == ["0.7.2.post1", "0.7.4", "0.7.10"]


def test_the_table_says_first_of_which_series_it_is() -> None:
    text = render.as_text(result(), "a" * 40)
    assert text.splitlines()[0] == f"this series: patched tree {'a' * 40}"
    other = render.as_text(result(), "b" * 40).splitlines()[0]
    assert other.startswith("another series than this one")
    assert "static  64    silu        40 to 256  2" in text
    assert "static  40 to 256  2      never" in text
    assert "micro   1          1      some runs   0.0040" in text
    assert "any speed" in text


def test_no_gpu_no_bundle_no_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unusable, match="no bundle"):
        runner.run(tmp_path, "python3", None)
    with pytest.raises(Unusable, match="no result"):
        runner.found(tmp_path)
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    from scripts.doctor.facts import Gpu

    monkeypatch.setattr(runner.gpu, "found", lambda _: Gpu("RTX", "12.0", "580", "9"))
    with pytest.raises(Unusable, match="nothing was run"):
        runner.run(tmp_path, "python3", None)

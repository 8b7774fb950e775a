# SPDX-License-Identifier: Apache-2.0
"""The error table with the real kernel beside its double, so that it is checked too.

``python errors.py OUT [--double]``: layers through vLLM's own loader, on the device
that is there; with ``--double`` on the CPU, where the double stands in both places.
OUT gets the rows, columns and notes as JSON. Exit status 1 if a bound is broken.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cuda")]
DOUBLE = "--double" in sys.argv
if DOUBLE:
    import double
else:
    sys.path[:0] = [
        str(HERE.parents[2] / "scripts" / "in_vllm"),
        str(HERE.parents[1] / "on_cpu" / "in_vllm"),
    ]
    import device

COLUMNS = [
    "sigma", "activation", "checkpoint", "tokens",
    "fork", "fork, double", "kernel from double", "upstream",
]  # fmt: skip
SIGMAS = (0.05, 0.02, 0.01, 0.005, 0.003)
TOKENS = (1, 8, 64, 1000)
BOUND = 0.25
# The order of BF16 atomics and rcp.approx are not modelled by the double.
FROM_DOUBLE = 0.05


def ready() -> None:
    """vLLM in this process, on the device or on its double."""
    if DOUBLE:
        double.start()
        import loading

        loading.start()
    else:
        device.stand_in()
        device.start()


def device_of() -> str:
    """Where tensors are made."""
    return "cpu" if DOUBLE else "cuda"


def main() -> int:
    ready()
    from checkpoint import Format, Shape

    shapes = [Shape(sigma, hidden=256, intermediate=256) for sigma in SIGMAS]
    others = ("gelu_tanh", "relu2_no_mul", "swigluoai")
    shapes += [replace(shapes[1], activation=each) for each in others]
    tokens = TOKENS[:2] if DOUBLE else TOKENS
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, shape in enumerate(shapes):
            for form in Format:
                at = Path(folder) / f"{number}-{form.value}"
                for row in layer(at, shape, form, tokens):
                    rows.append(row)
                    print("  ".join(map(str, row)), file=sys.stderr, flush=True)
    broken = [r for r in rows if r[4] > BOUND or r[5] > BOUND or r[6] > FROM_DOUBLE]
    notes = [f"bounds: fork {BOUND}, kernel from double {FROM_DOUBLE}"]
    if DOUBLE:
        notes.append("no kernel ran: the double stood in its place too")
    notes += [f"broken: {row}" for row in broken]
    made = {"columns": COLUMNS, "rows": rows, "notes": notes}
    Path(sys.argv[1]).write_text(json.dumps(made, indent=1), encoding="utf-8")
    return 1 if broken else 0


def layer(
    folder: Path, shape: Any, form: Any, tokens: tuple[int, ...]
) -> list[list[Any]]:
    """A row for each number of tokens: relative norms, rounded to 4 digits."""
    import torch
    from checkpoint import make_layers, reference
    from contract.b12x_double import B12xMoEWrapperDouble
    from loading import FORK, UPSTREAM, error, inputs, load_layer, run
    from standin import real_wrapper, replace_wrapper

    made = make_layers(shape)[0]
    where = torch.device(device_of())

    def loaded(name: str, backend: str) -> Any:
        with where:
            return load_layer(folder / name, shape, made, form, backend)

    sides = {"fork": loaded("fork", FORK)}
    given = {n: [t.to(where) for t in inputs(shape, n, seed=9)] for n in tokens}
    with suppress(NotImplementedError, ValueError):  # an activation it does not take
        sides["upstream"] = loaded("upstream", UPSTREAM)
    outs = {s: {n: run(e, *given[n]).clone() for n in tokens} for s, e in sides.items()}
    doubled = outs["fork"]
    if not DOUBLE:
        replace_wrapper(B12xMoEWrapperDouble)
        try:
            twin = loaded("double", FORK)
            doubled = {n: run(twin, *given[n]).clone() for n in tokens}
        finally:
            replace_wrapper(real_wrapper())
    rows = []
    for n in tokens:
        x, weights, ids = (t.cpu() for t in given[n])
        want = reference(made, x, weights, ids, shape.activation, shape.swiglu)
        errors = [error(outs["fork"][n].cpu(), want), error(doubled[n].cpu(), want)]
        apart = error(outs["fork"][n].cpu(), doubled[n].cpu().float())
        theirs = "refused"
        if "upstream" in outs:
            theirs = round(error(outs["upstream"][n].cpu(), want), 4)
        found = [*(round(e, 4) for e in (*errors, apart)), theirs]
        rows.append([shape.sigma, shape.activation, form.value, n, *found])
    return rows


if __name__ == "__main__":
    sys.exit(main())

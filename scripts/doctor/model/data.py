# SPDX-License-Identifier: Apache-2.0
"""An assessment as data for a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.doctor.model.assess import Assessment
from scripts.doctor.model.roofline import roofline
from scripts.doctor.model.serve import lines
from scripts.doctor.model.told import Answer

SCHEMA = Path(__file__).with_name("model.schema.json")


def data(answer: Answer) -> dict[str, Any]:
    """The answer, for a program; `model.schema.json` says what is in it."""
    found, wanted = answer.found, answer.found.wanted
    return {
        "schema": 1,
        "ok": answer.ok,
        "model": {
            "name": answer.folder.resolve().name,
            "family": answer.known.model.family,
            "layers": len(answer.known.model.mixers),
            "context": answer.known.model.context,
        },
        "gpu": {
            "name": wanted.gpu.name,
            "capability": wanted.gpu.capability,
            "memory": wanted.gpu.memory,
            "bandwidth": wanted.gpu.bandwidth,
            "sms": wanted.gpu.sms,
            "unified": wanted.gpu.unified,
            "sources": dict(wanted.gpu.source),
            "unconfirmed": list(wanted.gpu.unconfirmed),
        },
        "asked": {
            "count": wanted.count,
            "tp": wanted.ranks,
            "context": found.context,
            "seqs": wanted.seqs,
            "tokens": wanted.tokens,
            "kv": found.kv,
        },
        "fits": found.fits,
        "stops": list(found.stops),
        "selection": answer.source,
        "layers": [
            {
                "kind": row.kind.value,
                "format": row.form.value,
                "count": row.count,
                "bytes": row.nbytes if row.shared else None,
                "padding": row.padding if row.shared else None,
                "loaded": row.loaded,
                "names": list(row.names),
                "patched": row.choice.patched,
                "stock": row.choice.stock,
                "why": row.choice.why,
                "refused": list(row.choice.refused),
                "stops": row.choice.stops,
                "stock_stops": row.choice.stock_stops,
            }
            for row in found.rows
        ],
        **_counted(found),
        "would_fit": [
            {"what": o.what, "give": o.give, "tokens": o.found.tokens}
            for o in answer.others
        ],
        "serve": lines(answer.folder, list(answer.flags), found) if found.fits else [],
        "flags": [
            {"name": f.name, "value": f.value, "why": f.why}
            for f in answer.flags
            if not found.stops
        ],
        "findings": [
            {"level": r.level.value, "what": r.what, "fix": r.fix}
            for r in answer.remarks
        ],
    }


def _counted(found: Assessment) -> dict[str, Any]:
    """What is only of something that runs."""
    if found.stops:
        return dict.fromkeys(("memory", "cache", "upper_bound"))
    bound = roofline(found)
    return {
        "memory": {
            "total": found.budget.total,
            "utilization": found.budget.utilization,
            "system": found.budget.system,
            "items": [
                {
                    "name": item.name,
                    "bytes": item.nbytes,
                    "exact": item.exact,
                    "how": item.how,
                }
                for item in found.budget.items
            ],
            "left": found.budget.left,
        },
        "cache": {
            "bytes_a_token": found.cache.token,
            "bytes_a_sequence": found.cache.state,
            "block": found.cache.block,
            "blocks": found.blocks,
            "tokens": found.tokens,
            "sequences": round(found.sequences, 3),
        },
        "upper_bound": {
            "weights": bound.weights,
            "cache": bound.cache,
            "tokens_a_second_empty": round(bound.empty, 1),
            "tokens_a_second": round(bound.full, 1),
        },
    }

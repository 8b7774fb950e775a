# SPDX-License-Identifier: Apache-2.0
"""What tables and the baseline call a kernel, and a choice of vLLM's."""

from __future__ import annotations

from collections.abc import Iterable

from scripts.kernels.sweep import Event


def label(event: Event) -> str:
    """A name of a reached kernel that stays when FlashInfer changes inside.

    A GEMM's code depends on its tile alone, so it belongs to no model.
    """
    detail = event["detail"]
    tile = "x".join(map(str, detail.get("tile", ())[:2]))
    if event["layer"] == "linear":
        flags = [name for name in ("swap_ab", "use_prefetch") if detail.get(name)]
        return " ".join(["linear", event["kind"], tile, *flags])
    if event["kind"] == "triton helper":
        # It depends on the number of routed rows, which top-k has a part in.
        return f"moe triton helper block {detail['block']} rows {detail['rows']}"
    if event["kind"] == "w4a16 routes":
        rest = [f"{k}={v}" for k, v in detail.items() if k != "name"]
        return " ".join(["moe w4a16", detail["name"], *rest])
    words = [event["model"], f"TP{event['tp']}", event["kind"], tile]
    if "block" in detail:
        direct = " direct" if detail.get("direct_topk_routes") else ""
        words.append(f"block {detail['block']}{direct}")
    if event["kind"] != "dynamic":
        words.append(f"M={event['tokens']}")
    return " ".join(word for word in words if word)


def names_of(told: Iterable[Event]) -> dict[str, str]:
    """A label for each key: of where it was reached first."""
    names: dict[str, str] = {}
    for event in told:
        if event["event"] == "kernel" and event["key"] not in names:
            first, count = label(event), 2
            name = first
            while name in names.values():
                name, count = f"{first} #{count}", count + 1
            names[event["key"]] = name
    return names


def selection(event: Event) -> str:
    method = "W4A16" if event.get("method", "").startswith("W4A16") else "W4A4"
    words = [event["model"], f"TP{event['tp']}", event["layer"], method]
    words += [f"({event['backend']})" if event["backend"] != "auto" else ""]
    where = " ".join(word for word in words if word)
    if event["event"] == "selected":
        return f"{where}: {event['kernel']}"
    if event["event"] == "elsewhere":
        return f"{where}: from M={event['tokens']} on {event['library']}"
    return f"{where}: refused, {event['text']}"

# SPDX-License-Identifier: Apache-2.0
"""A PyTorch double of ``B12xMoEWrapper`` of FlashInfer 0.7.4, for NVFP4.

It was written from 0.7.2.post1, whose lines it names, and follows 0.7.4 where that is
otherwise, as CONTRACT.md's section 0 says. It takes and returns what the wrapper does,
refuses what it refuses, and writes down each call. Sources are file:line, as in
``b12x_numerics``; ``b12x_moe`` lies one folder higher. Where FlashInfer would go wrong
in silence, the double raises, and says so.
"""

import os
from dataclasses import dataclass, field
from typing import Any

import torch

from .b12x_numerics import ACTIVATIONS, BLOCK, GATED, columns_at_once, moe, round_up

TILE, STATIC_N, CUTOVER = 128, 256, 1024  # 0.7.4, moe_dispatch:67, :908, :116


def cutover(experts: int, n: int, top_k: int, activation: str) -> int:
    """_get_static_compact_cutover_pairs (0.7.4, moe_dispatch:441).

    Its registry is left out, which has one shape for a GPU of 110 multiprocessors.
    """
    if round_up(n, TILE) < STATIC_N:
        return CUTOVER
    rows = 8 if n % TILE == 0 else 16
    if activation in GATED and top_k > 1 and 256 < n <= 384 and rows * experts >= 1920:
        rows = 17
    return max(CUTOVER, rows * experts)


def takes_direct_micro(k: int, top_k: int) -> bool:
    """MoEDirectMicroKernel.is_supported, as far as a multiple of 16 can fail it."""
    return k % 128 == 0 and round_up(k, 512) // 512 <= 12 and top_k <= 32


@dataclass
class Workspace:
    """Stands for Sm120StaticMoEWorkspace or Sm120DynamicMoEWorkspace; has no memory."""

    state_E: int
    weight_E: int
    max_rows: int
    k: int
    n: int
    num_topk: int
    device: torch.device
    activation_precision: str = "fp4"
    quant_mode: str = "nvfp4"
    routed_rows_capacity: int = 0  # of the dynamic one
    tile_m: int = 0  # of the dynamic one


def allocate_workspace(
    *, state_E: int, weight_E: int, k: int, n: int, num_topk: int,
    device: torch.device, max_rows: int | None = None, routed_rows: int | None = None,
    quant_mode: str | None = None, activation_precision: str | None = None,
    backend: str | None = None, activation: str = "silu",
) -> Workspace:  # fmt: skip
    """allocate_sm120_moe_workspace (moe_dispatch:2927)."""
    rows = max(1, routed_rows if routed_rows is not None else max_rows or 1)
    most = cutover(weight_E, n, num_topk, activation)
    backend = backend or ("static" if round_up(rows, num_topk) <= most else "dynamic")
    capacity = tile = 0
    if backend == "static":  # 0.7.4, moe_dispatch:634
        n = round_up(n, TILE)
    else:  # moe_dispatch:251-273, :1881-1937
        limits = ((15, 16), (48, 32), (96, 64))
        small = [t for low, t in limits if rows < low * state_E and activation in GATED]
        tile, capacity = min(small, default=TILE), rows
        rows = tile * max(1, -(-rows // tile) + min(state_E, rows) - 1)
    size = state_E, weight_E, rows, k, n, num_topk, torch.device(device)
    return Workspace(*size, routed_rows_capacity=capacity, tile_m=tile)


@dataclass
class Call:
    """What one ``run`` was given and did. No value on the device is read for it."""

    regime: str
    num_tokens: int
    output: torch.Tensor
    alpha: torch.Tensor  # w1_alpha as the kernel gets it, with the fold
    input_gs: torch.Tensor
    workspace: Any
    conversions: tuple[str, ...]  # what FlashInfer allocates anew in each call
    weight_copies: int  # whole copies of the weights that FlashInfer pads and keeps
    scale_copies: int  # the same of their block scales
    args: dict[str, torch.Tensor] = field(repr=False)


class B12xMoEWrapperDouble:
    """Constructor and ``run`` of B12xMoEWrapper (b12x_moe:331-913)."""

    cuda_major = 13  # what FlashInfer's get_cuda_version() would say
    direct_micro_launches = True  # FlashInfer asks the driver: moe_dispatch:1618

    def __init__(
        self, num_experts: int, top_k: int, hidden_size: int, intermediate_size: int,
        *, use_cuda_graph: bool = False, max_num_tokens: int = 4096,
        num_local_experts: int | None = None, expert_map: torch.Tensor | None = None,
        output_dtype: torch.dtype = torch.bfloat16, device: str = "cuda",
        activation: str = "silu", swiglu_alpha: float = 1.702,
        swiglu_beta: float = 1.0, swiglu_limit: float | None = None,
        activation_precision: str = "fp4", quant_mode: str | None = None,
        source_format: str = "modelopt", shared_static_workspace: object | None = None,
        shared_dynamic_workspace: object | None = None,
        shared_output: torch.Tensor | None = None,
    ):  # fmt: skip
        mode = str(quant_mode or activation_precision).lower()  # moe_dispatch:187-215
        forced = os.environ.get("FLASHINFER_B12X_FORCE_MOE_W4A16", "0") == "1"
        shared = (shared_static_workspace, shared_dynamic_workspace, shared_output)
        if self.cuda_major < 13:
            raise ValueError("b12x fused MoE requires CUDA 13 or later.")  # :468
        if output_dtype != torch.bfloat16:  # b12x_moe:475
            raise ValueError("b12x fused MoE only supports output_dtype bfloat16")
        if forced or mode not in ("fp4", "nvfp4", "w4a4"):
            raise NotImplementedError("the double covers quant_mode='nvfp4' only")
        if (num_local_experts or num_experts) != num_experts or expert_map is not None:
            raise NotImplementedError("Expert Parallelism only for 'w4a16'")  # :502
        if activation not in ACTIVATIONS:  # in FlashInfer the first run raises
            raise ValueError(f"unsupported activation {activation!r}")
        if hidden_size % TILE or intermediate_size % BLOCK:  # unchecked in FlashInfer
            raise ValueError("hidden_size % 128 and intermediate_size % 16 must be 0")
        if not use_cuda_graph and any(s is not None for s in shared):  # b12x_moe:547
            raise ValueError("shared_* require use_cuda_graph=True")
        if shared_output is not None and not (  # b12x_moe:561
            shared_output.dim() == 2
            and shared_output.shape[0] >= max_num_tokens
            and shared_output.shape[1] == hidden_size
            and shared_output.dtype == output_dtype
            and shared_output.device.type == torch.device(device).type
        ):
            raise ValueError("shared_output must be (>=max_num_tokens, hidden_size)")
        self.num_experts, self.top_k = num_experts, top_k
        self.hidden_size, self.intermediate_size = hidden_size, intermediate_size
        self.use_cuda_graph, self.max_num_tokens = use_cuda_graph, max_num_tokens
        self.activation = activation
        self.swiglu = swiglu_alpha, swiglu_beta, swiglu_limit
        self.calls: list[Call] = []
        self._static, self._dynamic, self._output = shared
        self._folded_w1_alpha_key = self._folded_w1_alpha = None  # FlashInfer's names
        self._padded: tuple[Any, Any] = (None, None)
        if use_cuda_graph:  # b12x_moe:586-692
            rows = max_num_tokens * top_k
            most = cutover(num_experts, intermediate_size, top_k, activation)
            size: Any = {"state_E": num_experts, "weight_E": num_experts}
            size |= {"k": hidden_size, "n": intermediate_size, "num_topk": top_k}
            size |= {"device": device, "activation": activation}
            if self._static is None:
                self._static = allocate_workspace(
                    max_rows=min(rows, most), backend="static", **size
                )
            if rows > most and self._dynamic is None:
                self._dynamic = allocate_workspace(
                    routed_rows=rows, backend="dynamic", **size
                )
            if self._output is None:
                self._output = torch.empty(
                    max_num_tokens, hidden_size, dtype=output_dtype, device=device
                )

    def regime(self, num_tokens: int) -> str:
        """The kernel that FlashInfer takes."""
        rows, k, ws = num_tokens * self.top_k, self.hidden_size, self._dynamic
        n = round_up(self.intermediate_size, TILE)
        most = cutover(
            self.num_experts, self.intermediate_size, self.top_k, self.activation
        )
        if rows > most and (ws is not None or not self.use_cuda_graph):  # :789
            tile = ws.tile_m if ws is not None else TILE
            paired = self.activation in GATED and tile == TILE and k <= 16384
            if (
                paired
                and self.top_k <= 16
                and round_up(self.intermediate_size, TILE) <= 512
            ):
                return "dynamic_gated"  # moe_dynamic_kernel:20-49
            return "dynamic"
        # On 12.0 up to 64 pairs, of tensors on CUDA alone: 0.7.4, moe_dispatch:102.
        direct = takes_direct_micro(k, self.top_k) and n <= 512 and rows < 32
        if direct and num_tokens <= 8 and self.direct_micro_launches:
            return "direct_micro"  # moe_dispatch:1568-1577
        if num_tokens <= 8 and rows <= (40 if self.top_k > 1 else 20):  # :1645
            return "micro"
        return "static"

    def _check(self, args: dict[str, torch.Tensor], dynamic: bool) -> Any:
        """The workspace (moe_dispatch:3219) and the compiled signature (:967-1098).

        FlashInfer's dynamic kernel takes bare pointers (:2444): it checks neither.
        """
        x, ids, w1 = args["x"], args["token_selected_experts"], args["w1_weight"]
        e, k, n = self.num_experts, self.hidden_size, self.intermediate_size
        rows1 = n * (2 if self.activation in GATED else 1)
        if x.dtype != torch.bfloat16 or not x.is_contiguous():
            raise ValueError(f"x must be contiguous bfloat16, not {x.dtype}")
        if x.shape != (len(ids), k) or ids.shape != (len(x), self.top_k):
            raise ValueError(f"x is {tuple(x.shape)} and ids are {tuple(ids.shape)}")
        if w1.shape != (e, rows1, k // 2) or args["w2_weight"].shape != (e, k, n // 2):
            raise ValueError(f"weights do not fit E={e}, K={k}, I={n}")
        for name in ("w1_alpha", "w2_alpha", "fc2_input_scale", "input_global_scale"):
            sizes = (e,) if name.endswith("alpha") else (1, e)
            if name in args and args[name].numel() not in sizes:
                raise ValueError(f"{name} has {args[name].numel()} values, not {e}")
        ws = self._dynamic if dynamic else self._static
        if ws is not None:
            size = n if dynamic else round_up(n, TILE)
            want = {"state_E": e, "weight_E": e, "k": k, "n": size}
            want |= {"num_topk": self.top_k, "quant_mode": "nvfp4"}
            bad = [name for name, v in want.items() if getattr(ws, name, None) != v]
            room = ws.routed_rows_capacity if dynamic else ws.max_rows
            if bad or room < ids.numel():
                raise ValueError(f"pre-allocated workspace mismatch: {bad or room}")
        return ws

    def _copies(self, regime: str) -> tuple[int, int]:
        """Of weights and of scales: _prepare_weight_views, 0.7.4, moe_dispatch:968."""
        n = self.intermediate_size
        tiled = round_up(n, TILE)
        short = regime == "static" and tiled < STATIC_N
        source = self.activation in GATED and n > TILE and n % TILE == TILE // 2
        uneven = n != tiled and not (source and regime in ("static", "direct_micro"))
        return int(short or n % 32 != 0), int(short or uneven)

    @torch.no_grad()
    def run(
        self, x: torch.Tensor, w1_weight: torch.Tensor, w1_weight_sf: torch.Tensor,
        w2_weight: torch.Tensor, w2_weight_sf: torch.Tensor,
        token_selected_experts: torch.Tensor, token_final_scales: torch.Tensor,
        *, w1_alpha: torch.Tensor, w2_alpha: torch.Tensor,
        fc2_input_scale: torch.Tensor | None = None,
        input_global_scale: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        args = {n: v for n, v in locals().items() if n != "self" and v is not None}
        ids, count = token_selected_experts, token_selected_experts.size(0)
        if self.use_cuda_graph and count > self.max_num_tokens:  # b12x_moe:757
            raise ValueError(f"num_tokens ({count}) exceeds max_num_tokens")
        if fc2_input_scale is None:  # moe_dispatch:3565
            raise ValueError("fc2_input_scale is required when quant_mode='nvfp4'.")
        regime = self.regime(count)
        dynamic = regime.startswith("dynamic")
        workspace = self._check(args, dynamic)
        input_gs = w1_alpha if input_global_scale is None else input_global_scale
        if input_global_scale is not None:  # kept by pointer, version: b12x_moe:807
            key = [(t.data_ptr(), t._version) for t in (w1_alpha, input_gs)]
            if self._folded_w1_alpha_key != key:
                self._folded_w1_alpha = w1_alpha.float() * input_gs.float()
                self._folded_w1_alpha_key = key
            w1_alpha = self._folded_w1_alpha
        copies, of_scales = self._copies(regime)
        big = w1_weight, w1_weight_sf, w2_weight, w2_weight_sf
        if (
            copies or of_scales
        ):  # kept by pointer alone, stale after a reload: moe_dispatch:3090
            pointers = [t.data_ptr() for t in big]
            if self._padded[0] != pointers:
                self._padded = pointers, tuple(t.clone() for t in big)
            big = self._padded[1]
        out = self._output[:count] if self.use_cuda_graph else torch.empty_like(x)
        gs1, gs2 = (
            t.float().expand(self.num_experts) for t in (input_gs, fc2_input_scale)
        )
        alphas = w1_alpha.float(), w2_alpha.float()
        group = columns_at_once(regime, count, self.intermediate_size)
        how = self.activation, self.swiglu, regime, group
        routing = token_final_scales
        out.copy_(moe(x, big, ids, routing.float(), (gs1, gs2), alphas, *how))
        small = {n: t for n, t in args.items() if n.endswith(("alpha", "scale"))}
        made = [n for n, t in small.items() if t.dtype != torch.float32]
        made += [n for n, t in small.items() if t.numel() != self.num_experts]
        made += ["token_selected_experts"] * (ids.dtype != torch.int32)
        made += ["token_final_scales"] * (routing.dtype != torch.float32)
        did = regime, count, out, w1_alpha, input_gs, workspace, tuple(made)
        self.calls.append(Call(*did, copies, of_scales, args))
        return out

# SPDX-License-Identifier: Apache-2.0
"""FlashInfer's SM12x FP8 MoE as its runner calls it, with the bundle's kernels."""

import ctypes
import json
import os
from pathlib import Path

os.environ.setdefault("CUTE_DSL_ARCH", "sm_120a")
os.environ.setdefault("FLASHINFER_CUTE_DSL_DISABLE_CACHE", "1")
import torch

HERE = Path(__file__).resolve().parent
USED = {}
STATE = {"pdl": True}


def libraries():
    import tvm_ffi
    from cutlass.runtime import find_runtime_libraries

    for path in [*find_runtime_libraries(), tvm_ffi.libinfo.find_libtvm_ffi()]:
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


def install():
    libraries()
    import cutlass
    from cutlass import cute
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import (
        kernel_moe_fp8_fc1_act_q1 as k1,
    )
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import (
        kernel_moe_fp8_fc2_finalize as k2,
    )
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import moe_fp8_fc1_act_q1 as fc1
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import (
        moe_fp8_fc2_finalize as fc2,
    )
    from flashinfer.fused_moe.cute_dsl.blackwell_sm12x import (
        moe_fp8_q0_route_triton as route,
    )

    told = json.loads((HERE / "manifest.json").read_text())["kernels"]
    loaded = {}

    def finder(kind):
        def compiled_kernel(sample_args, *, op, grid_x, sm_version):
            name = f"{kind}-{op.tactic[0]}"
            method = op.tactic[2].name
            name += {"WG_QUANT_SWAP": "-swap", "WG_QUANT_R2S": "-r2s"}.get(method, "")
            if getattr(op, "swiglu_limit", None) is not None:
                assert op.swiglu_limit == 7.0
                name += "-limit"
            elif not op.enable_pdl and method in ("WG_S2R_QUANT", "WG_SCATTER"):
                name += "-nopdl"
            entry = told[name]
            assert grid_x == entry["grid"], (grid_x, entry["grid"])
            USED[name] = USED.get(name, 0) + 1
            if name not in loaded:
                module = cute.runtime.load_module(
                    str(HERE / entry["library"]), enable_tvm_ffi=False
                )
                loaded[name] = module[entry["symbol"]]
            return loaded[name]

        return compiled_kernel

    fc1.compiled_kernel, fc2.compiled_kernel = finder("fc1"), finder("fc2")
    # DLPack of float8 depends on the release of PyTorch.
    for k in (k1, k2):
        real = k.from_dlpack

        def from_dlpack(t, real=real, **kw):
            if t.dtype != torch.float8_e4m3fn:
                return real(t, **kw)
            made = real(t.view(torch.uint8), **kw)
            made.element_type = cutlass.Float8E4M3FN
            return made

        try:
            real(
                torch.zeros(16, 16, dtype=torch.uint8, device="cuda").view(
                    torch.float8_e4m3fn
                )
            ).load_dltensor()
        except Exception as e:
            print("float8 by way of uint8:", repr(e)[:100])
            k.from_dlpack = from_dlpack
    return fc1, fc2, route


class Layer:
    """Weights as SM12xFp8Config wants them, and the calls of SM12xFp8Runner.forward."""

    def __init__(self, p, mods):
        self.p, (self.fc1, self.fc2, self.route) = p, mods
        i = p.i
        self.w1 = torch.cat([p.w13[:, i:], p.w13[:, :i]], 1).contiguous()  # [up, gate]
        s = torch.cat([p.s13[:, i // 128 :], p.s13[:, : i // 128]], 1)
        self.w1s = s.transpose(1, 2).contiguous()  # [E, K/128, 2I/128]
        self.w2, self.w2s = p.w2, p.s2.transpose(1, 2).contiguous()

    def buffers(self, ids=None):
        p = self.p
        ids = p.ids if ids is None else ids
        pairs = p.tokens * p.k
        ws = self.route.make_fp8_q0_route_workspace(p.x, ids, p.e)
        q1 = torch.empty(pairs, p.i, dtype=torch.float8_e4m3fn, device="cuda")
        sf1 = torch.zeros(self.fc1.out_sf_shape(pairs, p.i, p.e), device="cuda")
        out = torch.zeros(p.tokens, p.h, dtype=torch.bfloat16, device="cuda")
        return ws, q1, sf1, out

    def run(self, held, ids=None, pdl=None, limit=None, t1=None, t2=None, epi=None):
        p = self.p
        ids = p.ids if ids is None else ids
        pdl = STATE["pdl"] if pdl is None else pdl
        ws, q1, sf1, out = held
        out.zero_()
        offsets, tokens, weights, aq, asc = self.route.fp8_q0_route_triton(
            p.x, ids, p.weights, p.e, workspace=ws
        )
        more = {} if epi is None else {"epi": epi}
        self.fc1.cute_dsl_sm12x_fc1_act_q1_fp8(
            aq,
            asc,
            self.w1,
            self.w1s,
            offsets,
            enable_pdl=pdl,
            out_q=q1,
            out_sf=sf1,
            swiglu_limit=limit,
            tile=t1,
            **more,
        )
        self.fc2.cute_dsl_sm12x_fc2_finalize_fp8(
            q1,
            sf1,
            self.w2,
            self.w2s,
            offsets,
            tokens,
            weights,
            p.tokens,
            enable_pdl=pdl,
            out=out,
            tile=t2,
        )
        return out

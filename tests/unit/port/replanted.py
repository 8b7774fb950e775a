# SPDX-License-Identifier: Apache-2.0
"""Upstream's own edits, with a change of the series planted in their way.

The corpus beside this has one author, who also wrote the tool. Here the upstream
side is nobody's invention: it is what vLLM did to a file of the series from one
release to a later one, read from the release archives. What a patch of the series
does to that file is planted on the older release, where upstream's edit comes
closest to it; the right answer is the same change at the same symbol of the newer
one, or, where upstream changed or removed the very thing, a person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.unit.port.model import Change, file_case

LINEAR = "vllm/model_executor/kernels/linear"
MOE = "vllm/model_executor/layers/fused_moe"
QUANT = "vllm/model_executor/layers/quantization"

Edits = list[tuple[str, str]]


@dataclass(frozen=True)
class Replant:
    """One edit of upstream's, and ours in its way."""

    patch: str
    """Number of the patch of the series whose change it is modelled on."""
    path: str
    older: str
    newer: str
    """Releases; upstream's edit is all that differs between them in the file."""
    upstream: str
    """What upstream did there."""
    edits: Edits
    """What the patch replaces in the older release's file."""
    right: Edits | None
    """What it has to replace in the newer one's; None where a person decides."""
    dropped: bool = False
    """Whether upstream has the change itself."""
    refused: str = ""
    """Why a refusal is all that the port gives, though there is a right answer."""

    @property
    def name(self) -> str:
        return f"{self.patch} {self.newer} {self.upstream}"

    def case(self, files: Mapping[str, Mapping[str, str]]) -> Change:
        """The corpus' form of it.

        Args:
            files: Text by release and path.
        """
        newer = files[self.newer][self.path]
        return file_case(
            f"{self.path}: {self.name}",
            "upstream's own edit",
            self.edits,
            newer,
            self.right,
            base=files[self.older][self.path],
            path=self.path,
            dropped=self.dropped,
        )


def _after(anchor: str, new: str) -> tuple[str, str]:
    return anchor, anchor + new


def _before(anchor: str, new: str) -> tuple[str, str]:
    return anchor, new + anchor


TWINS = "a sixth class like ours comes, and all are edited alike"
"""Where git am, git am -3, patch and quilt change another class than ours."""

PROBE = '''\
@functools.cache
def has_flashinfer_cutedsl_sm12x_moe() -> bool:
    """Return `True` if FlashInfer takes every call of the SM12x MoE backend."""
    return has_flashinfer_b12x_moe()


'''
LAYOUT = '''\
def prepare_nvfp4_moe_layer_for_flashinfer_cutedsl_sm12x(w13, w2):
    """Lay out the weights of a layer for SM12x."""
    return w13, w2


'''
SHAPES = """\
        if config.weight_shape is not None and config.weight_shape[1] % 32:
            return False, "b12x needs K % 32 == 0"
"""
B12X = """\
            "with Sm120BlockScaledDenseGemmKernel",
        )

    @classmethod
    def can_implement(cls, config: NvFp4LinearLayerConfig) -> tuple[bool, str | None]:
{}        return True, None
"""
SM12X_ONLY = """\
    if runner_backend not in ["auto", "humming", *SM12X_ONLY]:
"""

REPLANTED: tuple[Replant, ...] = (
    Replant(
        "0001",
        "vllm/config/kernel.py",
        "0.31.0",
        "0.32.0",
        "a name above ours comes, one below it goes, and both in the docs too",
        [
            _after(
                '    "flashinfer_cutedsl",\n    "flashinfer_b12x",\n',
                '    "flashinfer_cutedsl_sm12x",\n',
            ),
            _before(
                '    - "b12x": Use b12x FP4',
                '    - "flashinfer_cutedsl_sm12x": exact scales\n',
            ),
        ],
        [
            _after(
                '    "flashinfer_moe_ep_cutedsl",\n    "flashinfer_b12x",\n',
                '    "flashinfer_cutedsl_sm12x",\n',
            ),
            _before(
                '    - "b12x": Use b12x FP4',
                '    - "flashinfer_cutedsl_sm12x": exact scales\n',
            ),
        ],
    ),
    Replant(
        "0001",
        "vllm/config/kernel.py",
        "0.31.0",
        "0.32.0",
        "the name before ours goes",
        [
            (
                '    "flashinfer_moe_ep_mega_cutedsl",\n    "marlin",\n',
                '    "flashinfer_moe_ep_mega_cutedsl",\n'
                '    "flashinfer_cutedsl_sm12x",\n    "marlin",\n',
            )
        ],
        [
            (
                '    "flashinfer_moe_ep_mega_deep_gemm",\n    "marlin",\n',
                '    "flashinfer_moe_ep_mega_deep_gemm",\n'
                '    "flashinfer_cutedsl_sm12x",\n    "marlin",\n',
            )
        ],
    ),
    Replant(
        "0010",
        f"{MOE}/oracle/unquantized.py",
        "0.30.0",
        "0.31.0",
        "a branch comes right above, and what follows is rewritten",
        [('    if runner_backend not in ["auto", "humming"]:\n', SM12X_ONLY)],
        [('    if runner_backend not in ["auto", "humming"]:\n', SM12X_ONLY)],
    ),
    Replant(
        "0010",
        f"{MOE}/oracle/unquantized.py",
        "0.32.0",
        "0.33.0",
        "the very list gets another member",
        [('    if runner_backend not in ["auto", "humming"]:\n', SM12X_ONLY)],
        None,
    ),
    Replant(
        "0009",
        f"{MOE}/oracle/nvfp4.py",
        "0.30.0",
        "0.31.0",
        "the docstring right above is wrapped otherwise",
        [
            (
                "    # NOTE: the kernels are selected in the following order.\n",
                "    # NOTE: SM12x has an order of its own; elsewhere it is:\n",
            )
        ],
        [
            (
                "    # NOTE: the kernels are selected in the following order.\n",
                "    # NOTE: SM12x has an order of its own; elsewhere it is:\n",
            )
        ],
        refused="both changed neighbouring lines, and a comment has no name",
    ),
    Replant(
        "0015",
        f"{LINEAR}/__init__.py",
        "0.29.0",
        "0.30.0",
        "a tuple of one line gets a first member and a line for each",
        [
            (
                "    a16_kernels = (MarlinNvFp4LinearKernel, "
                "HummingNvFp4LinearKernel)\n",
                "    a16_kernels = (\n        MarlinNvFp4LinearKernel,\n"
                "        HummingNvFp4LinearKernel,\n        B12xNvFp4LinearKernel,\n"
                "    )\n",
            )
        ],
        [
            (
                "        MarlinNvFp4LinearKernel,\n        HummingNvFp4LinearKernel,\n"
                "    )\n",
                "        MarlinNvFp4LinearKernel,\n        HummingNvFp4LinearKernel,\n"
                "        B12xNvFp4LinearKernel,\n    )\n",
            )
        ],
    ),
    Replant(
        "0015",
        f"{LINEAR}/__init__.py",
        "0.29.0",
        "0.30.0",
        "a call gets an argument, in three functions that read alike",
        [
            (
                '    possible = _resolve_backend_kernels(possible, "NVFP4")\n',
                '    possible = _resolve_backend_kernels(possible, "NVFP4")\n'
                "    possible = [k for k in possible if k not in a16_kernels]\n",
            )
        ],
        [
            (
                '        "NVFP4",\n        quantization=quantization,\n    )\n',
                '        "NVFP4",\n        quantization=quantization,\n    )\n'
                "    possible = [k for k in possible if k not in a16_kernels]\n",
            )
        ],
        refused="both changed neighbouring lines of one function",
    ),
    Replant(
        "0015",
        f"{LINEAR}/nvfp4/flashinfer.py",
        "0.29.0",
        "0.30.0",
        TWINS,
        [(B12X.format(""), B12X.format(SHAPES))],
        [(B12X.format(""), B12X.format(SHAPES))],
    ),
    Replant(
        "0015",
        f"{LINEAR}/nvfp4/flashinfer.py",
        "0.29.0",
        "0.30.0",
        "the line to change goes from all five classes",
        [
            (
                "        layer.weight = torch.nn.Parameter(padded_weight, "
                "requires_grad=False)\n"
                "        layer.weights_padding_cols = weights_padding_cols\n\n"
                "    def apply_weights(\n        self,\n        layer: torch.nn.Module,"
                "\n        x: torch.Tensor,\n        bias: torch.Tensor | None = None,"
                "\n    ) -> torch.Tensor:\n"
                "        output_size = layer.output_size_per_partition\n"
                "        output_dtype = x.dtype\n"
                "        output_shape = [*x.shape[:-1], output_size]\n\n"
                "        x_fp4, x_blockscale = scaled_fp4_quant(\n            x,\n"
                "            layer.input_global_scale_inv,\n"
                "            is_sf_swizzled_layout=True,\n"
                '            backend="b12x",\n',
                "        layer.weight = torch.nn.Parameter(padded_weight, "
                "requires_grad=False)\n"
                "        layer.weights_padding_cols = 2 * weights_padding_cols\n\n"
                "    def apply_weights(\n        self,\n        layer: torch.nn.Module,"
                "\n        x: torch.Tensor,\n        bias: torch.Tensor | None = None,"
                "\n    ) -> torch.Tensor:\n"
                "        output_size = layer.output_size_per_partition\n"
                "        output_dtype = x.dtype\n"
                "        output_shape = [*x.shape[:-1], output_size]\n\n"
                "        x_fp4, x_blockscale = scaled_fp4_quant(\n            x,\n"
                "            layer.input_global_scale_inv,\n"
                "            is_sf_swizzled_layout=True,\n"
                '            backend="b12x",\n',
            )
        ],
        None,
    ),
    Replant(
        "0002",
        "vllm/utils/flashinfer.py",
        "0.29.0",
        "0.30.0",
        "the function goes, and one with the same asserts stays",
        [
            (
                "    assert a.ndim == 2 and b.ndim == 2\n"
                "    assert a.shape[1] == b.shape[1]  # K dimension must match\n",
                "    assert a.ndim == 2 and b.ndim == 2 and not a.shape[1] % 32\n"
                "    assert a.shape[1] == b.shape[1]  # K dimension must match\n",
            )
        ],
        None,
    ),
    Replant(
        "0002",
        "vllm/utils/flashinfer.py",
        "0.29.0",
        "0.30.0",
        "probes and exported names come around ours",
        [
            _before("@functools.cache\ndef has_flashinfer_b12x_gemm", PROBE),
            _after(
                '    "has_flashinfer_b12x_moe",\n',
                '    "has_flashinfer_cutedsl_sm12x_moe",\n',
            ),
        ],
        [
            _before("@functools.cache\ndef has_flashinfer_b12x_gemm", PROBE),
            _after(
                '    "has_flashinfer_b12x_moe",\n',
                '    "has_flashinfer_cutedsl_sm12x_moe",\n',
            ),
        ],
    ),
    Replant(
        "0003",
        f"{QUANT}/utils/flashinfer_fp4_moe.py",
        "0.29.0",
        "0.30.0",
        "the function below ours gets another signature and body",
        [_before("def prepare_static_weights_for_trtllm_fp4_moe(\n", LAYOUT)],
        [_before("def prepare_static_weights_for_trtllm_fp4_moe(\n", LAYOUT)],
    ),
    Replant(
        "0009",
        f"{QUANT}/quark/quark_moe.py",
        "0.32.0",
        "0.33.0",
        "another import comes above ours",
        [
            _after(
                "from vllm.model_executor.layers.fused_moe.oracle.nvfp4 import (\n",
                "    NvFp4MoeBackend,\n",
            )
        ],
        [
            _after(
                "from vllm.model_executor.layers.fused_moe.oracle.nvfp4 import (\n",
                "    NvFp4MoeBackend,\n",
            )
        ],
    ),
    Replant(
        "0009",
        f"{QUANT}/quark/quark_moe.py",
        "0.32.0",
        "0.33.0",
        "the lines below go, from two classes that read alike",
        [
            (
                '"INT8 MoE layer. Using the maximum across experts "\n',
                '"INT8 MoE layer. Taking the largest of the experts "\n',
            )
        ],
        [
            (
                '"INT8 MoE layer. Using the maximum across experts "\n',
                '"INT8 MoE layer. Taking the largest of the experts "\n',
            )
        ],
    ),
    Replant(
        "0009",
        f"{QUANT}/quark/quark_moe.py",
        "0.32.0",
        "0.33.0",
        "the statement to change is another one now, in two classes",
        [
            (
                "            layer.w13_weight_scale = torch.nn.Parameter(\n"
                "                max_w13_scales, requires_grad=False\n"
                "            )\n\n        # quark's scale is 1 dim.\n",
                "            layer.w13_weight_scale = torch.nn.Parameter(\n"
                "                max_w13_scales.float(), requires_grad=False\n"
                "            )\n\n        # quark's scale is 1 dim.\n",
            )
        ],
        None,
    ),
    Replant(
        "0007",
        "vllm/envs.py",
        "0.32.0",
        "0.33.0",
        "the variable before ours goes",
        [
            _after(
                '    VLLM_ROCM_AITER_MLA_DCP_VERIFY: Literal["auto", "asm", '
                '"segmented"] = "auto"\n',
                '    VLLM_SM12X_AUTO_SELECT: str = "all"\n',
            )
        ],
        [
            _before(
                "    VLLM_ROCM_USE_AITER_MHA: bool = True\n",
                '    VLLM_SM12X_AUTO_SELECT: str = "all"\n',
            )
        ],
    ),
    Replant(
        "0007",
        "vllm/envs.py",
        "0.32.0",
        "0.33.0",
        "the default is changed as we change it",
        [
            (
                "    VLLM_ROCM_USE_AITER_FP8BMM: bool = True\n",
                "    VLLM_ROCM_USE_AITER_FP8BMM: bool = False\n",
            )
        ],
        [],
        dropped=True,
        refused="what is upstream already is dropped by a person only",
    ),
    Replant(
        "0016",
        "docs/features/quantization/modelopt.md",
        "0.32.0",
        "0.33.0",
        "prose above and below is written anew",
        [
            (
                "(this replaces the deprecated `VLLM_NVFP4_GEMM_BACKEND` environment\n",
                "(`VLLM_NVFP4_GEMM_BACKEND` is an alias of it: the environment\n",
            )
        ],
        [
            (
                "(this replaces the deprecated `VLLM_NVFP4_GEMM_BACKEND` environment\n",
                "(`VLLM_NVFP4_GEMM_BACKEND` is an alias of it: the environment\n",
            )
        ],
    ),
    Replant(
        "0016",
        f"{LINEAR}/__init__.py",
        "0.29.0",
        "0.30.0",
        "a list of priorities that we reorder gets a member",
        [
            (
                "        FlashInferCutlassNvFp4LinearKernel,\n"
                "        FlashInferB12xNvFp4LinearKernel,\n"
                "        CutlassNvFp4LinearKernel,\n",
                "        FlashInferB12xNvFp4LinearKernel,\n"
                "        FlashInferCutlassNvFp4LinearKernel,\n"
                "        CutlassNvFp4LinearKernel,\n",
            )
        ],
        [
            (
                "        FlashInferCutlassNvFp4LinearKernel,\n"
                "        FlashInferB12xNvFp4LinearKernel,\n"
                "        CutlassNvFp4LinearKernel,\n        # Weight-only",
                "        FlashInferB12xNvFp4LinearKernel,\n"
                "        FlashInferCutlassNvFp4LinearKernel,\n"
                "        CutlassNvFp4LinearKernel,\n        # Weight-only",
            )
        ],
        refused="lines that change places cannot be followed by counting",
    ),
    Replant(
        "0001",
        "vllm/config/kernel.py",
        "0.30.0",
        "0.31.0",
        "two docstrings that read alike are wrapped otherwise",
        [
            (
                "        Any future fields that don't affect compilation should be "
                'excluded.\n        """\n        ignored_factors = {\n',
                "        Fields that don't affect compilation should be excluded.\n"
                '        """\n        ignored_factors = {\n',
            )
        ],
        [
            (
                "        Any future fields that don't affect compilation should be "
                'excluded.\n        """\n        ignored_factors = {\n',
                "        Fields that don't affect compilation should be excluded.\n"
                '        """\n        ignored_factors = {\n',
            )
        ],
    ),
    Replant(
        "0001",
        "vllm/config/kernel.py",
        "0.31.0",
        "0.32.0",
        "a set gets a member at the very place",
        [
            (
                '            "enable_flashinfer_autotune",\n'
                '            "ir_op_priority",',
                '            "enable_flashinfer_autotune",\n'
                '            "sm12x_warmup",\n'
                '            "ir_op_priority",',
            )
        ],
        [
            _after(
                '            "enable_jit_warmup",\n'
                '            "enable_flashinfer_autotune",\n',
                '            "sm12x_warmup",\n',
            )
        ],
    ),
    Replant(
        "0001",
        "vllm/config/kernel.py",
        "0.31.0",
        "0.32.0",
        "the condition is another one, and a new function asks the old one",
        [
            (
                "    if moe_backend not in FLASHINFER_MOE_EP_BACKENDS:\n",
                "    if moe_backend not in (*FLASHINFER_MOE_EP_BACKENDS, 'sm12x'):\n",
            )
        ],
        None,
    ),
    Replant(
        "0006",
        f"{QUANT}/modelopt.py",
        "0.29.0",
        "0.30.0",
        "the class goes, and two schemes in one do its work",
        [
            (
                "        layer.alpha = Parameter(\n"
                "            layer.input_global_scale * layer.weight_global_scale, "
                "requires_grad=False\n        )\n",
                "        layer.alpha = Parameter(\n"
                "            layer.weight_global_scale, requires_grad=False\n"
                "        )\n",
            )
        ],
        None,
    ),
    Replant(
        "0009",
        f"{QUANT}/quark/quark_moe.py",
        "0.32.0",
        "0.33.0",
        "the lines before the end of one method of several alike are rewritten",
        [
            (
                "                    w2_weight_scale, requires_grad=False\n"
                "                )\n        self._setup_kernel(layer)\n",
                "                    w2_weight_scale, requires_grad=False\n"
                "                )\n        self._setup_kernel(layer)\n"
                "        self.moe_kernel.fused_experts.check()\n",
            )
        ],
        [
            (
                '                replace_parameter(layer, "w2_weight_scale", '
                "w2_weight_scale)\n        self._setup_kernel(layer)\n",
                '                replace_parameter(layer, "w2_weight_scale", '
                "w2_weight_scale)\n        self._setup_kernel(layer)\n"
                "        self.moe_kernel.fused_experts.check()\n",
            )
        ],
    ),
    Replant(
        "0002",
        "vllm/utils/flashinfer.py",
        "0.29.0",
        "0.30.0",
        "an argument that we change goes, with the function it names",
        [
            (
                "        fake_impl=_flashinfer_concat_mla_k_fake,\n",
                "        fake_impl=_flashinfer_concat_mla_k_nothing,\n",
            ),
            (
                "    def _flashinfer_concat_mla_k_fake(\n",
                "    def _flashinfer_concat_mla_k_nothing(\n",
            ),
        ],
        None,
    ),
    Replant(
        "0017",
        "tests/kernels/quantization/test_flashinfer_nvfp4_scaled_mm.py",
        "0.31.0",
        "0.32.0",
        "imports come on both sides of ours",
        [
            (
                "    FlashInferCuteDslNvFp4W4A16LinearKernel,\n)\n",
                "    FlashInferB12xNvFp4LinearKernel,\n"
                "    FlashInferCuteDslNvFp4W4A16LinearKernel,\n)\n",
            )
        ],
        [
            _before(
                "    FlashInferCuteDslNvFp4LinearKernel,\n"
                "    FlashInferCuteDslNvFp4W4A16LinearKernel,\n"
                "    FlashInferCutlassNvFp4LinearKernel,\n)\n",
                "    FlashInferB12xNvFp4LinearKernel,\n",
            )
        ],
    ),
)

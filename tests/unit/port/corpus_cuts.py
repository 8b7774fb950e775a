# SPDX-License-Identifier: Apache-2.0
"""Held out: values, members and fields that real releases changed beside ours.

The answers were set down before any tool had seen a case.
"""

from __future__ import annotations

from tests.unit.port.cuts import drift

ELEMENTS = "a real release: elements"

_SM12X = "vllm/v1/sm12x.py"
_LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"

BY_SYNTAX = [
    # Fields in another order and with other names: the call by position is wrong.
    drift(
        "a dataclass gets its fields in another order",
        ELEMENTS,
        {
            "vllm/v1/kv_cache_interface.py": [
                (
                    "packed layout (0 = not packed)\n",
                    "packed layout (0 = not packed)\n    pinned: bool = False\n",
                )
            ],
            _SM12X: _LICENCE
            + "from vllm.v1.kv_cache_interface import KVCacheTensor\n\n\n"
            "def workspace(size: int, name: str) -> KVCacheTensor:\n"
            "    return KVCacheTensor(size, [name], 0, 0, True)\n",
        },
        None,
    ),
    # The order of a Literal's members says nothing.
    drift(
        "a literal gains members where ours go",
        ELEMENTS,
        [
            (
                '    "turboquant_3bit_nc",\n',
                '    "turboquant_3bit_nc",\n    "fp8_sm12x",\n',
            )
        ],
        [
            (
                '    "octave_k3v3_compact",\n',
                '    "octave_k3v3_compact",\n    "fp8_sm12x",\n',
            )
        ],
        [
            (
                '    "turboquant_3bit_nc",\n',
                '    "turboquant_3bit_nc",\n    "fp8_sm12x",\n',
            )
        ],
    ),
    drift(
        "a literal of one line gains a member",
        ELEMENTS,
        [('"block"]', '"block", "tree"]')],
        [('"fly"]', '"fly", "tree"]')],
        [('"fly"]', '"tree", "fly"]')],
    ),
    drift(
        "a frozenset of one line gains a member",
        ELEMENTS,
        [('"kimi_k3"})', '"kimi_k3", "nano"})')],
        [('"kimi_k3"})', '"kimi_k3", "nano"})')],
    ),
    # Ours was the first. Beside its old neighbour it would be the last but one.
    drift(
        "the first of a priority list went to its end",
        ELEMENTS,
        [
            (
                "    PlatformEnum.CUDA: [\n        Marlin",
                "    PlatformEnum.CUDA: [\n        Sm12xFP8ScaledMMLinearKernel,\n"
                "        Marlin",
            ),
            (
                "from vllm.model_executor.kernels.linear.scaled_mm.xpu import (",
                "from vllm.model_executor.kernels.linear.scaled_mm.sm12x import (\n"
                "    Sm12xFP8ScaledMMLinearKernel,\n)\n"
                "from vllm.model_executor.kernels.linear.scaled_mm.xpu import (",
            ),
        ],
        None,
    ),
    drift(
        "the next value of a table changed",
        ELEMENTS,
        [
            (
                "        8: 2,  # 2MB\n        16: 64,  # 64MB (mnnvl multi-node)\n",
                "        8: 2,  # 2MB\n        16: 128,  # 128MB (mnnvl multi-node)\n",
            )
        ],
        [
            (
                "        8: 4,  # 4MB\n        16: 64,  # 64MB (mnnvl multi-node)\n",
                "        8: 4,  # 4MB\n        16: 128,  # 128MB (mnnvl multi-node)\n",
            )
        ],
    ),
    drift(
        "the value above a new key changed",
        ELEMENTS,
        [
            (
                '_attention_mask": MultiModalFieldConfig.batched("audio"),\n',
                '_attention_mask": MultiModalFieldConfig.batched("audio"),\n'
                '    "audio_lengths": MultiModalFieldConfig.batched("audio"),\n',
            )
        ],
        [
            (
                "keep_on_cpu=True),\n",
                "keep_on_cpu=True),\n"
                '    "audio_lengths": MultiModalFieldConfig.batched("audio"),\n',
            )
        ],
    ),
    # A field without a default after fields with one: the module does not import.
    drift(
        "every field gets a default",
        ELEMENTS,
        [
            (
                "    shapes: list[list[int]]\n",
                "    shapes: list[list[int]]\n    round_id: int\n",
            )
        ],
        None,
    ),
    drift(
        "both add a field that callers name",
        ELEMENTS,
        {
            "vllm/distributed/kv_transfer/kv_connector/v1/offloading/common.py": [
                (
                    "    dst_spec: LoadStoreSpec\n",
                    "    dst_spec: LoadStoreSpec\n    urgent: bool = False\n",
                )
            ],
            "vllm/distributed/kv_transfer/kv_connector/v1/offloading/sm12x.py": _LICENCE
            + "from .common import TransferJob\n\n\n"
            "def job(request, source, target):\n"
            "    return TransferJob(\n"
            "        req_id=request, src_spec=source, dst_spec=target, urgent=True\n"
            "    )\n",
        },
        [
            (
                "    sync: bool = False\n",
                "    sync: bool = False\n    urgent: bool = False\n",
            )
        ],
        [
            (
                "    dst_spec: LoadStoreSpec\n",
                "    dst_spec: LoadStoreSpec\n    urgent: bool = False\n",
            )
        ],
    ),
    # The fourth by position is ours in one order and upstream's in the other.
    drift(
        "both add a field and ours is passed by place",
        ELEMENTS,
        {
            "vllm/v1/kv_cache_interface.py": [
                (
                    "    is_eagle_group: bool = False\n",
                    "    is_eagle_group: bool = False\n"
                    "    # Whether its blocks stay on the GPU.\n"
                    "    resident: bool = False\n",
                )
            ],
            _SM12X: _LICENCE
            + "from vllm.v1.kv_cache_interface import KVCacheGroupSpec\n\n\n"
            "def resident(names, spec):\n"
            "    return KVCacheGroupSpec(names, spec, False, True)\n",
        },
        None,
    ),
    # It takes no place among those that are passed by position.
    drift(
        "a field that is by name only comes in the middle",
        ELEMENTS,
        [
            (
                "    is_null: bool = False\n",
                "    is_null: bool = False\n"
                "    # Whether it is never evicted.\n"
                "    is_pinned: bool = False\n",
            )
        ],
        [
            (
                "    is_null: bool = False\n",
                "    is_null: bool = False\n"
                "    # Whether it is never evicted.\n"
                "    is_pinned: bool = False\n",
            )
        ],
    ),
    drift(
        "both add an attribute at the same place",
        ELEMENTS,
        [
            (
                "        self._send_remaining_count = dict[str, int]()\n",
                "        self._send_remaining_count = dict[str, int]()\n"
                "        self._late_sending = set[str]()\n",
            )
        ],
        [
            (
                "        self._send_remaining_count = dict[str, int]()\n",
                "        self._send_remaining_count = dict[str, int]()\n"
                "        self._late_sending = set[str]()\n",
            )
        ],
        [
            (
                "        self._failed_recving_pending = set[str]()\n",
                "        self._failed_recving_pending = set[str]()\n"
                "        self._late_sending = set[str]()\n",
            )
        ],
    ),
    # Upstream took one away, we add another one: both can be had.
    drift(
        "a member went from a tuple that ours goes into",
        ELEMENTS,
        [("torch.uint32, torch.int64)", "torch.uint32, torch.int64, torch.int16)")],
        [("(torch.int32, torch.int64)", "(torch.int32, torch.int64, torch.int16)")],
    ),
    # Ours is passed by position, so it stands before the star.
    drift(
        "a parameter by name only stands where ours goes",
        ELEMENTS,
        [("    model: str,\n", '    model: str,\n    suffix: str = "",\n')],
        [("    model: str,\n", '    model: str,\n    suffix: str = "",\n')],
    ),
    drift(
        "a call of one line became one of many",
        ELEMENTS,
        [("start_profile(profile_prefix)", 'start_profile(profile_prefix or "sm12x")')],
        [
            (
                "            profile_prefix,\n            delay_iterations=",
                '            profile_prefix or "sm12x",\n            delay_iterations=',
            )
        ],
    ),
    # The lines are the same, two columns to the left.
    drift(
        "CMake: the guard around an extension went",
        ELEMENTS,
        [
            (
                '    list(APPEND SPINLOOP_COMPILE_FLAGS "-mmwaitx")\n  endif()\n',
                '    list(APPEND SPINLOOP_COMPILE_FLAGS "-mmwaitx")\n  endif()\n'
                '  list(APPEND SPINLOOP_COMPILE_FLAGS "-O3")\n',
            )
        ],
        [
            (
                '  list(APPEND SPINLOOP_COMPILE_FLAGS "-mmwaitx")\nendif()\n',
                '  list(APPEND SPINLOOP_COMPILE_FLAGS "-mmwaitx")\nendif()\n'
                'list(APPEND SPINLOOP_COMPILE_FLAGS "-O3")\n',
            )
        ],
    ),
    # The folder that our source goes into is none of upstream's now.
    drift(
        "CMake: every source of a list moved",
        ELEMENTS,
        {
            "CMakeLists.txt": [
                (
                    '    "csrc/libtorch_stable/activation_kernels.cu"\n',
                    '    "csrc/libtorch_stable/activation_kernels.cu"\n'
                    '    "csrc/libtorch_stable/sm12x_kernels.cu"\n',
                )
            ],
            "csrc/libtorch_stable/sm12x_kernels.cu": "// SPDX-License-Identifier: "
            'Apache-2.0\n#include "torch_utils.h"\n',
        },
        None,
    ),
    drift(
        "requirements: another pin beside ours",
        ELEMENTS,
        [("fastsafetensors >= 0.3.3\n", "fastsafetensors >= 0.4.0\n")],
        [("fastsafetensors >= 0.3.3\n", "fastsafetensors >= 0.4.0\n")],
    ),
    drift(
        "requirements: the same pin set otherwise",
        ELEMENTS,
        [("flashinfer-python==0.7.0.post1", "flashinfer-python==0.7.1")],
        None,
    ),
    drift(
        "TOML: another floor for Python",
        ELEMENTS,
        [('">=3.10,<3.15"', '">=3.12,<3.15"')],
        None,
    ),
    drift(
        "an environment variable beside ours gets another default",
        ELEMENTS,
        [
            (
                "    VLLM_ROCM_USE_AITER_MHA: bool = True\n",
                "    VLLM_SM12X_MLA: bool = True\n"
                "    VLLM_ROCM_USE_AITER_MHA: bool = True\n",
            )
        ],
        [
            (
                "    VLLM_ROCM_USE_AITER_MHA: bool = True\n",
                "    VLLM_SM12X_MLA: bool = True\n"
                "    VLLM_ROCM_USE_AITER_MHA: bool = True\n",
            )
        ],
    ),
]

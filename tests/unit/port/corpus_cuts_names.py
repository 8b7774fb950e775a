# SPDX-License-Identifier: Apache-2.0
"""Held out: names that a patch uses and a real release renamed, moved or changed.

The answers were set down before any tool had seen a case.
"""

from __future__ import annotations

from tests.unit.port.cuts import chain, drift

NAMES = "a real release: names"
ABSORBED = "a real release: absorbed"

_LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"
_SM12X = "vllm/v1/sm12x.py"
_NO_CUDA = "vllm/v1/worker/gpu/sample/sm12x.py"

BY_NAME = [
    # Upstream uses functools no more, and took the import away.
    drift(
        "an import that ours needs went",
        NAMES,
        [
            (
                "        return importlib.import_module(module_name)\n"
                "    except (ImportError, ModuleNotFoundError):\n"
                "        return None\n",
                "        return importlib.import_module(module_name)\n"
                "    except (ImportError, ModuleNotFoundError):\n"
                "        return None\n\n\n"
                "@functools.cache\n"
                "def b12x_path() -> str | None:\n"
                '    """Where the B12X package lies."""\n'
                '    spec = importlib.util.find_spec("b12x")\n'
                "    return spec.origin if spec else None\n",
            )
        ],
        [
            ("import importlib\n", "import functools\nimport importlib\n"),
            (
                "    return _B12X_SUBMODULES.get(module_name)\n",
                "    return _B12X_SUBMODULES.get(module_name)\n\n\n"
                "@functools.cache\n"
                "def b12x_path() -> str | None:\n"
                '    """Where the B12X package lies."""\n'
                '    spec = importlib.util.find_spec("b12x")\n'
                "    return spec.origin if spec else None\n",
            ),
        ],
    ),
    drift(
        "a property got another name",
        NAMES,
        {
            _SM12X: _LICENCE + "from vllm.config.vllm import VllmConfig\n\n\n"
            "def batches(vllm_config: VllmConfig) -> int:\n"
            "    if vllm_config.is_encoder_only:\n"
            "        return 1\n"
            "    return vllm_config.max_concurrent_batches\n",
        },
        None,
    ),
    drift(
        "a constant of a module went",
        NAMES,
        {
            _SM12X: _LICENCE
            + "from vllm.v1.core.kv_cache_utils import _CBOR_HASH_FUNCTIONS\n\n\n"
            "def shared(hash_fn) -> bool:\n"
            "    return hash_fn in _CBOR_HASH_FUNCTIONS\n",
        },
        None,
    ),
    drift(
        "a lazy export got another name",
        NAMES,
        {
            "vllm/models/inkling/nvidia/sm12x.py": _LICENCE
            + "from .ops import INKLING_FA4_REL_ATTENTION_KERNEL\n\n\n"
            "def warm_up(*shapes):\n"
            "    INKLING_FA4_REL_ATTENTION_KERNEL.warmup(*shapes)\n",
        },
        None,
    ),
    drift(
        "a private helper became public",
        NAMES,
        {
            "vllm/transformers_utils/config.py": [
                (
                    "from transformers import PreTrainedConfig\n",
                    "from transformers import PreTrainedConfig\n\n\n"
                    "def has_yarn(config: PreTrainedConfig) -> bool:\n"
                    "    found = _iter_rope_parameters(config)\n"
                    '    return any(p.get("rope_type") == "yarn" for p in found)\n',
                )
            ]
        },
        None,
    ),
    drift(
        "a parameter went that ours passes by name",
        NAMES,
        {
            "vllm/model_executor/layers/fused_moe/sm12x.py": _LICENCE
            + "from .config import get_routing_method_type\n\n\n"
            "def method(factor: float):\n"
            "    return get_routing_method_type(\n"
            '        "sigmoid", 8, True, 1, True, routed_scaling_factor=factor\n'
            "    )\n",
        },
        None,
    ),
    drift(
        "a parameter went that ours passes by place",
        NAMES,
        {
            "vllm/model_executor/kernels/linear/mixed_precision/sm12x.py": _LICENCE
            + "from .MPLinearKernel import MPLinearKernel\n\n\n"
            "class Sm12xLinearKernel(MPLinearKernel):\n"
            "    @classmethod\n"
            "    def make(cls, config):\n"
            '        return Sm12xLinearKernel(config, "w_q", "w_s", "w_zp", "g_idx")\n',
        },
        None,
    ),
    # Eight arguments bind in both; from the seventh on they mean something else.
    drift(
        "a parameter came in the middle and the call still binds",
        NAMES,
        {
            _NO_CUDA: _LICENCE + "from vllm.triton_utils import tl, triton\n"
            "from vllm.v1.worker.gpu.sample.gumbel import gumbel_noised_argmax\n\n\n"
            "@triton.jit\n"
            "def sample(logits, keys, mask, seed, pos, temp, USE_FP64: tl.constexpr):\n"
            "    return gumbel_noised_argmax(\n"
            "        logits, keys, mask, seed, pos, temp, USE_FP64, False\n"
            "    )\n",
        },
        None,
    ),
    drift(
        "a parameter came in the middle and the call binds no more",
        NAMES,
        {
            _NO_CUDA: _LICENCE + "from vllm.triton_utils import tl, triton\n"
            "from vllm.v1.worker.gpu.sample.gumbel import gumbel_noised_argmax\n\n\n"
            "@triton.jit\n"
            "def sample(logits, keys, mask, seed, pos, temp, USE_FP64: tl.constexpr):\n"
            "    return gumbel_noised_argmax(\n"
            "        logits, keys, mask, seed, pos, temp, USE_FP64\n"
            "    )\n",
        },
        None,
    ),
    drift(
        "an attribute became a method",
        NAMES,
        {
            _SM12X: _LICENCE + "import torch\n\n"
            "from vllm.v1.worker.gpu.buffer_utils import UvaBuffer\n\n\n"
            "def counters(rows: int) -> torch.Tensor:\n"
            "    buffer = UvaBuffer(rows, torch.int32)\n"
            "    return buffer.uva[:rows]\n",
        },
        None,
    ),
    drift(
        "a method became a property",
        NAMES,
        {
            "vllm/distributed/weight_transfer/sm12x.py": _LICENCE
            + "from vllm.distributed.weight_transfer.base import ModuleSource\n\n\n"
            "def total(source: ModuleSource) -> int:\n"
            "    return len(source.metadata())\n",
        },
        None,
    ),
    # isinstance takes no Annotated union.
    drift(
        "a class became an alias of a union",
        NAMES,
        {
            "vllm/entrypoints/scale_out/token_in_token_out/sm12x.py": _LICENCE
            + "from .protocol import GenerateResponse\n\n\n"
            "def is_whole(response: object) -> bool:\n"
            "    return isinstance(response, GenerateResponse)\n",
        },
        None,
    ),
    drift(
        "a class takes other arguments",
        NAMES,
        {
            "vllm/model_executor/models/nemotron_sm12x.py": _LICENCE
            + "from .nemotron import NemotronLayerNorm1P\n\n\n"
            "def norm(hidden_size: int) -> NemotronLayerNorm1P:\n"
            "    return NemotronLayerNorm1P(hidden_size, eps=1e-5, bias=False)\n",
        },
        None,
    ),
    # It binds. What it is given is not what it takes.
    drift(
        "a model became a weak reference to it",
        NAMES,
        {
            "vllm/v1/engine/sm12x.py": _LICENCE
            + "from vllm.v1.engine.llm_engine import LLMEngine\n\n\n"
            "def drop(runner) -> None:\n"
            "    LLMEngine._cleanup_instance_caches(runner.model)\n",
        },
        None,
    ),
    # Pydantic's tool has input_schema alone; upstream's own lines show it.
    drift(
        "an attribute of another library is spelled otherwise",
        NAMES,
        [
            (
                "    return list_tools_result\n",
                "    for tool in list_tools_result.tools:\n"
                '        tool.inputSchema.pop("$schema", None)\n\n'
                "    return list_tools_result\n",
            )
        ],
        None,
    ),
    drift(
        "a base class got another name",
        NAMES,
        {
            "vllm/transformers_utils/processors/internvl.py": [
                (
                    "        return num_patches * self.image_seq_length\n",
                    "        return num_patches * self.image_seq_length\n\n\n"
                    "class Sm12xInternVLProcessor(InternVLProcessor):\n"
                    "    image_seq_length = 128\n",
                )
            ]
        },
        None,
    ),
    drift(
        "an environment variable went",
        NAMES,
        {
            _SM12X: _LICENCE + "import vllm.envs as envs\n\n\n"
            "def deadline(start: float) -> float:\n"
            "    return start + envs.VLLM_ENGINE_ITERATION_TIMEOUT_S\n",
        },
        None,
    ),
    # What was on by default is off by default.
    drift(
        "an environment variable has another default",
        NAMES,
        {
            _SM12X: _LICENCE + "import vllm.envs as envs\n\n\n"
            "def batched() -> bool:\n"
            "    return envs.VLLM_ROCM_USE_AITER_FP8BMM\n",
        },
        [],
        read=True,
    ),
    drift(
        "a name is imported where it is exported still",
        NAMES,
        {
            _SM12X: _LICENCE
            + "from vllm.utils.torch_utils import is_torch_equal_or_newer\n\n\n"
            "def has_varlen() -> bool:\n"
            '    return is_torch_equal_or_newer("2.14.0")\n',
        },
        [],
    ),
    drift(
        "a name is imported where it is not exported",
        NAMES,
        {
            _SM12X: _LICENCE
            + "from vllm.v1.core.kv_cache_utils import is_kv_cache_spec_uniform\n\n\n"
            "def one_pool(specs) -> bool:\n"
            "    return is_kv_cache_spec_uniform(specs)\n",
        },
        None,
    ),
    drift(
        "a name is imported from a package that does not pass it on",
        NAMES,
        {
            _SM12X: _LICENCE
            + "from vllm.multimodal.cache import BaseMultiModalCache\n\n\n"
            "def forget(cache: BaseMultiModalCache) -> None:\n"
            "    cache.clear_cache()\n",
        },
        None,
    ),
    drift(
        "a name is imported from a package that passes it on",
        NAMES,
        {
            _SM12X: _LICENCE
            + "from vllm.multimodal.cache import MultiModalCacheMissError\n\n\n"
            "def missing(error: Exception) -> bool:\n"
            "    return isinstance(error, MultiModalCacheMissError)\n",
        },
        [],
    ),
]

_ELIF = "    elif current_platform.is_xpu():\n        return True\n    return False\n"
_TRY = (
    "            parser.process(token_id)\n",
    "            try:\n                parser.process(token_id)\n"
    "            except HarmonyError:\n",
)
_HARMONY = (
    "from collections.abc import Sequence\n",
    "from collections.abc import Sequence\n\nfrom openai_harmony import HarmonyError\n",
)
_AOT = [
    (
        "def _get_vllm_functorch_config() ->",
        "def _get_vllm_functorch_config(use_aot_compile: bool = True) ->",
    ),
    (
        "    if not envs.VLLM_USE_MEGA_AOT_ARTIFACT:",
        "    if not (use_aot_compile and envs.VLLM_USE_MEGA_AOT_ARTIFACT):",
    ),
]
_DOCSTRING = (
    "    the compile-time config and cache key are always consistent.",
    "    the compile-time config and cache key are always consistent, AOT or not.",
)

LANDED = [
    drift(
        "absorbed: the same branch",
        ABSORBED,
        [
            (
                "        except (ImportError, AssertionError):\n"
                "            pass\n    return False\n",
                "        except (ImportError, AssertionError):\n            pass\n"
                + _ELIF,
            )
        ],
        [],
        dropped=True,
    ),
    # The same two lines stand upstream, in another function.
    drift(
        "absorbed: the same branch of another function is none",
        ABSORBED,
        [
            (
                "        return _ROCM_FLASH_ATTN_AVAILABLE\n\n    return False\n",
                "        return _ROCM_FLASH_ATTN_AVAILABLE\n" + _ELIF,
            )
        ],
        [
            (
                "        return _ROCM_FLASH_ATTN_AVAILABLE\n\n    return False\n",
                "        return _ROCM_FLASH_ATTN_AVAILABLE\n" + _ELIF,
            )
        ],
    ),
    drift(
        "absorbed: the same members",
        ABSORBED,
        [
            (
                '    "turboquant_3bit_nc",\n',
                '    "turboquant_3bit_nc",\n    "octave_k3v4",\n    "octave_k3v3",\n',
            )
        ],
        [],
        dropped=True,
    ),
    drift(
        "absorbed: upstream mended both of two alike",
        ABSORBED,
        [
            (
                "                        if response.status != 200:\n"
                "                            error_text = await response.text()\n",
                "                        if not 200 <= response.status < 300:\n"
                "                            error_text = await response.text()\n",
            )
        ],
        [],
        dropped=True,
    ),
    drift(
        "absorbed: a member left out",
        ABSORBED,
        [("torch.int32, torch.uint32, torch.int64", "torch.int32, torch.int64")],
        [],
        dropped=True,
    ),
    # `pool` came as ours; `owner` did not.
    drift(
        "absorbed: one of two fields",
        ABSORBED,
        [
            (
                "from dataclasses import dataclass\n",
                "from dataclasses import dataclass, field\n"
                "from typing import TYPE_CHECKING\n\n"
                "if TYPE_CHECKING:\n"
                "    from vllm.v1.core.block_pool import BlockPool\n",
            ),
            (
                "    ref_cnt: int = 0\n",
                "    ref_cnt: int = 0\n"
                "    # Deferred frees may contain blocks from multiple pools.\n"
                '    pool: "BlockPool | None" = field(\n'
                "        default=None, repr=False, compare=False, kw_only=True\n"
                "    )\n",
            ),
            (
                "    is_null: bool = False\n",
                "    is_null: bool = False\n    owner: int = 0\n",
            ),
        ],
        [
            (
                "    is_null: bool = False\n",
                "    is_null: bool = False\n    owner: int = 0\n",
            )
        ],
    ),
    # Either keeps the code; whether our words stay is nobody's loss.
    drift(
        "absorbed: the code landed and our docstring did not",
        ABSORBED,
        [*_AOT, _DOCSTRING],
        [_DOCSTRING],
        [],
    ),
    drift(
        "absorbed: a pin",
        ABSORBED,
        [("cutlass-dsl[cu13]==4.7.1", "cutlass-dsl[cu13]==4.8.0")],
        [],
        dropped=True,
    ),
    drift(
        "absorbed: one of two pins",
        ABSORBED,
        [
            (
                "fastsafetensors >= 0.3.3\ninstanttensor >= 0.1.9",
                "fastsafetensors >= 0.4.0\ninstanttensor >= 0.2.2",
            )
        ],
        [("fastsafetensors >= 0.3.3", "fastsafetensors >= 0.4.0")],
    ),
    # Upstream passes over it without a word; ours logs it first.
    drift(
        "absorbed: nearly, with a log line that upstream lacks",
        ABSORBED,
        [
            _HARMONY,
            (
                _TRY[0],
                _TRY[1]
                + '                logger.debug("token %d", token_id)\n'
                + "                continue\n",
            ),
        ],
        None,
    ),
]

_CORE = "vllm/v1/engine/core.py"
_WORKER = "vllm/v1/worker/gpu_worker.py"
_FACE = "vllm/v1/kv_cache_interface.py"
_LORA = "vllm/lora/utils.py"
_ROCM = "vllm/platforms/rocm.py"

CHAINED = [
    chain(
        "chain: a method of a patch that waits",
        [
            # Upstream made a method of the two lines around it.
            {
                _CORE: [
                    (
                        "        if clear_cache:\n            self._reset_caches()\n",
                        "        if clear_cache:\n            self.flush_sm12x()\n"
                        "            self._reset_caches()\n",
                    ),
                    (
                        "        self.reset_encoder_cache()\n",
                        "        self.reset_encoder_cache()\n\n"
                        "    def flush_sm12x(self) -> None:\n"
                        "        self.sm12x.flush()\n",
                    ),
                ]
            },
            {
                "vllm/v1/engine/sm12x.py": _LICENCE
                + "from vllm.v1.engine.core import EngineCore\n\n\n"
                "def stop(engine: EngineCore) -> None:\n"
                "    engine.flush_sm12x()\n",
            },
            {
                _WORKER: [
                    (
                        "            self._sleep_saved_buffers = {}\n",
                        "            self._sleep_saved_buffers.clear()\n",
                    )
                ]
            },
        ],
        (False, False, True),
    ),
    chain(
        "chain: a field of a patch that waits",
        [
            {
                _FACE: [
                    (
                        "    block_stride: int = 0  # total bytes per block in a "
                        "packed layout (0 = not packed)\n",
                        "    block_stride: int = 0  # total bytes per block in a "
                        "packed layout (0 = not packed)\n    pinned: bool = False\n",
                    )
                ],
                _SM12X: _LICENCE
                + "from vllm.v1.kv_cache_interface import KVCacheTensor\n\n\n"
                "def workspace(size: int, name: str) -> KVCacheTensor:\n"
                "    return KVCacheTensor(size, [name], 0, 0, True)\n",
            },
            {
                "vllm/v1/pinned.py": _LICENCE
                + "from vllm.v1.sm12x import workspace\n\n\n"
                "def is_pinned(size: int) -> bool:\n"
                '    return workspace(size, "sm12x").pinned\n',
            },
            {
                _FACE: [
                    (
                        "    # Whether this group contains EAGLE/MTP draft attention",
                        "    # Whether the group contains EAGLE/MTP draft attention",
                    )
                ]
            },
        ],
        (False, False, True),
    ),
    # The first is upstream's own now, so that the second stands on that.
    chain(
        "chain: on what landed upstream",
        [
            [
                (
                    "        except (ImportError, AssertionError):\n"
                    "            pass\n    return False\n",
                    "        except (ImportError, AssertionError):\n"
                    "            pass\n" + _ELIF,
                )
            ],
            {
                "vllm/v1/attention/backends/fa_utils.py": [
                    (
                        "    elif current_platform.is_xpu():\n        return True\n",
                        "    elif current_platform.is_xpu():\n"
                        "        return current_platform.has_mla()\n",
                    )
                ]
            },
        ],
        (True, True),
    ),
    # The parameter waits with the first; the second passes it.
    chain(
        "chain: a parameter of a patch that waits",
        [
            {
                _LORA: [
                    (
                        "    model_config: PreTrainedConfig | None = None,\n",
                        "    model_config: PreTrainedConfig | None = None,\n"
                        "    scale: float = 1.0,\n",
                    ),
                    (
                        "ClassificationHeadWithLoRA(layer)\n",
                        "ClassificationHeadWithLoRA(layer, scale)\n",
                    ),
                ]
            },
            {
                "vllm/lora/sm12x.py": _LICENCE
                + "from vllm.lora.utils import from_layer_classification\n\n\n"
                "def head(layer, config):\n"
                "    return from_layer_classification(layer, 1, config, scale=0.5)\n",
            },
            {
                _ROCM: [
                    (
                        '"Using Torch SDPA backend for ViT',
                        '"Torch SDPA is used as backend for ViT',
                    )
                ]
            },
        ],
        (False, False, True),
    ),
]
